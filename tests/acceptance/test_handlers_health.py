"""Handlers that fail are left alone and nothing is lost; handlers that go and come back; replays. The real program."""

import json
import sqlite3
from typing import Any

import pytest

from tests.support.http_server import Reply, Server, serving
from tests.support.mail_server import Mailbox, mail_server
from tests.support.program import Program


@pytest.fixture
def pager(clipbell: Program) -> Any:
    """Another handler, which hears of alerts."""
    with serving(Reply(body=b"ok")) as server:
        clipbell.handlers["pager"] = {
            "type": "slack",
            "url": f"{server.url}/pager",
            "events": ["alert.raised", "alert.cleared"],
        }
        yield server


def health(clipbell: Program, name: str = "slack") -> dict[str, Any]:
    (found,) = [each for each in clipbell.items("/v1/handlers") if each["name"] == name]
    return found


def is_in(clipbell: Program, word: str, name: str = "slack", seconds: float = 20) -> dict[str, Any]:
    """Wait until a handler's health has a word for it."""

    def look() -> dict[str, Any] | None:
        found = health(clipbell, name)
        return found if found["health"] == word else None

    return clipbell.eventually(look, f"{name} to be {word}", seconds)


def said(server: Server) -> list[str]:
    return [json.loads(seen.body)["text"] for seen in server.seen]


def states(clipbell: Program, handler: str = "slack") -> list[str]:
    return [each["state"] for each in clipbell.items("/v1/deliveries", handler=handler)]


def broken(clipbell: Program, clips: int = 6) -> list[dict[str, Any]]:
    """Have as many clips made, one after another, whose news nobody takes."""
    made = []
    for number in range(clips):
        made.append(clipbell.settled(clipbell.order(prompt=f"Clip {number}")["id"]))
        clipbell.eventually(lambda: len(tried(clipbell)) == len(made), "its delivery to be tried or parked")
    return made


def tried(clipbell: Program) -> list[str]:
    """The deliveries of Slack that were tried, or are parked."""
    found = clipbell.items("/v1/deliveries", handler="slack")
    return [each["id"] for each in found if each["attempts"] or each["state"] == "parked"]


def test_a_handler_that_keeps_failing_is_paused_told_of_and_loses_nothing(
    clipbell: Program, slack: Server, pager: Server
) -> None:
    slack.script(Reply(500))
    clipbell.start()
    broken(clipbell)
    paused = is_in(clipbell, "paused")
    assert (paused["last_reason"], paused["paused_until"] > paused["paused_since"]) == ("HTTP 500", True)
    clipbell.eventually(lambda: states(clipbell) == ["parked"] * 6, "all to be parked")
    assert health(clipbell)["parked"] == 6
    (alert,) = clipbell.items("/v1/alerts")
    assert (alert["code"], alert["subject"]) == ("handler.failing", "slack")
    clipbell.eventually(lambda: said(pager), "the other handler to be told")
    assert "slack failed 5 times in a row: HTTP 500" in said(pager)[0]
    assert len(said(pager)) == 1
    # nobody knocks meanwhile
    knocked = len(slack.seen)
    new = clipbell.settled(clipbell.order(prompt="In the pause")["id"])
    clipbell.delivered(new["id"], "slack", "parked")
    clipbell.delivered(new["id"], "files")
    assert len(slack.seen) == knocked

    slack.script(Reply(body=b"ok"))
    assert clipbell.client.post("/v1/handlers/slack/test").json()["ok"]
    clipbell.eventually(lambda: set(states(clipbell)) == {"done"}, "all to be delivered")
    assert health(clipbell)["health"] == "ok"
    assert clipbell.items("/v1/alerts") == []
    clipbell.eventually(lambda: len(said(pager)) == 2, "the other handler to be told of the end")
    assert "slack takes deliveries again" in said(pager)[1]


def test_a_pause_outlives_the_program_and_one_delivery_ends_it(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(500))
    clipbell.start()
    broken(clipbell)
    is_in(clipbell, "paused")
    clipbell.kill()
    clipbell.start()
    knocked = len(slack.seen)
    assert is_in(clipbell, "paused")["parked"] > 0
    clipbell.eventually(lambda: states(clipbell) == ["parked"] * 6, "all to be parked")
    assert len(slack.seen) == knocked
    # half a minute later
    clipbell.stop()
    end_of_pause(clipbell)
    clipbell.start()
    clipbell.eventually(lambda: len(slack.seen) == knocked + 1, "one delivery to try it")
    longer = clipbell.eventually(lambda: later(clipbell), "a longer pause")
    assert (longer["health"], states(clipbell)) == ("paused", ["parked"] * 6)
    clipbell.stop()
    end_of_pause(clipbell)
    slack.script(Reply(body=b"ok"))
    clipbell.start()
    clipbell.eventually(lambda: set(states(clipbell)) == {"done"}, "all to be delivered")
    assert health(clipbell)["health"] == "ok"


def end_of_pause(clipbell: Program) -> None:
    """Let the time of every pause pass."""
    with sqlite3.connect(clipbell.folder / "clipbell.db") as file:
        file.execute("UPDATE pauses SET until = since")
    file.close()


def later(clipbell: Program) -> dict[str, Any] | None:
    """The handler's health, once its pause was prolonged to a minute."""
    found = health(clipbell)
    with sqlite3.connect(f"file:{clipbell.folder / 'clipbell.db'}?mode=ro", uri=True) as file:
        ((pauses,),) = file.execute("SELECT pauses FROM pauses").fetchall()
    file.close()
    return found if pauses == 2 else None


