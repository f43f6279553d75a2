"""Settings: what a right configuration becomes, from the file, the environment and files of secrets."""

import ipaddress
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from receiver.registry import handler_type, handler_type_names, vendor_names
from receiver.settings import Budget, Retention, Settings, load
from receiver.store.protocol import Rate
from schemas.errors import ConfigurationError
from schemas.event import EventType, Money
from schemas.report import Said
from schemas.vendor import Pace
from schemas.vendors.vrex import VENDOR as VREX_VENDOR
from tests.support.configuration import API_KEY, API_TOKEN, SECRET_KEY, TEAM, TOP, VREX, configured

MINUTE, HOUR, DAY = 60, 3600, 86_400
#: The least that has to be there, in the environment.
LEAST = {"CLIPBELL_SECRET_KEYS": SECRET_KEY, "CLIPBELL_API_TOKEN": API_TOKEN}


def test_the_least_configuration_has_every_default(tmp_path: Path) -> None:
    got = configured(tmp_path, TOP)
    assert got == Settings(
        public_url=None,
        listen=("127.0.0.1", 8000),
        database_url=f"sqlite:///{tmp_path}/clipbell.db",
        secret_keys=got.secret_keys,
        api_token=got.api_token,
        confirm="failures",
        links=True,
        allow=(),
        budget=None,
        retention=Retention(None, None, None),
        accounts={},
        handlers={},
        folder=tmp_path,
    )
    assert [key.get_secret_value() for key in got.secret_keys] == [SECRET_KEY]
    assert got.api_token.get_secret_value() == API_TOKEN


WHOLE = f"""
public_url = "https://hooks.example.com/clips/"
listen = "[::1]:9000"
database_url = "postgresql://user:p%40ss@host/name"
secret_keys = ["{"n" * 32}", "{"o" * 32}"]
api_token = "{API_TOKEN}"
confirm = "always"
links = false

[network]
allow = ["127.0.0.0/8", "fd00::/8", "10.1.2.3"]

[budget]
usd_per_day = "25.00"
usd_per_month = 300
unknown_price = "allow"

[retention]
evidence = "90d"
events = "1.5d"

[vendors.vrex-client]
type = "vrex"
api_key = "sk-client"
base_url = "http://127.0.0.1:9999/api/v1/"
limits = ["5/second", "100/day"]
order_limits = ["24/hour"]
max_open = 3
usd_per_credit = "0.005"
poll_after = "0s"
poll_every = "0.5s"
overdue_after = "1h"
submit_timeout = "45s"
allow_unknown_params = true
status_path = "/video/{{id}}"
words = {{ In_Review = "running", failed = "pending" }}
prices = {{ second = "0.02", 4k = {{ amount = "3", unit = "credits" }}, fast = 1 }}

[handlers.team]
type = "slack"
url = "https://hooks.slack.com/services/T0/B0/x"
events = ["video.completed", "clip.saved"]
vendors = ["vrex-client"]
tags = ["client-a", "client-b"]
where = {{ client = "acme", Shot = 7, final = true }}
concurrency = 2
rate = "1/second"
retry = ["1s", "1m"]
timeout = "20s"
"""


def test_every_key_of_the_top_and_the_small_sections_is_read(tmp_path: Path) -> None:
    got = configured(tmp_path, WHOLE)
    assert got.public_url == "https://hooks.example.com/clips"
    assert got.listen == ("::1", 9000)
    assert got.database_url == "postgresql://user:p%40ss@host/name"
    assert [key.get_secret_value()[0] for key in got.secret_keys] == ["n", "o"]
    assert got.confirm == "always"
    assert not got.links
    assert got.allow == tuple(map(ipaddress.ip_network, ["127.0.0.0/8", "fd00::/8", "10.1.2.3/32"]))
    assert got.budget == Budget(Decimal("25.00"), Decimal(300), "allow")
    assert got.retention == Retention(evidence=90 * DAY, events=1.5 * DAY, jobs=None)


def test_every_key_of_an_account_is_read(tmp_path: Path) -> None:
    got = configured(tmp_path, WHOLE).accounts["vrex-client"]
    assert (got.name, got.vendor) == ("vrex-client", VREX_VENDOR)
    assert got.api_key.get_secret_value() == "sk-client"
    assert got.base_url == "http://127.0.0.1:9999/api/v1"
    assert got.limits == (Rate(5, 1_000_000), Rate(100, DAY * 1_000_000), Rate(24, HOUR * 1_000_000, "order"))
    assert (got.max_open, got.usd_per_credit, got.submit_timeout) == (3, Decimal("0.005"), 45.0)
    assert got.pace == Pace(poll_after=0, poll_every=0.5, overdue_after=HOUR, give_up_after=24 * HOUR)


