"""Mistakes in a configuration: each told in one exact sentence, all of them at once, and no secret with them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr, field_validator

from handlers.protocol import Options
from receiver.registry import handler_type_names, vendor_names
from receiver.settings import load
from receiver.settings_problems import Desk
from receiver.settings_source import Source
from schemas.errors import ConfigurationError, Problem
from tests.support.configuration import API_KEY, API_TOKEN, SECRET_KEY, TEAM, TOP, VREX, complaints
from tests.support.packages import importable

VENDORS, HANDLERS = ", ".join(vendor_names()), ", ".join(handler_type_names())
TOP_KEYS = (
    "public_url, listen, database_url, secret_keys, api_token, confirm, links, network, budget, retention, vendors, "
    "handlers"
)
EVENTS = "video.completed, video.failed, clip.saved, alert.raised, alert.cleared"
SIX_KEYS = f'secret_keys = ["{SECRET_KEY}"]\n'
TOKEN = f'api_token = "{API_TOKEN}"\n'

#: What stands in the file, and the one line that a person reads.
MISTAKES = [
    # --- the top ---
    (
        TOKEN,
        'secret_keys: is missing; add secret_keys = ["…32 random characters or more…"]',
    ),
    (
        f'secret_keys = ["{"x" * 31}"]\n{TOKEN}',
        "secret_keys.0: must have at least 32 characters; `clipbell init` makes good ones, "
        'for example secret_keys = ["…32 random characters or more…"]',
    ),
    (
        f"secret_keys = []\n{TOKEN}",
        'secret_keys: must hold at least one key, for example secret_keys = ["…32 random characters or more…"]',
    ),
    (
        f'secret_keys = "{SECRET_KEY}"\n{TOKEN}',
        'secret_keys: must be a list in brackets, for example secret_keys = ["…32 random characters or more…"]',
    ),
    (SIX_KEYS, 'api_token: is missing; add api_token = "…24 random characters or more…"'),
    (
        f'{SIX_KEYS}api_token = "{"t" * 23}"',
        "api_token: must have at least 24 characters; `clipbell init` makes good ones, "
        'for example api_token = "…24 random characters or more…"',
    ),
    (
        f'{SIX_KEYS}api_token = "{"t" * 23} t"',
        "api_token: must be one line of letters, digits and signs, without spaces, "
        'for example api_token = "…24 random characters or more…"',
    ),
    (f"pubic_url = 1\n{TOP}", "pubic_url: is not a key that is known here; did you mean public_url?"),
    (f"colour = 1\n{TOP}", f"colour: is not a key that is known here; known are {TOP_KEYS}"),
    (
        f'public_url = "http://hooks.example.com"\n{TOP}',
        "public_url: must begin with https://: its addresses are secrets that anybody on the way could read, "
        'for example public_url = "https://hooks.example.com"',
    ),
    (
        f'public_url = "hooks.example.com"\n{TOP}',
        'public_url: must be a web address, for example public_url = "https://hooks.example.com"',
    ),
    (
        f'public_url = "https://[::1"\n{TOP}',
        'public_url: must be a web address, for example public_url = "https://hooks.example.com"',
    ),
    (
        f'public_url = "https://u:p@hooks.example.com"\n{TOP}',
        "public_url: must be a web address without user, password, ? and #, "
        'for example public_url = "https://hooks.example.com"',
    ),
    (
        f'public_url = "https://hooks.example.com/?x=1"\n{TOP}',
        "public_url: must be a web address without user, password, ? and #, "
        'for example public_url = "https://hooks.example.com"',
    ),
    (
        f"public_url = 8\n{TOP}",
        'public_url: must be text in quotes, for example public_url = "https://hooks.example.com"',
    ),
    (
        f'listen = "8000"\n{TOP}',
        'listen: must be a host and a port from 1 to 65535, for example listen = "127.0.0.1:8000"',
    ),
    (
        f'listen = "127.0.0.1:65536"\n{TOP}',
        'listen: must be a host and a port from 1 to 65535, for example listen = "127.0.0.1:8000"',
    ),
    (f"listen = 8000\n{TOP}", 'listen: must be text in quotes, for example listen = "127.0.0.1:8000"'),
    *(
        (
            f'database_url = "{url}"\n{TOP}',
            "database_url: must be a SQLite file or a PostgreSQL database such as "
            '"sqlite:///clipbell.db" or "postgresql://user:password@host/name"',
        )
        for url in ("mysql://u:hunter2@h/n", "sqlite://", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "clipbell.db")
    ),
    (
        f'confirm = "sometimes"\n{TOP}',
        'confirm: must be "never", "failures" or "always", for example confirm = "failures"',
    ),
    (f"confirm = true\n{TOP}", 'confirm: must be "never", "failures" or "always", for example confirm = "failures"'),
    (f"network = 1\n{TOP}", "network: must be a section of its own"),
    (f"vendors = []\n{TOP}", "vendors: must be a section of its own"),
    # --- network, budget, retention ---
    (
        f'{TOP}[network]\nallow = ["10.0.0.0/33"]',
        'network.allow.0: must be a network such as "10.1.0.0/16" or "fd00::/8"',
    ),
    (
        f'{TOP}[network]\nallow = ["127.0.0.0/8", "10.0.0.1/8"]',
        'network.allow.1: must be the first address of its network, such as "10.0.0.0/8"',
    ),
    (
        f'{TOP}[network]\nallow = "127.0.0.0/8"',
        'network.allow: must be a list in brackets, for example allow = ["127.0.0.0/8"]',
    ),
    (
        f"{TOP}[budget]\nusd_per_week = 1",
        "budget.usd_per_week: is not a key that is known here; did you mean usd_per_day?",
    ),
    (f'{TOP}[budget]\nusd_per_day = "much"', 'budget.usd_per_day: must be an amount such as "25.00"'),
    (f"{TOP}[budget]\nusd_per_day = -1", 'budget.usd_per_day: must be an amount such as "25.00"'),
    (f"{TOP}[budget]\nusd_per_day = nan", 'budget.usd_per_day: must be an amount such as "25.00"'),
    (f"{TOP}[budget]\nusd_per_day = true", 'budget.usd_per_day: must be an amount such as "25.00"'),
    (
        f'{TOP}[budget]\nusd_per_day = "1"\nunknown_price = "guess"',
        'budget.unknown_price: must be "refuse" or "allow", for example unknown_price = "refuse"',
    ),
    (
        f'{TOP}[budget]\nunknown_price = "allow"',
        'budget: needs usd_per_day or usd_per_month, for example usd_per_day = "25.00"',
    ),
    (
        f'{TOP}[retention]\nevidence = "90"',
        'retention.evidence: must be a number with s, m, h or d behind it, such as "90s", "10m", "6h" or "7d"',
    ),
    (f"{TOP}[retention]\njobs = 90", 'retention.jobs: must be text in quotes, for example jobs = "365d"'),
    (f'{TOP}[retention]\nevents = "0d"', 'retention.events: must be longer than nothing, for example events = "365d"'),
    # --- accounts ---
    (f"{TOP}[vendors.vrex]", 'vendors.vrex.api_key: is missing; add api_key = "sk-…"'),
    (
        f'{TOP}[vendors.vrex]\napi_key = ""',
        "vendors.vrex.api_key: must be one line of letters, digits and signs, without spaces, "
        'for example api_key = "sk-…"',
    ),
    (f"{TOP}[vendors.vrex]\napi_key = 5", 'vendors.vrex.api_key: must be text in quotes, for example api_key = "sk-…"'),
    (
        f'{TOP}[vendors.acme]\napi_key = "{API_KEY}"',
        f'vendors.acme: there is no vendor acme; known are {VENDORS}; add type = "…" for a key under another name',
    ),
    (
        f'{TOP}[vendors.acme]\ntype = "trex"\napi_key = "{API_KEY}"',
        f"vendors.acme.type: there is no vendor trex; known are {VENDORS}",
    ),
    (f"{TOP}{VREX}type = 1", 'vendors.vrex.type: must be text in quotes, for example type = "vrex"'),
    (f'{TOP}[vendors.Vrex]\ntype = "vrex"\napi_key = "a"', "vendors.Vrex: must be named with a-z, 0-9, _ and - only"),
    (f"{TOP}[vendors]\nvrex = 1", "vendors.vrex: must be a section of its own: [vendors.vrex]"),
    (
        f'{TOP}{VREX}[vendors.vrex-1]\ntype = "vrex"\napi_key = "a"\n[vendors.vrex_1]\ntype = "vrex"\napi_key = "a"',
        "vendors.vrex_1: is the same name as vrex-1 to the environment; rename one of them",
    ),
    (f"{TOP}{VREX}poll_evry = 1", "vendors.vrex.poll_evry: is not a key that is known here; did you mean poll_every?"),
    (
        f'{TOP}{VREX}base_url = "ftp://x"',
        'vendors.vrex.base_url: must be a web address, for example base_url = "https://getvrex.com/api/v1"',
    ),
    (
        f'{TOP}{VREX}limits = ["10/min"]',
        'vendors.vrex.limits.0: must be a count per second, minute, hour or day, such as "10/minute" or "1000/day"',
    ),
    (
        f'{TOP}{VREX}order_limits = "24/hour"',
        'vendors.vrex.order_limits: must be a list in brackets, for example order_limits = ["24/hour"]',
    ),
    (f"{TOP}{VREX}max_open = 0", "vendors.vrex.max_open: must be a whole number from 1 up, for example max_open = 5"),
    (f'{TOP}{VREX}max_open = "5"', "vendors.vrex.max_open: must be a whole number, for example max_open = 5"),
    (f"{TOP}{VREX}max_open = true", "vendors.vrex.max_open: must be a whole number, for example max_open = 5"),
    (f'{TOP}{VREX}usd_per_credit = "0"', 'vendors.vrex.usd_per_credit: must be more than nothing, such as "0.005"'),
    (
        f'{TOP}{VREX}poll_every = "0s"',
        'vendors.vrex.poll_every: must be longer than nothing, for example poll_every = "20s"',
    ),
    (
        f'{TOP}{VREX}poll_after = "soon"',
        'vendors.vrex.poll_after: must be a number with s, m, h or d behind it, such as "90s", "10m", "6h" or "7d"',
    ),
    (
        f'{TOP}{VREX}allow_unknown_params = "yes"',
        "vendors.vrex.allow_unknown_params: must be true or false, for example allow_unknown_params = true",
    ),
    (
        f'{TOP}{VREX}status_path = "/video/"',
        "vendors.vrex.status_path: must be a path that begins with / and holds {id} once, "
        'for example status_path = "/video/{id}"',
    ),
    (
        f'{TOP}{VREX}words = {{ ready = "done" }}',
        'vendors.vrex.words.ready: must be "pending", "running", "completed" or "failed", '
        'for example words = {in_review = "running"}',
    ),
    (f'{TOP}{VREX}prices = {{ second = "free" }}', 'vendors.vrex.prices.second: must be an amount such as "25.00"'),
    (
        f'{TOP}{VREX}prices = {{ second = {{ amount = "1", unit = "EUR" }} }}',
        'vendors.vrex.prices.second: must be an amount such as "0.017", or {amount = "25", unit = "credits"}',
    ),
    # --- handlers ---
    (f"{TOP}[handlers.team]", 'handlers.team.type: is missing; add type = "slack"'),
    (
        f'{TOP}[handlers.team]\ntype = "slak"',
        f"handlers.team.type: there is no handler type slak; known are {HANDLERS}",
    ),
    (
        f'{TOP}[handlers.team]\ntype = "slack"',
        'handlers.team.url: is missing; add url = "https://hooks.slack.com/services/T0/B0/x"',
    ),
    (
        f'{TOP}[handlers."a team"]\ntype = "slack"\nurl = "https://hooks.slack.com/services/T0/B0/x"',
        "handlers.a team: must be named with a-z, 0-9, _ and - only",
    ),
    (f"{TOP}{TEAM}urls = []", "handlers.team.urls: is not a key that is known here; did you mean url?"),
    (
        f"{TOP}{TEAM}colour = 1",
        "handlers.team.colour: is not a key that is known here; known are url, type, events, "
        "vendors, tags, where, concurrency, rate, retry, timeout",
    ),
    (
        f'{TOP}{TEAM}events = ["video.complete", "clip.saved"]',
        f"handlers.team.events: video.complete is no event; there are {EVENTS}, "
        'for example events = ["video.completed", "video.failed"]',
    ),
    (
        f"{TOP}{TEAM}events = []",
        f"handlers.team.events: must be a list of events; there are {EVENTS}, "
        'for example events = ["video.completed", "video.failed"]',
    ),
    (f'{TOP}{VREX}{TEAM}vendors = ["vrx"]', "handlers.team.vendors.0: there is no account vrx; there are vrex"),
    (f'{TOP}{TEAM}vendors = ["vrex"]', "handlers.team.vendors.0: there is no account vrex; there is none at all"),
    (f'{TOP}{TEAM}tags = "a"', 'handlers.team.tags: must be a list in brackets, for example tags = ["client-a"]'),
    (f"{TOP}{TEAM}tags = [1]", 'handlers.team.tags.0: must be text in quotes, for example tags = ["client-a"]'),
    (
        f'{TOP}{TEAM}where = "acme"',
        'handlers.team.where: must be names and values, such as {client = "acme"}',
    ),
    (
        f"{TOP}{TEAM}where = {{ client = [1] }}",
        "handlers.team.where: must have a text, a number, true or false for each name, "
        'for example where = {client = "acme"}',
    ),
    (
        f"{TOP}{TEAM}concurrency = 0",
        "handlers.team.concurrency: must be a whole number from 1 up, for example concurrency = 2",
    ),
    (
        f'{TOP}{TEAM}rate = "fast"',
        'handlers.team.rate: must be a count per second, minute, hour or day, such as "10/minute" or "1000/day"',
    ),
    (
        f'{TOP}{TEAM}retry = ["soon"]',
        'handlers.team.retry.0: must be a number with s, m, h or d behind it, such as "90s", "10m", "6h" or "7d"',
    ),
    (
        f'{TOP}{TEAM}retry = "5s"',
        'handlers.team.retry: must be a list in brackets, for example retry = ["5s", "30s", "10m"]',
    ),
    (f'{TOP}{TEAM}timeout = "0s"', 'handlers.team.timeout: must be longer than nothing, for example timeout = "30s"'),
    (
        f'{TOP}[handlers.files]\ntype = "downloader"\ntarget = "clips"\nretry = ["5s"]',
        "handlers.files.retry: cannot be set for downloader: it tries again within the life of a URL; leave it out",
    ),
    # --- secrets from elsewhere ---
    (
        f'{TOP}[vendors.vrex]\napi_key = {{ env = "VREX_KEY" }}',
        "vendors.vrex.api_key: is to come from the environment variable VREX_KEY, which is not set",
    ),
    (
        f'{TOP}[vendors.vrex]\napi_key = {{ env = "A", file = "b" }}',
        'vendors.vrex.api_key: must be text, {file = "…"} or {env = "…"}',
    ),
    (
        f'secret_keys = ["{SECRET_KEY}", {{ env = "OLD_KEY" }}]\n{TOKEN}',
        "secret_keys.1: is to come from the environment variable OLD_KEY, which is not set",
    ),
    (
        f'{TOP}[handlers.team]\ntype = "slack"\nurl = {{ env = "HOOK" }}',
        "handlers.team.url: is to come from the environment variable HOOK, which is not set",
    ),
]


@pytest.mark.parametrize(("text", "line"), MISTAKES)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert complaints(tmp_path, text) == [line]


def test_what_is_right_is_left_alone(tmp_path: Path) -> None:
    assert complaints(tmp_path, TOP + VREX + TEAM) == []


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = """
    listen = "nowhere"
    colour = "red"
    [network]
    allow = ["x"]
    [budget]
    usd_per_day = "x"
    [vendors.vrex]
    max_open = 0
    [handlers.team]
    type = "slack"
    vendors = ["nobody"]
    """
    fields = [line.split(":")[0] for line in complaints(tmp_path, text)]
    assert fields == [
        "listen",
        "secret_keys",
        "api_token",
        "colour",
        "network.allow.0",
        "budget.usd_per_day",
        "vendors.vrex.api_key",
        "vendors.vrex.max_open",
        "handlers.team.vendors.0",
        "handlers.team.url",
    ]


# --- files ------------------------------------------------------------------------------------------------


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path / "none.toml", {"CLIPBELL_API_TOKEN": API_TOKEN})
    text = "does not exist; write it with `clipbell init`, or name another one with --config FILE"
    assert str(error.value) == f"{tmp_path}/none.toml: {text}"


def test_a_file_that_clipbell_config_names_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{tmp_path}/none.toml: does not exist")):
        load(None, {"CLIPBELL_CONFIG": f"{tmp_path}/none.toml", "CLIPBELL_API_TOKEN": API_TOKEN})


def test_an_environment_that_is_not_enough_tells_of_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as error:
        load(None, {"CLIPBELL_API_TOKEN": API_TOKEN})
    assert str(error.value).splitlines() == [
        f"{tmp_path}/clipbell.toml: does not exist, and the environment alone is not enough; "
        "write the file with `clipbell init`",
        'secret_keys: is missing; add secret_keys = ["…32 random characters or more…"]',
    ]


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


def test_bad_toml_is_told_with_its_line(tmp_path: Path) -> None:
    assert complaints(tmp_path, "a = 1\nlisten = 127.0.0.1:8000\n") == [
        f"{tmp_path}/clipbell.toml: is not valid TOML: Expected newline or end of document after a statement "
        '(at line 2, column 15); text stands in quotes, for example listen = "127.0.0.1:8000"'
    ]


def test_a_section_that_stands_twice_is_told(tmp_path: Path) -> None:
    (line,) = complaints(tmp_path, TOP + VREX + VREX)
    assert "is not valid TOML: Cannot declare ('vendors', 'vrex') twice" in line


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "clipbell.toml").write_bytes('confirm = "schön"'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="is not UTF-8 text; save it as UTF-8"):
        load(tmp_path / "clipbell.toml", {})


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.absolute, "which cannot be read: No such file or directory"),
        (Path.mkdir, "which cannot be read: Is a directory"),
        (lambda file: file.write_bytes(b"\xff" * 40), "which is not UTF-8 text"),
    ],
)
def test_a_secrets_file_that_cannot_be_used_is_told(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    file = tmp_path / "token"
    make(file)
    text = f'{SIX_KEYS}api_token = {{ file = "token" }}'
    assert complaints(tmp_path, text) == [f"api_token: is to come from the file {file}, {why}"]


# --- the environment ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("CLIPBELL_COLOUR", "red", f"colour: is not a key that is known here; known are {TOP_KEYS}"),
        (
            "CLIPBELL_VENDORS__VREX__MAX_OPEN",
            "few",
            "vendors.vrex.max_open: must be a whole number, for example max_open = 5",
        ),
        (
            "CLIPBELL_VENDORS__VREX__LIMITS",
            "10/minute",
            'vendors.vrex.limits: must be a list in brackets, for example limits = ["10/minute"]',
        ),
        ("PORT", "http", 'listen: must be a host and a port from 1 to 65535, for example listen = "127.0.0.1:8000"'),
        (
            "DATABASE_URL",
            "mysql://u:hunter2@h/n",
            "database_url: must be a SQLite file or a PostgreSQL database such as "
            '"sqlite:///clipbell.db" or "postgresql://user:password@host/name"',
        ),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path, name: str, value: str, line: str) -> None:
    assert complaints(tmp_path, TOP + VREX, {name: value}) == [f"{line} (set by {name})"]


def test_a_variable_for_a_part_of_a_plain_value_is_told(tmp_path: Path) -> None:
    assert complaints(tmp_path, TOP, {"CLIPBELL_LISTEN__HOST": "x"}) == [
        'listen: must be text in quotes, for example listen = "127.0.0.1:8000"'
    ]


# --- plug-ins -------------------------------------------------------------------------------------------------


def test_a_plug_in_that_cannot_be_used_is_told_once_and_with_all_the_rest(tmp_path: Path) -> None:
    text = f"""
    {TOP}
    [vendors.one]
    type = "acme"
    api_key = "a"
    [vendors.two]
    type = "acme"
    api_key = "b"
    [handlers.pager]
    type = "pager"
    [handlers.team]
    type = "slack"
    """
    points = "[clipbell.vendors]\nacme = plug_acme\n[clipbell.handlers]\npager = plug_acme\n"
    with importable(tmp_path) as packages:
        packages.distribution("plug_acme", "VENDOR = None\n", points)
        told = complaints(tmp_path, text)
    assert told == [
        "entry point acme of plug_acme: its VENDOR is a NoneType; it must be a Vendor",
        "entry point pager of plug_acme: lacks the constant HANDLER, which makes it a handler type; define it",
        'handlers.team.url: is missing; add url = "https://hooks.slack.com/services/T0/B0/x"',
    ]


# --- no secret ------------------------------------------------------------------------------------------------


def test_no_value_of_a_secret_is_ever_told(tmp_path: Path) -> None:
    text = """
    database_url = "mysql://user:hunter2-database@host/name"
    secret_keys = ["hunter2-key"]
    api_token = "hunter2 token"
    [vendors.vrex]
    api_key = "hunter2 api key"
    [handlers.team]
    type = "slack"
    url = "hunter2-hook"
    [handlers.mail]
    type = "email"
    smtp_url = "smtp//hunter2:hunter2@host"
    sender = "a@example.com"
    to = ["b@example.com"]
    """
    told = complaints(tmp_path, text)
    fields = [
        "database_url",
        "secret_keys.0",
        "api_token",
        "vendors.vrex.api_key",
        "handlers.team.url",
        "handlers.mail.smtp_url",
    ]
    assert [line.split(":")[0] for line in told] == fields
    assert [line for line in told if "hunter2" in line] == []


GOOD_SECRET = "whsec_" + "QUJD" * 8
WEBHOOK_SECRET = "must be whsec_ and the base64 of 24 to 64 random bytes"


class Talkative(Options):
    """A plug-in's options whose check repeats what it was given."""

    url: SecretStr

    @field_validator("url")
    @classmethod
    def _check(cls, value: SecretStr) -> SecretStr:
        raise ValueError(f"{value.get_secret_value()} is no address")


