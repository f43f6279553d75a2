"""Apprise: what its URLs get, and that a refusal tells why without telling the URL."""

import asyncio
import base64
import json
import logging
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers import apprise, apprise_run
from handlers.apprise import HANDLER, AppriseHandler, AppriseOptions, targets
from handlers.apprise_program import NOT_SENT, REFUSED, is_final, send
from handlers.apprise_run import takes_attachments
from handlers.protocol import Done, GiveUp, Outcome, Parcel, Saved, TryLater
from schemas.event import Event
from schemas.values import replace
from tests.support.authority import authority
from tests.support.clips import mp4
from tests.support.golden import assert_golden
from tests.support.http_server import Reply, Server, closed_port, serving
from tests.support.parcels import ALERT, FAILED, READY, SAVED, parcel, parcels, tools

# while it is imported, on Python 3.11 and 3.12
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
GOLDEN = Path(__file__).parent / "golden" / "apprise"
SECRET = "verysecrettoken"


def deliver(port: int, given: Sequence[Parcel], scheme: str = "json", **more: Any) -> Mapping[str, Outcome]:
    """Send parcels to a server by Apprise's own JSON notification."""

    async def main() -> Mapping[str, Outcome]:
        options = AppriseOptions.model_validate(
            {"urls": ["mailto://user:pass@example.com", f"{scheme}://user:{SECRET}@127.0.0.1:{port}/{SECRET}2"]}
        )
        return await HANDLER.make(options, replace(tools(Path()), **more)).deliver(given)

    return asyncio.run(main())


def sent(server: Server) -> list[dict[str, Any]]:
    """What came to a server."""
    return [json.loads(seen.body) for seen in server.seen]


def test_targets_name_no_secret() -> None:
    options = AppriseOptions.model_validate({"urls": [f"json://h/{SECRET}", f"discord://4174216298/{SECRET}"]})
    assert targets(options) == ("1:json", "2:discord")
    assert SECRET not in repr(options)


def test_every_event_is_a_message_of_its_kind() -> None:
    with serving(Reply(200)) as server:
        given = [parcel(e, key=e.id, target="2:json") for e in (READY, FAILED, ALERT, SAVED)]
        assert set(deliver(server.port, given).values()) == {Done()}
    found = [(one["type"], one["title"]) for one in sent(server)]
    assert found == [("success", "Ready"), ("failure", "Failed"), ("warning", "Attention"), ("success", "Saved")]
    assert_golden(sent(server)[0]["message"] + "\n", GOLDEN / "ready.txt")
    assert_golden(sent(server)[1]["message"] + "\n", GOLDEN / "failed.txt")


def test_many_events_are_one_message() -> None:
    with serving(Reply(200)) as server:
        assert set(deliver(server.port, parcels(7, "2:json")).values()) == {Done()}
    [one] = sent(server)
    assert one["title"] == "6 clips done, 1 failed, $0.816"
    assert all(f"Clip {n}" in one["message"] for n in range(1, 8))


def test_a_refusal_is_tried_later_and_says_why_to_nobody_else() -> None:
    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.name)

    heard: list[str] = []
    ear = Ear()
    logging.getLogger().addHandler(ear)
    logging.getLogger("apprise").setLevel(logging.ERROR)
    with serving(Reply(403, b"nope")) as server:
        outcome = deliver(server.port, [parcel(target="2:json")])["dlv_1"]
    assert isinstance(outcome, GiveUp)
    assert "403" in (outcome.answer or "")
    assert SECRET not in str(outcome)
    logging.getLogger().warning("the ear hears")
    logging.getLogger().removeHandler(ear)
    assert [name for name in heard if not name.startswith("urllib3")] == ["root"]


def message(url: str) -> dict[str, Any]:
    """What the program gets."""
    return {"url": url, "kind": "info", "title": "Ready", "text": "A clip", "attached": None}


@pytest.mark.parametrize("status", [301, 307, 400, 404, 408, 410, 425, 429, 500, 503])
def test_whatever_a_service_refuses_with_is_told(status: int) -> None:
    headers = {"retry-after": "30", "location": "/elsewhere"}
    with serving(Reply(status, b"a reason", headers), Reply(200)) as server:
        code, told = send(message(f"json://127.0.0.1:{server.port}"))
        assert len(server.seen) == 1
    assert code == (REFUSED if status in {400, 404, 410} else NOT_SENT)
    assert f"error={status}" in told
    assert "a reason" in told


@pytest.mark.parametrize(
    ("status", "became"),
    [(200, Done), (400, GiveUp), (401, GiveUp), (404, GiveUp), (410, GiveUp), (413, GiveUp), (422, GiveUp)]
    + [(status, TryLater) for status in (307, 408, 425, 429, 500, 502, 503)],
)
def test_what_a_status_means_is_what_it_means_elsewhere(status: int, became: type[Outcome]) -> None:
    with serving(Reply(status, b"a reason with error=404", {"retry-after": "30"})) as server:
        outcome = deliver(server.port, [parcel(target="2:json")])["dlv_1"]
        assert len(server.seen) == 1
    assert isinstance(outcome, became)
    if isinstance(outcome, TryLater):
        assert outcome.after is None


