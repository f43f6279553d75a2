"""No secret comes out: not in what the program prints, answers, stores or saves, however badly things go.

The real program has a canary for each kind of secret; it is driven through good and bad orders, callbacks and
deliveries, refusals, echoes and errors of foreign code. Then everything that it left is searched. The same search finds
every canary where it has to be: in the configuration, and in what was sent to the others.
"""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from tests.support.faults import control, plant
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.leaky import install
from tests.support.mail_server import Mailbox, mail_server
from tests.support.program import API_TOKEN, SECRET_KEY, Program

pytestmark = [pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"), pytest.mark.timeout(240)]
#: Every kind of secret, and the canary that stands for it.
CANARIES = {
    "api key": "sk-canaryVrexKey5544332211",
    "api key that is refused": "sk-canaryBadKey9988776655",
    "api key of a poll vendor": "canaryArtnexKey1122334455",
    "api key that foreign code tells": "sk-canaryLeakyKey6677889900",
    "api token": "canaryApiToken0a1b2c3d4e5f60718293",
    "newest secret key": "canaryNewestSecretKey0123456789abcdef",
    "older secret key": "canaryOlderSecretKey0123456789abcdef",
    "slack url": "canarySlackUrl1234567890",
    "smtp password": "canarySmtpPassword4321",
    "webhook secret": base64.b64encode(b"canaryWebhookSecret12345").decode(),
    "apprise url": "canaryAppriseUrl5566778899",
    "option of a foreign handler": "canaryForeignToken135792468",
}
#: One that a person reads and one that a program reads is enough: they are made of the same answers.
READING = (
    "jobs",
    "events --json",
    "deliveries",
    "evidence",
    "alerts",
    "ledger --csv",
    "ledger --findings",
    "handlers",
    "doctor",
)


class Guarded(Program):
    """A program whose every secret is a canary."""

    def configure(self) -> None:
        """Write the configuration file."""
        super().configure()
        path = self.folder / "clipbell.toml"
        keys = json.dumps([CANARIES["newest secret key"], CANARIES["older secret key"]])
        text = path.read_text().replace(json.dumps([SECRET_KEY]), keys).replace(API_TOKEN, CANARIES["api token"])
        path.write_text(text)
        self.client.headers["authorization"] = f"Bearer {CANARIES['api token']}"

    def environment(self) -> dict[str, str]:
        """With the careless package on the import path."""
        return {**super().environment(), "PYTHONPATH": str(self.folder / "packages")}


@dataclass
class Traces:
    """All that came out, by where, and the callback tokens that were given away."""

    out: dict[str, bytes] = field(default_factory=dict)
    #: What has to hold secrets: the configuration, and what went to the others.
    within: dict[str, bytes] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    def note(self, where: str, answer: httpx.Response) -> httpx.Response:
        """Keep an answer."""
        # the server hangs up after a mistake, and has to say so to whoever keeps connections
        assert answer.status_code != 500 or answer.headers["connection"] == "close"
        self.out[where] = repr(answer.headers).encode() + answer.content
        self.statuses.add(answer.status_code)
        return answer

    def ran(self, done: subprocess.CompletedProcess[str]) -> None:
        """Keep what a command printed."""
        self.out[f"clipbell {' '.join(done.args[1:])}"] = (done.stdout + done.stderr).encode()


def spellings(secret: str) -> Iterator[bytes]:
    """A secret as it is, and within Base64 wherever it may begin there."""
    yield secret.encode()
    for start in range(3):
        whole = base64.b64encode(b"\0" * start + secret.encode())
        yield whole[4 : len(whole) - 4]


def found_in(places: Mapping[str, bytes], secrets: Sequence[str]) -> list[tuple[str, str]]:
    """Every secret that is in a place."""
    return [
        (secret, where)
        for where, content in places.items()
        for secret in secrets
        if any(spelling in content for spelling in spellings(secret))
    ]


# --- a hard life ---


def lived(folder: Path) -> Traces:
    """What one hard life of a program left."""
    install(folder / "packages")
    bad = frozenset({CANARIES["api key that is refused"]})
    left = Traces()
    with (
        RunningSimulator(SimulatorSettings(duration=0.2, bad_keys=bad)) as vendors,
        serving() as others,
        mail_server(Mailbox(login=("someone", "another password"))) as mail,
    ):
        others.answer(echo)
        vrex = vendors.base_urls["vrex"]
        base_urls = {**vendors.base_urls, "refused": vrex, "leaky": vrex, "deaf": vrex}
        made = Guarded(folder, base_urls, closed_port())
        try:
            configure(made, others, mail)
            live(made, vendors, left)
        finally:
            made.client.close()
            if made.process is not None:
                made.process.kill()
                made.process.wait()
    return left


def echo(seen: Seen) -> Reply:
    """Say no, and what was asked for: others are careless, too."""
    return Reply(500, f"{seen.method} {seen.path} {dict(seen.headers)}".encode())


def configure(clipbell: Guarded, others: Server, mail: Mailbox) -> None:
    """A section for everything that has a secret."""
    clipbell.options["database_url"] = "sqlite:///clipbell.db"
    clipbell.account_options = {
        "vrex": {"api_key": CANARIES["api key"]},
        "artnex": {"api_key": CANARIES["api key of a poll vendor"], "poll_after": "1s", "poll_every": "1s"},
        "refused": {"type": "vrex", "api_key": CANARIES["api key that is refused"]},
        "leaky": {"type": "leaky", "api_key": CANARIES["api key that foreign code tells"]},
        "deaf": {"type": "deaf", "api_key": CANARIES["api key"]},
    }
    apprise = CANARIES["apprise url"]
    clipbell.handlers |= {
        "team": {"type": "slack", "url": f"{others.url}/services/T0/B0/{CANARIES['slack url']}"},
        "mail": {
            "type": "email",
            "smtp_url": f"smtp://someone:{CANARIES['smtp password']}@127.0.0.1:{mail.port}",
            "sender": "clips@example.org",
            "to": ["ada@example.com"],
        },
        "hook": {"type": "webhook", "url": f"{others.url}/hook", "secret": f"whsec_{CANARIES['webhook secret']}"},
        "phones": {"type": "apprise", "urls": [f"json://someone:{apprise}@127.0.0.1:{others.port}/{apprise}"]},
        "foreign": {"type": "leaky", "token": CANARIES["option of a foreign handler"]},
        "script": {"type": "command", "argv": ["sh", "-c", "env; cat; exit 1"]},
        "books": {"type": "ledger"},
    }


def live(clipbell: Guarded, vendors: RunningSimulator, left: Traces) -> None:
    """Good and bad orders, callbacks and deliveries; then look at everything."""
    clipbell.start()
    settled = [clipbell.settled(order(clipbell, left, **each)["id"])["id"] for each in GOOD]
    for each in BAD:
        order(clipbell, left, **each)
    assert left.statuses >= {422, 500}
    plant(vendors, kind="submit.500_after", vendor="vrex")
    order(clipbell, left, vendor="vrex", prompt="Lost")
    plant(vendors, kind="look.500", vendor="vrex", times=2)
    left.note("refresh", clipbell.client.post(f"/v1/jobs/{settled[0]}/refresh"))
    # its callback breaks the code that should read it
    order(clipbell, left, vendor="deaf", prompt="Not heard")
    call_back(clipbell, vendors, left)
    for name in clipbell.handlers:
        left.note(f"test of {name}", clipbell.client.post(f"/v1/handlers/{name}/test"))
    clipbell.delivered(settled[0], "files")
    clipbell.eventually(lambda: tried(clipbell, settled[0]), "a try at every delivery")
    look_at_everything(clipbell, settled[0], left)
    mistakes(clipbell, left)
    collect(clipbell, "running", left)
    assert clipbell.stop() == 0
    collect(clipbell, "stopped", left)
    left.within["jobs of the vendors"] = json.dumps(control(vendors, "jobs")).encode()


GOOD: tuple[dict[str, object], ...] = (
    {"vendor": "vrex", "prompt": "A coast"},
    {"vendor": "aivideoapi", "prompt": "A coast"},
    {"vendor": "artnex", "prompt": "A coast", "model": "veo3-fast"},
)
BAD: tuple[dict[str, object], ...] = (
    {"vendor": "refused", "prompt": "A coast"},
    {"vendor": "leaky", "prompt": "A coast"},
    {"vendor": "vrex", "prompt": "HATE_SPEECH"},
    {"vendor": "vrex", "prompt": "", "seconds": 5},
    {"vendor": "nobody", "prompt": "A coast"},
)


def order(clipbell: Guarded, left: Traces, **fields: object) -> dict[str, str]:
    answer: dict[str, str] = left.note(f"order {fields}", clipbell.client.post("/v1/jobs", json=fields)).json()
    return answer


def call_back(clipbell: Guarded, vendors: RunningSimulator, left: Traces) -> None:
    """With every token that was given away: what is true, what is not, what is too much, and with spoiled tokens."""
    jobs = control(vendors, "jobs")["jobs"]
    paths = [clipbell.callback_path(job["callback_url"]) for job in jobs if job["callback_url"]]
    left.tokens += [path.rpartition("/")[2] for path in paths]
    for number, path in enumerate(paths):
        for body in (b"", b"[[[", b'{"event": "video.dreaming"}', b'{"event": "video.completed"}', b" " * 300_000):
            answer = httpx.post(clipbell.url + path, content=body, trust_env=False, verify=False)
            left.note(f"callback {number} {body[:30]!r}", answer)
        for spoiled in (path + "x", path.replace("/callbacks/", "/callbacks/x"), path.lower(), f"{path}?a=b"):
            left.note(
                f"spoiled {number} {spoiled[:16]}", httpx.post(clipbell.url + spoiled, trust_env=False, verify=False)
            )
        left.note(f"GET of {number}", httpx.get(clipbell.url + path, trust_env=False, verify=False))


def tried(clipbell: Guarded, job_id: str) -> bool:
    found = clipbell.items("/v1/deliveries", job_id=job_id)
    handlers = {each["handler"] for each in found if each["attempts"]}
    return handlers >= clipbell.handlers.keys()


def look_at_everything(clipbell: Guarded, job_id: str, left: Traces) -> None:
    """Every route and every verb that shows something."""
    lists = ("jobs", "events", "deliveries", "evidence", "alerts", "clips", "ledger", "handlers", "vendors")
    for path in (*(f"/v1/{name}?limit=200" for name in lists[:7]), "/v1/handlers", "/v1/vendors", f"/v1/jobs/{job_id}"):
        left.note(path, clipbell.client.get(path))
    for path in (
        "/readyz",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/",
        "/v1/ledger/summary?by=vendor",
        "/v1/nothing",
    ):
        left.note(path, clipbell.client.get(path))
        left.note(f"{path} without a token", httpx.get(clipbell.url + path, trust_env=False, verify=False))
    for each in clipbell.items("/v1/evidence"):
        left.note(each["id"], clipbell.client.get(f"/v1/evidence/{each['id']}/body"))
    for verb in READING:
        left.ran(clipbell.command(*verb.split()))
    for verb in (f"job {job_id}", "handlers test team", "handlers test foreign", "submit leaky x"):
        left.ran(clipbell.command(*verb.split()))


def mistakes(clipbell: Guarded, left: Traces) -> None:
    """Configurations that stop the start: their secrets are wrong, in wrong places, or too short."""
    folder = clipbell.folder / "mistakes"
    folder.mkdir()
    for number, text in enumerate(MISTAKES):
        path = folder / f"{number}.toml"
        path.write_text(text)
        left.within[f"mistake {number}"] = text.encode()
        done = clipbell.command("doctor" if number == 2 else "serve", "--config", str(path))
        assert done.returncode != 0
        left.ran(done)


MISTAKES = (
    f'api_token = "{CANARIES["api token"]}\nsecret_keys = 5\n',
    f'secret_keys = "{CANARIES["newest secret key"]}"\napi_token = ["{CANARIES["api token"]}"]\n',
    f'secret_keys = ["{CANARIES["slack url"]}"]\napi_token = "{CANARIES["smtp password"]}"\n'
    f'api_tokens = "{CANARIES["api token"]}"\n[vendors.vrex]\napi_key = {{x = "{CANARIES["api key"]}"}}\n',
    f'[handlers.team]\ntype = "slack"\nurl = "ftp://x/{CANARIES["slack url"]}"\n'
    f'[handlers.mail]\ntype = "email"\nsmtp_url = "http://a:{CANARIES["smtp password"]}@b"\nsender = "a@b.example"\n'
    f'to = ["a@b.example"]\n[handlers.hook]\ntype = "webhook"\nurl = "https://a.example"\n'
    f'secret = "{CANARIES["webhook secret"]}"\n[handlers.phones]\ntype = "apprise"\n'
    f'urls = ["nothing://{CANARIES["apprise url"]}"]\n',
    f'database_url = "postgresql://me:{CANARIES["smtp password"]}@127.0.0.1:9/x"\n'
    f'api_token = "{CANARIES["api token"]}"\nsecret_keys = ["{CANARIES["newest secret key"]}"]\n',
)


def collect(clipbell: Guarded, when: str, left: Traces) -> None:
    """Everything that is in the folder, but the configuration and the careless package."""
    for path in clipbell.folder.rglob("*"):
        where = path.relative_to(clipbell.folder)
        if path.is_dir() or where.parts[0] in ("packages", "mistakes"):
            continue
        to = left.within if where.name == "clipbell.toml" else left.out
        to[f"{where}, {when}"] = path.read_bytes()


# --- what came of it ---


@pytest.mark.secrets
def test_no_secret_and_no_callback_token_comes_out_of_a_hard_life(tmp_path: Path) -> None:
    left = lived(tmp_path)
    assert_it_was_hard(left)
    secrets = [*CANARIES.values(), *(token.partition(".")[2] for token in left.tokens)]
    assert_the_search_finds(secrets, left)
    assert found_in(left.out, secrets) == []


def assert_it_was_hard(left: Traces) -> None:
    assert left.statuses >= {200, 202, 400, 401, 404, 405, 413, 422, 500}
    assert len(left.tokens) >= 4
    log = left.out["serve.log, stopped"].decode()
    assert "handler raised" in log
    assert "RuntimeError: cannot use ***" in log
    names = " ".join(left.out)
    for part in ("clipbell.db, running", "clipbell.db-wal, running", "ledger.db", "clips/", "clipbell job ", "doctor"):
        assert part in names, part


def assert_the_search_finds(secrets: list[str], left: Traces) -> None:
    """The control: every secret is found where it has to be, and however it is spelled."""
    assert {secret for secret, _ in found_in(left.within, secrets)} == set(secrets)
    encoded = {secret: base64.b64encode(b"user:" + secret.encode() + b"!") for secret in secrets}
    assert all((secret, secret) in found_in(encoded, [secret]) for secret in secrets)