def test_what_the_operator_says_is_laid_over_what_the_vendors_file_knows(tmp_path: Path) -> None:
    got = configured(tmp_path, WHOLE).accounts["vrex-client"].terms
    assert got.allow_unknown_params
    assert got.status_path == "/video/{id}"
    assert got.said("in_review") is Said.RUNNING
    assert got.said("failed") is Said.PENDING
    assert got.said("completed") is Said.COMPLETED
    assert got.prices["second"] == Money(Decimal("0.02"), "USD")
    assert got.prices["4k"] == Money(Decimal(3), "credits")
    assert got.prices["fast"] == Money(Decimal(1), "USD")


def test_every_key_of_a_handler_is_read(tmp_path: Path) -> None:
    got = configured(tmp_path, WHOLE).handlers["team"]
    assert (got.name, got.type.name) == ("team", "slack")
    assert got.options.model_dump()["url"].get_secret_value() == "https://hooks.slack.com/services/T0/B0/x"
    assert got.events == {EventType.COMPLETED, EventType.SAVED}
    assert got.vendors == {"vrex-client"}
    assert got.tags == {"client-a", "client-b"}
    assert got.where == {"client": "acme", "Shot": 7, "final": True}
    assert (got.concurrency, got.timeout) == (2, 20.0)
    assert (got.rate, got.retry) == (Rate(1, 1_000_000), (1.0, 60.0))


def test_a_handler_is_driven_as_its_type_says_where_nothing_is_said(tmp_path: Path) -> None:
    got = configured(tmp_path, TOP + TEAM).handlers["team"]
    assert (got.concurrency, got.timeout, got.rate, got.retry) == (got.type.concurrency, got.type.timeout, None, None)
    assert got.where == {}


def test_a_handler_that_is_never_tried_again_is_a_list_of_nothing(tmp_path: Path) -> None:
    assert configured(tmp_path, f"{TOP}{TEAM}retry = []\n").handlers["team"].retry == ()


def test_an_option_of_the_types_own_goes_before_what_every_handler_has_under_its_name(tmp_path: Path) -> None:
    text = f'{TOP}[handlers.script]\ntype = "command"\nargv = ["./it"]\ntimeout = "5s"\n'
    got = configured(tmp_path, text).handlers["script"]
    assert got.options.model_dump()["timeout"] == "5s"
    assert got.timeout == got.type.timeout


def test_the_environment_can_say_how_a_handler_is_driven(tmp_path: Path) -> None:
    environ = {
        "CLIPBELL_HANDLERS__TEAM__WHERE__CLIENT": "7",
        "CLIPBELL_HANDLERS__TEAM__CONCURRENCY": "3",
        "CLIPBELL_HANDLERS__TEAM__RATE": "10/minute",
        "CLIPBELL_HANDLERS__TEAM__RETRY": '["5s"]',
    }
    got = configured(tmp_path, TOP + TEAM, environ).handlers["team"]
    assert (got.where, got.concurrency, got.retry) == ({"client": "7"}, 3, (5.0,))
    assert got.rate == Rate(10, MINUTE * 1_000_000)


def test_an_account_without_more_than_its_key_goes_by_its_vendors_file(tmp_path: Path) -> None:
    got = configured(tmp_path, TOP + VREX).accounts["vrex"]
    assert got.vendor == VREX_VENDOR
    assert got.base_url == "https://getvrex.com/api/v1"
    assert got.terms.prices == VREX_VENDOR.prices
    assert got.terms.words == VREX_VENDOR.words
    assert got.pace == VREX_VENDOR.pace
    assert got.limits == (Rate(10, MINUTE * 1_000_000),)
    assert (got.max_open, got.usd_per_credit, got.submit_timeout) == (None, None, 30.0)


def test_an_empty_list_of_limits_replaces_the_vendors_own(tmp_path: Path) -> None:
    assert configured(tmp_path, f"{TOP}{VREX}limits = []\n").accounts["vrex"].limits == ()


def test_a_handler_is_told_of_its_types_events_and_of_all_accounts_and_tags_where_nothing_is_said(
    tmp_path: Path,
) -> None:
    got = configured(tmp_path, TOP + TEAM).handlers["team"]
    assert got.events == set(got.type.events)
    assert not got.vendors
    assert not got.tags


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://[::1]", "http://localhost:8000", "https://h.example:444"]
)
def test_a_public_url_without_encryption_may_be_on_this_machine(tmp_path: Path, url: str) -> None:
    assert configured(tmp_path, f'public_url = "{url}"\n{TOP}').public_url == url