@dataclass(frozen=True)
class Entry:
    """A line of Apprise's log."""

    level: str
    message: str


@pytest.mark.parametrize(
    ("lines", "final"),
    [
        (["Failed to send X notification: Not found, error=404."], True),
        (["Failed to send X notification: error=404.", "Failed to send X notification: error=503."], False),
        (["Failed to send X notification: error=404.", "A Connection error occurred sending X."], False),
        (["Failed to send X notification: error=404 in a word of the service's"], False),
        (["Failed to send X notification: error=550."], False),
        ([], False),
    ],
)
def test_only_a_status_that_cannot_be_mistaken_is_final(lines: list[str], final: bool) -> None:
    debug = Entry("DEBUG", "Response Details: error=404.")
    assert is_final([debug, *(Entry("WARNING", line) for line in lines)]) is final


def test_a_message_that_is_refused_with_its_file_is_tried_without(saved: Saved) -> None:
    async def finds(event: Event, *, with_poster: bool = False) -> Saved | None:
        return saved

    with serving(Reply(413)) as server:
        given = [replace(parcel(target="2:json"), attempt=attempt) for attempt in range(3)]
        outcomes = [deliver(server.port, [each], saved_clip=finds)["dlv_1"] for each in given]
    assert [type(outcome) for outcome in outcomes] == [TryLater, TryLater, GiveUp]
    assert "with its file" in str(outcomes[0])


def test_the_program_says_nothing_of_what_it_sent(saved: Saved) -> None:
    file = {"path": saved.path, "name": "a.mp4", "mime_type": "video/mp4"}
    with serving(Reply(200)) as server:
        assert send({**message(f"json://127.0.0.1:{server.port}"), "attached": file}) == (0, "")
        assert base64.b64decode(sent(server)[0]["attachments"][0]["base64"]) == mp4()


def test_a_redirect_takes_nothing_to_another_place() -> None:
    with serving(Reply(200)) as elsewhere:
        with serving(Reply(307, b"", {"location": f"{elsewhere.url}/x"})) as server:
            assert isinstance(deliver(server.port, [parcel(target="2:json")])["dlv_1"], TryLater)
        assert elsewhere.seen == []


@pytest.mark.parametrize(
    "reply",
    [Reply(silent=True), Reply(200, b"x" * 1000, pause=0.1), Reply(500, b"x" * 100, {"content-length": "900"})],
    ids=["silent", "dripping", "cut"],
)
def test_no_whole_answer_is_for_later_and_in_time(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_run, "LONGEST", 3)
    begin = time.monotonic()
    with serving(reply) as server:
        outcome = deliver(server.port, [parcel(target="2:json")])["dlv_1"]
    assert time.monotonic() - begin < 8
    assert isinstance(outcome, TryLater)


def test_an_endless_answer_ends_and_takes_no_memory_of_ours() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(Reply(200, b"x" * 1_000_000, endless=True)) as server:
        outcome = deliver(server.port, [parcel(target="2:json")])["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_certificate_that_has_expired_gets_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = authority(tmp_path_factory.mktemp("ca"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca.file))
    with serving(Reply(200), tls=ca.server(until=timedelta(days=-1))) as server:
        outcome = deliver(server.port, [parcel(target="2:jsons")], "jsons")["dlv_1"]
        assert server.seen == []
    assert isinstance(outcome, TryLater)
    assert "certificate has expired" in (outcome.answer or "")
    with serving(Reply(200), tls=ca.server()) as server:
        assert deliver(server.port, [parcel(target="2:jsons")], "jsons") == {"dlv_1": Done()}
        assert len(server.seen) == 1


def test_a_service_that_does_not_answer_is_not_asked_for_every_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_run, "LONGEST", 0.6)
    monkeypatch.setattr(apprise, "LONGEST", 0.6)
    with serving(Reply(silent=True)) as server:
        outcomes = deliver(server.port, parcels(4, "2:json"))
    assert len(server.seen) <= 1
    assert len(outcomes) == 4
    assert all(isinstance(outcome, TryLater) for outcome in outcomes.values())


#: Their tokens are words that no message has.
SERVICES = [
    "discord://417421629857/TOKENtokenTOKENtoken",
    "tgram://123456789:TOKENtokenTOKENtokenTOKENtokenTOKEN/-1001234/",
    "slack://TOKENtoken/TOKENtok2/TOKENtokenTOKENtoken3/#general",
    "ntfys://TOKENtoken:TOKENtoken@ntfy.example.com/topic",
    "matrixs://user:TOKENtoken@matrix.example.com/#room",
    "ifttt://TOKENtokenTOKEN@event",
    "mmosts://mattermost.example.com/TOKENtokenTOKENtokenTOKENtok",
    "mailto://user:TOKENtoken@example.com?smtp=127.0.0.1&port={port}",
]


