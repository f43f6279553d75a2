"""Outgoing webhooks: their shape, their signatures, and what a receiver's answer means."""

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from handlers.protocol import Done, GiveUp, Outcome, Parcel, TryLater
from handlers.webhook import HANDLER, WebhookOptions, render
from receiver.net import Net
from schemas.values import replace
from schemas.vendor import Answer
from tests.support.http_server import Reply, Server, serving
from tests.support.parcels import ALERT, READY, parcel, tools

NEW, OLD, FOREIGN = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))


def deliver(server: Server, given: Parcel, secret: Any = NEW) -> Outcome:
    """Post one parcel to a server."""

    async def main() -> Mapping[str, Outcome]:
        options = WebhookOptions.model_validate({"url": f"{server.url}/hook?token=urlsecret", "secret": secret})
        handler = HANDLER.make(options, tools(Path(), now=lambda: datetime.now(UTC)))
        return await handler.deliver([given])

    return asyncio.run(main())[given.key]


def test_an_event_is_a_cloud_event() -> None:
    envelope = json.loads(render(READY))
    data = envelope.pop("data")
    assert envelope == {
        "specversion": "1.0",
        "id": READY.id,
        "source": "clipbell",
        "type": "video.completed",
        "time": "2025-01-01T12:01:15Z",
        "subject": READY.job_id,
        "datacontenttype": "application/json",
    }
    assert data == READY.to_json()


def test_an_alert_without_a_job_still_has_a_subject() -> None:
    assert json.loads(render(replace(ALERT, job_id=None, detail={"subject": "vrex"})))["subject"] == "vrex"
    assert json.loads(render(replace(ALERT, job_id=None, detail=None)))["subject"] == "clipbell"


def test_a_message_is_signed_so_that_the_standards_library_verifies_it() -> None:
    with serving(Reply(204)) as server:
        assert deliver(server, parcel()) == Done("")
    seen = server.seen[0]
    assert seen.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert seen.headers["webhook-id"] == READY.id
    assert Verifier(NEW).verify(seen.body, dict(seen.headers))["data"] == READY.to_json()
    with pytest.raises(WebhookVerificationError):
        Verifier(FOREIGN).verify(seen.body, dict(seen.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(NEW).verify(seen.body.replace(b"cat", b"dog"), dict(seen.headers))


def test_while_the_secret_changes_both_verify() -> None:
    with serving(Reply(200)) as server:
        deliver(server, parcel(), [NEW, OLD])
    seen = server.seen[0]
    for secret in (NEW, OLD):
        Verifier(secret).verify(seen.body, dict(seen.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(FOREIGN).verify(seen.body, dict(seen.headers))


def test_words_of_every_script_arrive() -> None:
    odd = replace(READY, prompt="Ein Bär 🎬 \ud800 \x00", metadata={"ü": "é"})
    with serving(Reply(200)) as server:
        deliver(server, parcel(odd))
    payload = Verifier(NEW).verify(server.seen[0].body, dict(server.seen[0].headers))
    assert payload["data"]["prompt"] == "Ein Bär 🎬 ? \x00"


def test_the_id_is_the_same_on_every_attempt_and_after_a_replay() -> None:
    with serving(Reply(500), Reply(200)) as server:
        deliver(server, parcel(key="dlv_1"))
        deliver(server, parcel(key="dlv_1-1"))
    assert [seen.headers["webhook-id"] for seen in server.seen] == [READY.id] * 2


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, b"thanks"), Done("thanks")),
        (Reply(410, b"gone"), GiveUp("HTTP 410", answer="gone", gone=True)),
        (Reply(301, b"", {"location": "/elsewhere"}), GiveUp("HTTP 301", answer="")),
        (Reply(503, b"", {"retry-after": "120"}), TryLater("HTTP 503", after=120, answer="")),
        (Reply(200, b"/hook?token=urlsecret seen"), Done("*** seen")),
    ],
)
def test_what_the_receiver_says_decides(reply: Reply, outcome: Outcome) -> None:
    with serving(reply) as server:
        got = deliver(server, parcel())
        assert len(server.seen) == 1
    assert (got.answer or "").replace("/hook?***", "***") == (outcome.answer or "")
    assert replace(got, answer=None) == replace(outcome, answer=None)


def test_an_endless_answer_is_cut() -> None:
    with serving(Reply(200, b"y" * 1000, endless=True)) as server:
        assert deliver(server, parcel()) == Done("y" * 200)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_dGVzdA==", "whsec_not base64!", NEW.removeprefix("whsec_"), [], [NEW, "whsec_short"]],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookOptions.model_validate({"url": "https://example.com", "secret": secret})
    said = str(caught.value.errors(include_input=False, include_context=False))
    assert "must be whsec_" in said or "at least 1" in said
    assert "dGVzdA" not in said


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be a web address"):
        WebhookOptions.model_validate({"url": "example.com", "secret": NEW})


def test_an_address_of_our_own_network_is_given_up() -> None:
    async def main() -> Mapping[str, Outcome]:
        options = WebhookOptions.model_validate({"url": "https://10.0.0.1/hook/urlsecret", "secret": NEW})
        return await HANDLER.make(options, tools(Path())).deliver([parcel()])

    outcome = asyncio.run(main())["dlv_1"]
    assert isinstance(outcome, GiveUp)
    assert "not a public address" in outcome.reason
    assert "urlsecret" not in outcome.reason


def test_a_secret_at_the_edge_of_what_is_kept_is_masked_first() -> None:
    with serving(Reply(500, b"x" * 190 + b"/hook?token=urlsecret")) as server:
        outcome = deliver(server, parcel())
    assert "token" not in str(outcome)


def test_the_whole_call_has_fifteen_seconds_and_reads_no_more_than_it_keeps() -> None:
    asked: list[dict[str, Any]] = []

    class Ear(Net):
        async def call(self, method: str, url: str, **more: Any) -> Answer:
            asked.append({"method": method, **more})
            return await super().call(method, url, **more)

    async def main(url: str) -> Mapping[str, Outcome]:
        options = WebhookOptions.model_validate({"url": url, "secret": NEW})
        http = Ear(allow=(ip_network("127.0.0.0/8"),))
        return await HANDLER.make(options, tools(Path(), http=http)).deliver([parcel()])

    with serving(Reply(200)) as server:
        assert isinstance(asyncio.run(main(server.url))["dlv_1"], Done)
    [call] = asked
    assert (call["method"], call["timeout"], call["max_bytes"]) == ("POST", 15, 65_536)