@pytest.mark.parametrize("name", vendor_names())
def test_every_vendor_needs_its_key_and_nothing_more(tmp_path: Path, name: str) -> None:
    got = configured(tmp_path, f'{TOP}[vendors.{name}]\napi_key = "{API_KEY}"\n').accounts[name]
    assert (got.vendor.name, got.base_url) == (name, got.vendor.base_url)
    assert len(got.limits) == len(got.vendor.limits) + len(got.vendor.order_limits)


@pytest.mark.parametrize("name", handler_type_names())
def test_every_handler_types_example_is_a_configuration_that_works(tmp_path: Path, name: str) -> None:
    environ = {"CLIPBELL_HANDLERS__IT": json.dumps({"type": name, **handler_type(name).example})}
    assert configured(tmp_path, TOP, environ).handlers["it"].type.name == name


# --- the environment ----------------------------------------------------------------------------------


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        **LEAST,
        "CLIPBELL_VENDORS__VREX__API_KEY": API_KEY,
        "CLIPBELL_VENDORS__VREX__MAX_OPEN": "3",
        "CLIPBELL_VENDORS__VREX__ALLOW_UNKNOWN_PARAMS": "True",
        "CLIPBELL_VENDORS__VREX__LIMITS": '["2/second"]',
        "CLIPBELL_BUDGET": '{"usd_per_day": "5"}',
        "CLIPBELL_BUDGET__USD_PER_MONTH": "50.5",
        "CLIPBELL_HANDLERS__TEAM__TYPE": "slack",
        "CLIPBELL_HANDLERS__TEAM__URL": "https://hooks.slack.com/services/T0/B0/x",
        "HOME": "/nowhere",
    }
    got = load(None, environ)
    assert got.folder == tmp_path
    assert got.accounts["vrex"].max_open == 3
    assert got.accounts["vrex"].terms.allow_unknown_params
    assert got.accounts["vrex"].limits == (Rate(2, 1_000_000),)
    assert got.budget == Budget(Decimal(5), Decimal("50.5"), "refuse")
    assert list(got.handlers) == ["team"]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environ = {"CLIPBELL_CONFIRM": "never", "CLIPBELL_VENDORS__VREX__API_KEY": "sk-environment"}
    got = configured(tmp_path, f'confirm = "always"\n{TOP}{VREX}', environ)
    assert got.confirm == "never"
    assert got.accounts["vrex"].api_key.get_secret_value() == "sk-environment"


def test_a_variable_finds_the_section_whose_name_has_a_hyphen(tmp_path: Path) -> None:
    text = f'{TOP}[vendors.vrex-client]\ntype = "vrex"\n'
    got = configured(tmp_path, text, {"CLIPBELL_VENDORS__VREX_CLIENT__API_KEY": API_KEY})
    assert list(got.accounts) == ["vrex-client"]


def test_a_variable_may_make_a_new_section(tmp_path: Path) -> None:
    environ = {"CLIPBELL_VENDORS__VREX_TWO__API_KEY": API_KEY, "CLIPBELL_VENDORS__VREX_TWO__TYPE": "vrex"}
    assert list(configured(tmp_path, TOP + VREX, environ).accounts) == ["vrex", "vrex_two"]


def test_several_secret_keys_are_a_json_list(tmp_path: Path) -> None:
    environ = {"CLIPBELL_SECRET_KEYS": f'["{"n" * 32}", "{"o" * 32}"]'}
    assert len(configured(tmp_path, TOP, environ).secret_keys) == 2


def test_a_value_that_only_looks_like_json_is_text(tmp_path: Path) -> None:
    environ = {"CLIPBELL_API_TOKEN": "{not-json-but-long-enough-for-a-token"}
    assert configured(tmp_path, TOP, environ).api_token.get_secret_value() == environ["CLIPBELL_API_TOKEN"]


def test_what_platforms_set_goes_before_the_file(tmp_path: Path) -> None:
    text = f'listen = "127.0.0.1:1"\ndatabase_url = "sqlite:///x.db"\n{TOP}'
    got = configured(tmp_path, text, {"PORT": "5000", "DATABASE_URL": "postgres://u:p@h/n"})
    assert (got.listen, got.database_url) == (("0.0.0.0", 5000), "postgresql://u:p@h/n")