def test_no_service_tells_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    # nothing leaves this machine: what would is refused at a door that is not there
    port = closed_port()
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    options = AppriseOptions.model_validate({"urls": [url.format(port=port) for url in SERVICES]})

    async def main() -> Sequence[Mapping[str, Outcome]]:
        handler = HANDLER.make(options, tools(Path()))
        return await asyncio.gather(*(handler.deliver([parcel(target=target)]) for target in targets(options)))

    outcomes = [found["dlv_1"] for found in asyncio.run(main())]
    assert [type(outcome) for outcome in outcomes] == [TryLater] * len(SERVICES)
    assert all(outcome.answer for outcome in outcomes)
    assert "token" not in f"{outcomes} {targets(options)}".casefold()


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """A clip and its poster on this disk."""
    clip, poster = tmp_path / "job_1-1.mp4", tmp_path / "job_1-1.jpg"
    clip.write_bytes(mp4())
    poster.write_bytes(b"\xff\xd8\xff a picture")
    return Saved(1, str(clip), len(mp4()), "0" * 64, poster=str(poster))


def attached(found: Saved | None, attempt: int = 0) -> str | None:
    """The name of the file that goes with a message on an attempt."""

    async def finds(event: Event, *, with_poster: bool = False) -> Saved | None:
        return found

    async def main() -> Mapping[str, str] | None:
        options = AppriseOptions.model_validate({"urls": ["json://localhost"]})
        handler = AppriseHandler(options, replace(tools(Path()), saved_clip=finds))
        return await handler.attachment(replace(parcel(), attempt=attempt))

    file = asyncio.run(main())
    return file["name"] if file else None


def test_the_clip_goes_along_then_its_poster_then_only_words(saved: Saved) -> None:
    assert [attached(saved, attempt) for attempt in range(3)] == ["job_1-1.mp4", "job_1-1.jpg", None]


def test_a_saved_clip_arrives_with_its_message(saved: Saved) -> None:
    async def finds(event: Event, *, with_poster: bool = False) -> Saved | None:
        return saved

    with serving(Reply(200)) as server:
        assert deliver(server.port, [parcel(target="2:json")], saved_clip=finds) == {"dlv_1": Done()}
    [file] = sent(server)[0]["attachments"]
    assert (file["filename"], file["mimetype"]) == ("job_1-1.mp4", "video/mp4")
    assert base64.b64decode(file["base64"]) == mp4()


def test_a_clip_that_is_too_large_is_left_to_its_link(saved: Saved) -> None:
    with Path(saved.path).open("r+b") as file:
        file.truncate(9 << 20)
    assert attached(saved) == "job_1-1.jpg"


def test_what_is_not_there_any_more_is_not_sent(saved: Saved) -> None:
    for path in (saved.path, str(saved.poster)):
        Path(path).unlink()
    assert attached(saved) is None
    assert attached(None) is None


def test_a_service_that_takes_no_files_gets_none_and_nothing_is_waited_for() -> None:
    assert takes_attachments("json://localhost")
    assert not takes_attachments("mmost://localhost/TOKENtokenTOKENtokenTOKENtok")

    async def finds(event: Event, *, with_poster: bool = False) -> Saved | None:
        raise AssertionError("nobody needs to know")

    async def main() -> Mapping[str, Outcome]:
        url = f"mmost://127.0.0.1:{server.port}/TOKENtokenTOKENtokenTOKENtok"
        options = AppriseOptions.model_validate({"urls": [url]})
        handler = HANDLER.make(options, replace(tools(Path()), saved_clip=finds))
        return await handler.deliver([parcel(target="1:mmost")])

    with serving(Reply(200, b"ok")) as server:
        assert asyncio.run(main()) == {"dlv_1": Done()}


def test_a_program_that_cannot_start_or_breaks_off_is_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = asyncio.run(apprise_run.run(b"no message", f"json://h/{SECRET}", tmp_path))
    assert outcome == TryLater("Apprise broke off")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    outcome = asyncio.run(apprise_run.run(b"{}", f"json://h/{SECRET}", tmp_path))
    assert outcome == TryLater("Apprise cannot be started: no such file or directory")


def test_a_server_that_is_down_is_tried_later() -> None:
    outcome = deliver(closed_port(), [parcel(target="2:json")])["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert SECRET not in str(outcome)


def test_a_target_that_is_no_longer_configured_is_given_up() -> None:
    assert isinstance(deliver(1, [parcel(target="3:slack")])["dlv_1"], GiveUp)


def test_a_url_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValidationError, match="number 2 is no Apprise URL") as caught:
        AppriseOptions.model_validate({"urls": ["json://localhost", f"nosuch://{SECRET}"]})
    assert SECRET not in str(caught.value.errors(include_input=False, include_context=False))
    with pytest.raises(ValidationError, match="at least 1 item"):
        AppriseOptions.model_validate({"urls": []})
