"""Slack: what is posted, how fast, and what its answers mean."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.blocks import escaped, render, render_digest
from handlers.protocol import Done, GiveUp, Outcome, Parcel, Saved, TryLater
from handlers.slack import HANDLER, SlackOptions
from schemas.event import Event, Failure
from schemas.values import replace
from tests.support.golden import assert_golden
from tests.support.http_server import Reply, Seen, Server, serving
from tests.support.parcels import ALERT, CLEARED, FAILED, READY, SAVED, parcel, parcels, tools
from tests.support.setting_out import SettingOut

GOLDEN = Path(__file__).parent / "golden" / "slack"
HOSTILE = "<!channel> <https://evil.example|invoice> *x* & @here"


def deliver(server: Server, given: list[Parcel], times: int = 1) -> dict[str, Outcome]:
    """Send parcels to a webhook at a server."""

    async def main() -> dict[str, Outcome]:
        options = SlackOptions.model_validate({"url": f"{server.url}/services/T0/B0/secretsecret"})
        handler = HANDLER.make(options, tools(Path()))
        outcomes: dict[str, Outcome] = {}
        for _ in range(times):
            outcomes |= await handler.deliver(given)
        await handler.close()
        return outcomes

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "event"),
    [("ready", READY), ("failed", FAILED), ("alert", ALERT), ("cleared", CLEARED), ("saved", SAVED)],
)
def test_every_event_has_its_message(name: str, event: Event) -> None:
    assert_golden(render(event, 75), GOLDEN / f"{name}.json")


def test_many_events_have_one_message() -> None:
    assert_golden(render_digest(parcels(7)), GOLDEN / "digest.json")


def texts(value: Any) -> list[dict[str, Any]]:
    """Every text object of a message."""
    if isinstance(value, list):
        return [found for item in value for found in texts(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if "type" in value and isinstance(value.get("text"), str) else []
    return own + [found for item in value.values() for found in texts(item)]


def test_no_prompt_can_ping_a_channel_or_make_a_link() -> None:
    hostile = replace(
        FAILED, prompt=HOSTILE, model=HOSTILE, tags=(HOSTILE,), failure=Failure(HOSTILE, HOSTILE), vendor=HOSTILE
    )
    for message in (render(hostile), render_digest([parcel(hostile)] * 6), render(replace(READY, prompt=HOSTILE))):
        assert "<!" not in json.dumps(message)
        assert "<https://evil" not in json.dumps(message)
        mrkdwn = [found["text"] for found in texts(message["blocks"]) if found["type"] == "mrkdwn"]
        assert all("evil" not in text for text in mrkdwn)
        assert message["mrkdwn"] is False
    section = render(replace(READY, prompt=HOSTILE))["blocks"][1]["text"]
    assert section == {
        "type": "plain_text",
        "text": "&lt;!channel&gt; &lt;https://evil.example|invoice&gt; *x* &amp; @here",
        "emoji": False,
    }


def test_a_url_cannot_end_its_link_early() -> None:
    bad = replace(READY, videos=(replace(READY.videos[0], url="https://a.b/x|y> <!channel>&z"),))
    assert (
        render(bad)["blocks"][-1]["elements"][0]["text"]
        == "<https://a.b/x%7Cy%3E%20%3C!channel%3E&amp;z|Open the clip (until 2025-01-01 13:01 UTC)>"
    )


@pytest.mark.parametrize("prompt", ["x" * 10_000, "&" * 10_000, "<" * 2999, "é😀" * 4000])
def test_messages_keep_slacks_limits(prompt: str) -> None:
    huge = replace(READY, prompt=prompt, model=prompt, tags=(prompt,) * 50)
    for message in (render(huge), render_digest([parcel(huge)] * HANDLER.max_batch)):
        assert len(message["text"]) <= 4000
        assert len(message["blocks"]) <= 50
        assert all(len(found["text"]) <= 3000 for found in texts(message["blocks"]))
        assert len(message["blocks"][0]["text"]["text"]) <= 150
        assert all(len(block.get("elements", [])) <= 10 for block in message["blocks"])


def test_an_escape_is_never_cut() -> None:
    assert escaped("&&&", 11) == "&amp;&amp;…"
    assert escaped("abc", 10) == "abc"


def test_a_link_that_is_too_long_is_left_out() -> None:
    long = replace(READY, videos=(replace(READY.videos[0], url="https://a.b/" + "x" * 4000),))
    assert [block["type"] for block in render(long)["blocks"]] == ["header", "section", "context"]
    assert "Open the clip" not in str(render(long))


def test_a_message_is_posted_and_done() -> None:
    with serving(Reply(200, b"ok")) as server:
        assert deliver(server, [parcel()]) == {"dlv_1": Done("ok")}
    sent = server.seen[0]
    assert (sent.method, sent.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(sent.body) == render(READY, 75)


def test_five_events_are_five_messages_and_six_are_a_digest() -> None:
    with serving(Reply(200, b"ok")) as server:
        outcomes = deliver(server, parcels(6))
        assert len(server.seen) == 1
    assert outcomes == {f"dlv_{n}": Done("ok") for n in range(1, 7)}
    assert json.loads(server.seen[0].body)["text"] == "5 clips done, 1 failed, $0.68"
    assert all(f"Clip {n}" in server.seen[0].body.decode() for n in range(1, 7))


def test_two_handlers_with_one_webhook_share_its_pace() -> None:
    async def main(shared: Server, other: Server) -> list[float]:
        given = tools(Path())
        out = SettingOut(given.http)
        given = replace(given, http=out)
        options = [SlackOptions.model_validate({"url": f"{each.url}/x"}) for each in (shared, shared, other)]
        made = [HANDLER.make(each, given) for each in options]
        await asyncio.gather(*(handler.deliver(parcels(2)) for handler in made))
        return out.at(shared.url)

    with serving(Reply(200, b"ok")) as shared, serving(Reply(200, b"ok")) as other:
        at = asyncio.run(main(shared, other))
    assert len(shared.seen) == 4
    assert [late - early >= 0.98 for early, late in itertools.pairwise(at)] == [True] * 3
    assert other.seen[1].at < shared.seen[2].at


def test_a_rest_that_slack_wants_holds_for_every_handler_of_its_webhook() -> None:
    async def main(url: str) -> list[Outcome]:
        given, options = tools(Path()), SlackOptions.model_validate({"url": url})
        made = [HANDLER.make(options, given) for _ in range(2)]
        return [(await handler.deliver([parcel()]))["dlv_1"] for handler in made]

    with serving(Reply(429, b"", {"Retry-After": "600"})) as server:
        outcomes = asyncio.run(main(server.url))
        assert len(server.seen) == 1
    assert [type(outcome) for outcome in outcomes] == [TryLater, TryLater]


def test_two_messages_are_a_second_apart() -> None:
    with serving(Reply(200, b"ok")) as server:
        deliver(server, parcels(2))
    assert server.seen[1].at - server.seen[0].at >= 0.98


def test_a_busy_slack_is_obeyed_and_the_other_messages_wait_with_it() -> None:
    with serving(Reply(429, b"", {"Retry-After": "30"})) as server:
        outcomes = deliver(server, parcels(3))
        assert len(server.seen) == 1
    assert outcomes == {f"dlv_{n}": TryLater("HTTP 429", after=30, answer="") for n in (1, 2, 3)}


def test_a_message_that_slack_refuses_does_not_hold_up_the_next() -> None:
    with serving(Reply(400, b"invalid_payload"), Reply(200, b"ok")) as server:
        outcomes = deliver(server, parcels(2))
    assert outcomes == {"dlv_1": GiveUp("HTTP 400", answer="invalid_payload"), "dlv_2": Done("ok")}


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match=r"https://hooks\.slack\.com/services/…"):
        SlackOptions.model_validate({"url": "hooks.slack.com/services/x"})


def test_the_living_link_is_shown_where_there_is_one() -> None:
    shown = render(READY, 75, lambda _, number: f"https://h.example/clips/{number}")["blocks"][-1]["elements"]
    assert [each["text"] for each in shown] == ["<https://h.example/clips/1|Open the clip>"]


def deliver_twice(server: Server) -> list[tuple[Outcome, int]]:
    """Deliver two parcels one after the other; their outcomes, and how many calls there were by then."""

    async def main() -> list[tuple[Outcome, int]]:
        options = SlackOptions.model_validate({"url": f"{server.url}/services/T0/B0/secretsecret"})
        handler = HANDLER.make(options, tools(Path()))
        return [((await handler.deliver([parcel()]))["dlv_1"], len(server.seen)) for _ in range(2)]

    return asyncio.run(main())


def test_what_comes_while_slack_rests_waits_for_the_end_of_the_rest() -> None:
    with serving(Reply(429, b"", {"Retry-After": "2"}), Reply(200, b"ok")) as server:
        assert deliver_twice(server) == [(TryLater("HTTP 429", after=2, answer=""), 1), (Done("ok"), 2)]
    assert server.seen[1].at - server.seen[0].at >= 1.98


def test_a_long_rest_is_not_waited_for_and_not_disturbed() -> None:
    with serving(Reply(503, b"", {"Retry-After": "600"}), Reply(200, b"ok")) as server:
        (_, first), (outcome, calls) = deliver_twice(server)
    assert first == calls == 1
    assert isinstance(outcome, TryLater)
    assert 590 < (outcome.after or 0) <= 600


def picture(server: Server, event: Event = READY, *, has: bool = True) -> Outcome:
    """Deliver an event whose clip is saved, with a poster or without."""
    saved = Saved(1, "clips/a.mp4", 1, "0" * 64, poster="clips/a.jpg" if has else None)

    async def finds(event: Event, *, with_poster: bool = False) -> Saved | None:
        assert with_poster
        return saved

    async def main() -> Outcome:
        given = replace(
            tools(Path()), saved_clip=finds, poster_link=lambda _, number: f"https://h.example/{number}.jpg"
        )
        options = SlackOptions.model_validate({"url": server.url})
        return (await HANDLER.make(options, given).deliver([parcel(event)]))["dlv_1"]

    return asyncio.run(main())


def images(seen: Seen) -> list[str]:
    """The addresses of a message's pictures."""
    return [block["image_url"] for block in json.loads(seen.body)["blocks"] if block["type"] == "image"]


