"""Apprise: what its URLs get, and that a refusal tells why without telling the URL."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.apprise import HANDLER, AppriseOptions, targets
from handlers.protocol import Done, GiveUp, Outcome, Parcel, TryLater
from tests.support.golden import assert_golden
from tests.support.http_server import Reply, Server, closed_port, serving
from tests.support.parcels import ALERT, FAILED, READY, SAVED, parcel, parcels, tools

# while it is imported, on Python 3.11 and 3.12
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
GOLDEN = Path(__file__).parent / "golden" / "apprise"
SECRET = "verysecrettoken"


def deliver(port: int, given: Sequence[Parcel]) -> Mapping[str, Outcome]:
    """Send parcels to a server by Apprise's own JSON notification."""

    async def main() -> Mapping[str, Outcome]:
        options = AppriseOptions.model_validate(
            {"urls": ["mailto://user:pass@example.com", f"json://user:{SECRET}@127.0.0.1:{port}/{SECRET}2"]}
        )
        return await HANDLER.make(options, tools(Path())).deliver(given)

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
    assert isinstance(outcome, TryLater)
    assert "403" in (outcome.answer or "")
    assert SECRET not in str(outcome)
    logging.getLogger().warning("the ear hears")
    logging.getLogger().removeHandler(ear)
    assert [name for name in heard if not name.startswith("urllib3")] == ["root"]


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