def test_a_410_pauses_a_webhook_at_once(clipbell: Program, pager: Server) -> None:
    with serving(Reply(410, b"gone")) as hook:
        clipbell.handlers["hook"] = {"type": "webhook", "url": hook.url, "secret": "whsec_" + "a" * 44}
        clipbell.start()
        first = clipbell.settled(clipbell.order()["id"])
        clipbell.delivered(first["id"], "hook", "dead")
        is_in(clipbell, "paused", "hook")
        second = clipbell.settled(clipbell.order()["id"])
        clipbell.delivered(second["id"], "hook", "parked")
        assert len(hook.seen) == 1
        alerts = {(alert["code"], alert["subject"]) for alert in clipbell.items("/v1/alerts")}
        assert ("handler.failing", "hook") in alerts
        clipbell.eventually(lambda: "hook wants no more: HTTP 410" in " ".join(said(pager)), "the pager to be told")


def test_what_waits_for_a_handler_that_is_gone_is_parked_and_comes_back_with_it(
    clipbell: Program, slack: Server, pager: Server
) -> None:
    slack.script(Reply(500))
    clipbell.start()
    job = broken(clipbell, 1)[0]
    clipbell.stop()
    section = clipbell.handlers.pop("slack")
    clipbell.start()
    (delivery,) = clipbell.delivered(job["id"], "slack", "parked")
    # there is nothing to test, only something to put back
    retried = clipbell.client.post(f"/v1/deliveries/{delivery['id']}/retry")
    assert (retried.status_code, retried.json()["detail"]) == (
        409,
        f"{delivery['id']} is kept for slack, which is not in the configuration; put the section [handlers.slack] back "
        "and start again, and it is delivered",
    )
    (alert,) = clipbell.items("/v1/alerts")
    assert (alert["code"], alert["subject"]) == ("handler.failing", "slack")
    assert alert["text"] == "slack is not in the configuration, and 1 delivery waits for it"
    assert "[handlers.slack]" in alert["next_step"]
    clipbell.eventually(lambda: len(said(pager)) == 1, "the other handler to be told")
    clipbell.stop()
    clipbell.handlers["slack"] = section
    slack.script(Reply(body=b"ok"))
    clipbell.start()
    clipbell.delivered(job["id"], "slack")
    assert clipbell.items("/v1/alerts") == []


def test_a_failing_downloader_is_told_of_but_never_parked(clipbell: Program, pager: Server) -> None:
    (clipbell.folder / "clips").write_text("a file where the folder should be")
    clipbell.start()
    jobs = [clipbell.settled(clipbell.order(prompt=f"Clip {number}")["id"]) for number in range(5)]
    clipbell.eventually(lambda: codes(clipbell) >= {"handler.failing"}, "the alert")
    assert health(clipbell, "files")["health"] == "failing"
    assert "parked" not in states(clipbell, "files")
    (clipbell.folder / "clips").unlink()
    for job in jobs:
        clipbell.delivered(job["id"], "files", seconds=40)
    clipbell.eventually(lambda: not codes(clipbell), "the end of all alerts")


def codes(clipbell: Program) -> set[str]:
    return {alert["code"] for alert in clipbell.items("/v1/alerts")}


def test_a_flood_of_replays_does_not_delay_news(clipbell: Program) -> None:
    with serving(Reply(body=b"ok")) as hook:
        clipbell.handlers["hook"] = {
            "type": "webhook",
            "url": hook.url,
            "secret": "whsec_" + "a" * 44,
            "rate": "8/second",
            "events": ["video.completed"],
        }
        clipbell.start()
        for job in [clipbell.order(prompt=f"Old {number}") for number in range(30)]:
            clipbell.delivered(job["id"], "hook")
        for event in clipbell.items("/v1/events", type="video.completed"):
            clipbell.client.post(f"/v1/events/{event['id']}/replay", json={"handler": "hook", "again": True})
        before = len(hook.seen)
        job = clipbell.settled(clipbell.order(prompt="New")["id"])
        clipbell.delivered(job["id"], "hook")
        between = len([seen for seen in hook.seen[before:] if b"Old" in seen.body])
        assert between <= 15
        clipbell.eventually(lambda: len(hook.seen) == 30 + 30 + 1, "the replays to be through")


def test_an_address_whose_mailbox_is_full_holds_up_nobody_elses_mail(clipbell: Program) -> None:
    def tries() -> list[int]:
        found = clipbell.items("/v1/deliveries", handler="mail")
        return [len(each["attempts"]) for each in found if each["target"] == "bob@example.com"]

    with mail_server(Mailbox(refused={"bob@example.com": "452 mailbox full"})) as box:
        clipbell.handlers["mail"] = {
            "type": "email",
            "smtp_url": f"smtp://127.0.0.1:{box.port}",
            "sender": "clips@example.org",
            "to": ["ada@example.com", "bob@example.com"],
            "events": ["video.completed"],
            "retry": ["1s"] * 60,
        }
        clipbell.start()
        for number in range(5):
            clipbell.order(prompt=f"Clip {number}")
        clipbell.eventually(lambda: len(box.messages) == 5, "Ada to be told")
        clipbell.eventually(lambda: len(tries()) == 5 and min(tries()) > 7, "Bob to be tried again, and again")
        assert health(clipbell, "mail")["health"] != "paused"
        clipbell.order(prompt="One more")
        clipbell.eventually(lambda: len(box.messages) == 6, "Ada to be told of the next one, too")
