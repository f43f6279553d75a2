"""Retention in the running program: what is old goes by itself, what still matters and the ledger stay."""

from typing import Any

from receiver.simulator import RunningSimulator
from tests.support.faults import plant
from tests.support.http_server import Reply, Server
from tests.support.program import Program


def kept(clipbell: Program, *jobs: dict[str, Any]) -> list[list[str]]:
    """Of each job: what is still there of it."""
    lists = {"jobs": "id", "evidence": "job_id", "events": "job_id", "deliveries": "job_id", "ledger": "job_id"}
    return [
        [name for name, field in lists.items() if any(row[field] == job["id"] for row in clipbell.items(f"/v1/{name}"))]
        for job in jobs
    ]


ALL = ["jobs", "evidence", "events", "deliveries", "ledger"]


def test_what_is_old_goes_and_what_matters_stays(clipbell: Program, vendors: RunningSimulator, slack: Server) -> None:
    clipbell.handlers["slack"]["tags"] = ["unlucky"]
    clipbell.options["retention"] = {"evidence": "3s", "events": "3s", "jobs": "3s"}
    slack.script(Reply(404))
    plant(vendors, kind="job.stuck", prompt="Stuck")
    clipbell.start()
    stuck, done = clipbell.order(prompt="Stuck"), clipbell.order(prompt="Done")
    dead = clipbell.order(prompt="Undelivered", tags=["unlucky"])
    for job in (done, dead):
        clipbell.settled(job["id"])
    clipbell.delivered(dead["id"], "slack", "dead")
    assert kept(clipbell, done, dead) == [ALL, ALL]
    clipbell.eventually(lambda: kept(clipbell, done) == [["ledger"]], "what is old to go", 40)
    assert kept(clipbell, dead) == [ALL]
    assert kept(clipbell, stuck)[0][:2] == ["jobs", "evidence"]
    # the file and what is known of it stay too
    assert any(clip["job_id"] == done["id"] for clip in clipbell.items("/v1/clips"))


def test_without_retention_nothing_goes(clipbell: Program) -> None:
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    clipbell.delivered(job["id"], "files")
    clipbell.delivered(job["id"], "slack")
    clipbell.stop()
    clipbell.start()
    assert kept(clipbell, job) == [ALL]