def test_our_own_variables_go_before_what_platforms_set(tmp_path: Path) -> None:
    platform = {"PORT": "5000", "DATABASE_URL": "postgres://u:p@h/n"}
    ours = {"CLIPBELL_LISTEN": "127.0.0.1:7", "CLIPBELL_DATABASE_URL": "sqlite:///y.db"}
    got = configured(tmp_path, TOP, {**platform, **ours})
    assert (got.listen, got.database_url) == (("127.0.0.1", 7), f"sqlite:///{tmp_path}/y.db")


def test_a_variable_of_ours_that_is_no_setting_is_left_alone(tmp_path: Path) -> None:
    assert configured(tmp_path, TOP, {"CLIPBELL_DEBUG": "1"}).confirm == "failures"


def test_an_empty_variable_of_a_platform_says_nothing(tmp_path: Path) -> None:
    assert configured(tmp_path, TOP, {"PORT": "", "DATABASE_URL": ""}).listen == ("127.0.0.1", 8000)


# --- which file -----------------------------------------------------------------------------------------


def test_the_file_is_the_one_named_else_clipbell_config_else_clipbell_toml_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clipbell.toml").write_text(TOP)
    monkeypatch.chdir(tmp_path / "here")
    environ = {"CLIPBELL_CONFIG": str(tmp_path / "there" / "clipbell.toml")}
    assert load(None, {}).folder == tmp_path / "here"
    assert load(None, environ).folder == tmp_path / "there"
    assert load(Path("../elsewhere/clipbell.toml"), environ).folder.resolve() == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sqlite:///clipbell.db", "sqlite:///{folder}/clipbell.db"),
        ("sqlite:///data/clips.db", "sqlite:///{folder}/data/clips.db"),
        ("sqlite:////var/lib/clipbell.db", "sqlite:////var/lib/clipbell.db"),
        ("postgresql+psycopg://h/n", "postgresql://h/n"),
    ],
)
def test_a_databases_path_is_relative_to_the_file(tmp_path: Path, written: str, meant: str) -> None:
    got = configured(tmp_path, f'database_url = "{written}"\n{TOP}')
    assert got.database_url == meant.format(folder=tmp_path)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert configured(tmp_path, f"\ufeff{TOP}").folder == tmp_path


# --- secrets --------------------------------------------------------------------------------------------


def test_any_secret_may_stand_in_a_file_or_in_a_variable(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{API_TOKEN}\n")
    text = f"""
    database_url = {{ env = "PG" }}
    secret_keys = [{{ env = "NEW" }}, "{SECRET_KEY}"]
    api_token = {{ file = "token" }}
    [vendors.vrex]
    api_key = {{ env = "VREX" }}
    [handlers.team]
    type = "slack"
    url = {{ env = "HOOK" }}
    """
    environ = {"NEW": "n" * 32, "VREX": "sk-1", "HOOK": "https://hooks.slack.com/x", "PG": "postgres://u:p@h/n"}
    got = configured(tmp_path, text, environ)
    assert got.database_url == "postgresql://u:p@h/n"
    assert [key.get_secret_value() for key in got.secret_keys] == ["n" * 32, SECRET_KEY]
    assert got.api_token.get_secret_value() == API_TOKEN
    assert got.accounts["vrex"].api_key.get_secret_value() == "sk-1"
    assert got.handlers["team"].options.model_dump()["url"].get_secret_value() == "https://hooks.slack.com/x"


def test_a_variable_may_say_in_which_file_a_secret_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(API_TOKEN)
    got = configured(tmp_path, TOP, {"CLIPBELL_API_TOKEN__FILE": str(tmp_path / "token")})
    assert got.api_token.get_secret_value() == API_TOKEN


def test_no_secret_shows_when_settings_are_printed(tmp_path: Path) -> None:
    text = f'database_url = "postgresql://user:hunter2@host/name"\n{TOP}{VREX}{TEAM}'
    shown = repr(configured(tmp_path, text))
    assert [secret for secret in (SECRET_KEY, API_TOKEN, API_KEY, "hunter2", "T7/B8") if secret in shown] == []
    assert "vrex" in shown


# --- the tests' own ground --------------------------------------------------------------------------------


def test_the_settings_of_whoever_runs_the_tests_are_out_of_sight() -> None:
    assert [name for name in os.environ if name.startswith("CLIPBELL_")] == []


def test_nothing_at_all_is_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="clipbell init"):
        load(None, {})
