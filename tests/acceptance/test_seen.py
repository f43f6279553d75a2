"""What this installation has seen of its vendors: from the jobs that went through it, in the API and in a terminal."""

import json
from typing import Any

from receiver.simulator import RunningSimulator
from tests.support.faults import plant
from tests.support.program import Program


def seen(clipbell: Program) -> dict[str, Any]:
    (vrex,) = [each for each in clipbell.items("/v1/vendors") if each["name"] == "vrex"]
    (found,) = vrex["seen"]
    assert isinstance(found, dict)
    return found


def test_callbacks_in_time_and_lost_and_how_long_clips_take(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.account_options["vrex"] = {"poll_after": "1s", "poll_every": "1s"}
    plant(vendors, kind="callback.lost", prompt="Lost")
    plant(vendors, kind="job.stuck", prompt="Stuck")
    clipbell.start()
    assert seen(clipbell)["jobs"] == 0
    for prompt in ("One", "Two", "Lost"):
        clipbell.settled(clipbell.order(prompt=prompt)["id"])
    clipbell.order(prompt="Stuck")
    found = seen(clipbell)
    assert (found["account"], found["jobs"]) == ("vrex", 4)
    assert found["states"] == {"completed": 3, "running": 1}
    assert found["callbacks"] == {"on_time": 2, "late": 0, "lost": 1}
    assert 0.2 < found["median_seconds"] < 5
    shown = clipbell.command("vendors", "vrex")
    assert "callbacks 2 on time, 0 late, 1 lost" in shown.stdout
    clipbell.stop()
    apart = clipbell.command("vendors", "vrex", "--json")
    assert json.loads(apart.stdout)[0]["seen"] == []