def test_a_plug_in_that_repeats_a_secret_is_not_repeated() -> None:
    desk = Desk(Source({}, Path(), {}, {}))
    assert desk.check(Talkative, {"url": "hunter2"}, ("handlers", "team")) is None
    assert desk.problems == [Problem("handlers.team.url", "… is no address")]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ('type = "webhook"\nurl = "https://x.example"\nsecret = "s"', f"secret: {WEBHOOK_SECRET}"),
        (
            f'type = "webhook"\nurl = "https://x.example"\nsecret = ["{GOOD_SECRET}", "s"]',
            f"secret.1: {WEBHOOK_SECRET}",
        ),
        ('type = "webhook"\nurl = "https://x.example"\nsecret = []', "secret: must not be empty"),
        ('type = "email"\nsmtp_url = "smtp://h"\nsender = "a@b.example"\nto = []', "to: must not be empty"),
        ('type = "apprise"\nurls = []', "urls: must not be empty"),
        ('type = "command"\nargv = []', "argv: must not be empty"),
        ('type = "command"\nargv = ["x"]\ntimeout = 5', 'timeout: must be text in quotes, for example timeout = "60s"'),
        ('type = "ledger"\nfile = ""', "file: must not be empty"),
        ('type = "downloader"\ntarget = "c"\nname = "{nope}"', "name: knows no {nope}; fields are {vendor} {account}"),
        (
            'type = "downloader"\ntarget = "c"\nname = "{vendor"',
            "name: has a brace too many or too few; fields are {vendor}",
        ),
        (
            'type = "downloader"\ntarget = "c"\nmax_size = "2"',
            "max_size: must be a number with B, KiB, MiB, GiB or TiB",
        ),
        (
            'type = "downloader"\ntarget = "c"\nmax_size = 2',
            'max_size: must be text in quotes, for example max_size = "2GiB"',
        ),
        (
            'type = "downloader"\ntarget = "c"\nposters = "yes"',
            "posters: must be true or false, for example posters = true",
        ),
        (
            'type = "downloader"\ntarget = "ftp://x"',
            'target: must be a folder such as "clips", or "s3://bucket/prefix"',
        ),
    ],
)
def test_a_mistake_in_a_handlers_options_is_told_in_whole_words(tmp_path: Path, options: str, line: str) -> None:
    (told,) = complaints(tmp_path, f"{TOP}[handlers.x]\n{options}")
    assert told.startswith(f"handlers.x.{line}")