def test_the_poster_is_shown_where_there_is_one() -> None:
    with serving(Reply(200, b"ok")) as server:
        assert picture(server) == Done("ok")
        assert picture(server, has=False) == Done("ok")
    assert [images(seen) for seen in server.seen] == [["https://h.example/1.jpg"], []]


def test_a_picture_that_slack_cannot_load_does_not_keep_the_message_back() -> None:
    with serving(Reply(400, b"invalid_blocks"), Reply(200, b"ok")) as server:
        assert picture(server) == Done("ok")
    assert [len(images(seen)) for seen in server.seen] == [1, 0]
    with serving(Reply(404, b"no_service")) as server:
        assert picture(server) == GiveUp("HTTP 404", answer="no_service")
        assert len(server.seen) == 1


def test_what_needs_somebody_stands_first_in_a_digest() -> None:
    lines = [block["elements"][0]["text"] for block in render_digest(parcels(7))["blocks"][1:]]
    assert "Clip 7" in lines[0]
    assert ["Clip 1" in lines[1], "Clip 6" in lines[6]] == [True, True]


def test_nothing_is_lost_in_a_digest_of_as_many_as_fit() -> None:
    message = render_digest(parcels(HANDLER.max_batch))
    assert len(message["blocks"]) == HANDLER.max_batch + 1
    assert all(f"'Clip {n}'" in str(message["blocks"]) for n in range(1, HANDLER.max_batch + 1))
