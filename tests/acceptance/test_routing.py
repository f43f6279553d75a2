"""Who is told of which clip, and how a handler is driven where its section says so. The real program."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from receiver.simulator import RunningSimulator
from tests.support.faults import plant
from tests.support.http_server import Reply, Server, serving
from tests.support.program import Program


def told(slack: Server, path: str) -> list[str]:
    """The prompts that were told at one address."""
    found = [json.loads(seen.body)["text"] for seen in slack.seen if seen.path == path]
    return sorted(text.split("'")[1] for text in found)


def test_each_handler_is_told_of_what_passes_its_filters(
    clipbell: Program, slack: Server, vendors: RunningSimulator
) -> None:
    sections: dict[str, dict[str, Any]] = {
        "acme": {"where": {"client": "acme"}},
        "spring": {"tags": ["spring"]},
        "other-vendor": {"vendors": ["aivideoapi"]},
        "failures": {"events": ["video.failed"]},
        "both": {"tags": ["spring"], "where": {"client": "acme"}},
    }
    for name, filters in sections.items():
        clipbell.handlers[name] = {"type": "slack", "url": f"{slack.url}/{name}", **filters}
    clipbell.start()
    orders: list[dict[str, Any]] = [
        clipbell.order(prompt="One", tags=["spring"], metadata={"client": "acme"}),
        clipbell.order(prompt="Two", tags=["spring"], metadata={"client": "bolt"}),
        clipbell.order("aivideoapi", prompt="Three", metadata={"client": "acme"}),
    ]
    for job in orders:
        clipbell.settled(job["id"])
    plant(vendors, kind="job.fails")
    failed = clipbell.settled(clipbell.order(prompt="Four")["id"], "failed")
    for job in (*orders, failed):
        clipbell.delivered(job["id"], "slack")
    for name, number in [("acme", 2), ("spring", 1), ("other-vendor", 2), ("both", 0)]:
        clipbell.delivered(orders[number]["id"], name)
    clipbell.delivered(failed["id"], "failures")
    assert {name: told(slack, f"/{name}") for name in sections} == {
        "acme": ["One", "Three"],
        "spring": ["One", "Two"],
        "other-vendor": ["Three"],
        "failures": ["Four"],
        "both": ["One"],
    }
    assert told(slack, "/services/T0/B0/secret") == ["Four", "One", "Three", "Two"]


def test_a_schedule_of_ones_own_is_followed_to_its_end(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(500))
    clipbell.handlers["slack"]["retry"] = ["0.5s", "1s"]
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    (delivery,) = clipbell.delivered(job["id"], "slack", "dead")
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["later", "later", "gave_up"]
    first, second, third = (seen.at for seen in slack.seen)
    assert 0.4 <= second - first < 2.5
    assert 0.8 <= third - second < 3


def test_a_rate_holds_back_and_loses_nothing(clipbell: Program, slack: Server) -> None:
    clipbell.handlers["hook"] = {
        "type": "webhook",
        "url": f"{slack.url}/hook",
        "secret": "whsec_" + "a" * 44,
        "rate": "2/second",
        "events": ["video.completed"],
    }
    clipbell.start()
    orders = [clipbell.order(prompt=f"Clip {number}") for number in range(7)]
    for job in orders:
        clipbell.delivered(job["id"], "hook")
    times = [seen.at for seen in slack.seen if seen.path == "/hook"]
    assert len(times) == 7
    # counted when they set out, seen when they arrive
    assert all(later - earlier > 0.7 for earlier, later in zip(times, times[2:], strict=False))
    assert times[-1] - times[0] > 2.3


def most_at_once(server: Server, seconds: float) -> int:
    """How many calls were open at the same time, each of which takes so many seconds at least."""
    starts = sorted(seen.at for seen in server.seen)
    return max(sum(start <= other < start + seconds for other in starts) for start in starts)


def test_no_more_calls_run_at_once_than_a_section_says(clipbell: Program) -> None:
    slowly = Reply(body=b"okay", pause=0.5)  # after each byte
    with serving(slowly) as two, serving(slowly) as usual:
        section = {"type": "webhook", "secret": "whsec_" + "a" * 44, "events": ["video.completed"]}
        clipbell.handlers |= {
            "two": {**section, "url": two.url, "concurrency": 2},
            "usual": {**section, "url": usual.url},
        }
        clipbell.start()
        with ThreadPoolExecutor(10) as pool:
            orders = list(pool.map(lambda number: clipbell.order(prompt=f"Clip {number}"), range(10)))
        for job in orders:
            clipbell.delivered(job["id"], "two", seconds=60)
            clipbell.delivered(job["id"], "usual", seconds=60)
        assert most_at_once(two, 1.4) == 2
        # the control: without it there are more
        assert most_at_once(usual, 1.4) > 2


def test_a_timeout_of_ones_own_ends_a_call(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(silent=True))
    clipbell.handlers["slack"]["timeout"] = "0.5s"
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    clipbell.eventually(
        lambda: clipbell.items("/v1/deliveries", job_id=job["id"], handler="slack")[0]["attempts"], "one"
    )
    (delivery,) = clipbell.items("/v1/deliveries", job_id=job["id"], handler="slack")
    assert delivery["attempts"][0]["reason"] == "no outcome within 0.5 s"


def test_what_is_wrong_with_a_section_stops_the_start(clipbell: Program) -> None:
    clipbell.handlers["slack"] |= {"where": {"client": ["acme"]}, "rate": "often", "vendors": ["nobody"]}
    clipbell.handlers["files"]["retry"] = ["5s"]
    clipbell.configure()
    ended = clipbell.command("serve")
    assert ended.returncode == 2
    for key in ("slack.where", "slack.rate", "slack.vendors.0", "files.retry"):
        assert f"handlers.{key}: " in ended.stderr
