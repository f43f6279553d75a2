"""What `handlers/protocol.py` promises, over every handler type of the folder; it is never asked which one it got.

The checks are those that a plug-in's author runs: `receiver/suite/`.
"""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import handlers
from handlers.protocol import Done, HandlerType, Outcome, TryLater
from receiver.registry import handler_types
from receiver.suite.events import READY
from receiver.suite.handlers import ALWAYS, OVER_HTTP, Check
from receiver.suite.http_server import Reply, Seen, serving
from receiver.suite.stage import ShortWay, Trial, staged
from schemas.values import replace
from tests.support.authority import Authority, authority
from tests.support.handler_cases import CASES, SECRET, MailStage
from tests.support.mail_server import Mailbox, mail_server

pytestmark = [
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]
TYPES = handler_types()
HTTP_TYPES = [name for name in TYPES if name in CASES and CASES[name].http]


@pytest.fixture(scope="module")
def mail() -> Iterator[Mailbox]:
    with mail_server(Mailbox(login=("someone", SECRET))) as box:
        yield box


@pytest.fixture
def trial(kind: HandlerType, mail: Mailbox) -> Iterator[Trial]:
    assert kind.name in CASES, f"write a case for {kind.name} into tests/support/handler_cases.py"
    case = CASES[kind.name]
    mail.login, mail.refused = ("someone", SECRET), {}
    mail.messages.clear()
    with staged(case) as stage:
        yield Trial(kind, case, MailStage(stage.folder, stage.server, mail))


@pytest.mark.parametrize("check", ALWAYS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_the_promise_holds(check: Check, trial: Trial) -> None:
    check(trial)


@pytest.mark.parametrize("check", OVER_HTTP, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", [TYPES[name] for name in HTTP_TYPES], ids=HTTP_TYPES)
def test_the_promise_about_http_holds(check: Check, trial: Trial) -> None:
    check(trial)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


def told_over_tls(trial: Trial, tls: ssl.SSLContext, trust: ssl.SSLContext | None) -> tuple[Outcome, list[Seen]]:
    """One event for a server that speaks TLS: the outcome, and what came."""
    with serving(Reply(200, trial.case.reply), tls=tls) as server:
        secure = replace(trial, stage=replace(trial.stage, server=server))
        return secure.one(READY, http=ShortWay(server.url, 10, trust)), server.seen


@pytest.mark.parametrize("kind", [TYPES[name] for name in HTTP_TYPES], ids=HTTP_TYPES)
@pytest.mark.parametrize(
    ("host", "days", "reason"),
    [("127.0.0.1", -1, "certificate has expired"), ("hooks.example.com", 1, "IP address mismatch")],
    ids=["expired", "another host's"],
)
def test_a_certificate_that_is_not_good_gets_nothing_and_is_for_later(
    host: str, days: int, reason: str, trial: Trial, ca: Authority
) -> None:
    outcome, seen = told_over_tls(trial, ca.server(host, until=timedelta(days=days)), ca.trusting())
    assert isinstance(outcome, TryLater)
    assert f"its TLS certificate is not accepted ({reason}" in outcome.reason.replace("certificate verify failed: ", "")
    assert seen == []


@pytest.mark.parametrize("kind", [TYPES[name] for name in HTTP_TYPES], ids=HTTP_TYPES)
def test_a_certificate_is_good_only_from_an_authority_that_is_trusted(trial: Trial, ca: Authority) -> None:
    outcome, seen = told_over_tls(trial, ca.server(), None)
    assert isinstance(outcome, TryLater)
    assert seen == []
    outcome, seen = told_over_tls(trial, ca.server(), ca.trusting())
    assert isinstance(outcome, Done)
    assert seen


def test_every_file_of_the_folder_that_makes_a_handler_is_found() -> None:
    folder = Path(str(handlers.__file__)).parent
    assert set(TYPES) == {file.stem for file in folder.glob("*.py") if "\nHANDLER = " in file.read_text("utf-8")}


def test_every_case_belongs_to_a_handler() -> None:
    assert set(CASES) == set(TYPES)


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_a_case_says_rightly_whether_it_speaks_http(kind: HandlerType, trial: Trial) -> None:
    found = replace(trial, case=replace(trial.case, http=None))
    assert found.is_http() is (trial.case.http or kind.name == "apprise")  # Apprise has a way out of its own