def test_the_environment_may_say_true(tmp_path: Path) -> None:
    (tmp_path / "clipbell.toml").write_text(f'{TOP}[handlers.x]\ntype = "downloader"\ntarget = "c"\n')
    settings = load(tmp_path / "clipbell.toml", {"CLIPBELL_HANDLERS__X__POSTERS": "true"})
    assert settings.handlers["x"].options.model_dump()["posters"] is True


def test_the_error_drags_no_other_error_with_the_values_along(tmp_path: Path) -> None:
    (tmp_path / "clipbell.toml").write_text('secret_keys = ["hunter2"]')
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path / "clipbell.toml", {})
    assert (error.value.__cause__, error.value.__context__) == (None, None)


def test_a_section_with_a_bad_name_does_not_hide_what_is_wrong_inside_it(tmp_path: Path) -> None:
    file = tmp_path / "clipbell.toml"
    file.write_text(f'{TOP}[vendors.Mine]\ntype = "trex"\nlimits = ["x"]\n[handlers.Team]\ntype = "slack"\n')
    with pytest.raises(ConfigurationError) as caught:
        load(file, {})
    fields = ["vendors.Mine", "vendors.Mine.api_key", "vendors.Mine.limits.0", "vendors.Mine.type"]
    assert sorted(p.field for p in caught.value.problems) == [*("handlers.Team", "handlers.Team.url"), *fields]


def test_a_list_of_secrets_that_are_not_set_is_not_called_empty(tmp_path: Path) -> None:
    text = f'{TOP}[handlers.phone]\ntype = "apprise"\nurls = [{{ env = "NO_SUCH" }}]\n'
    assert complaints(tmp_path, text) == [
        "handlers.phone.urls.0: is to come from the environment variable NO_SUCH, which is not set"
    ]
