"""Truths: what must hold of an installation after every step, whatever happened.

They are checked on the store's rows, without any of clipbell's own decisions; some remember the step before.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from receiver.store.protocol import Delivery, Line, Query, Store
from schemas.event import Event
from schemas.job import TRANSITIONS, Job, JobState
from tests.support.scripted_vendor import Made, orders_sent_twice
from tests.support.small_world import WANTED, World

VERDICT_EVENTS = ("video.completed", "video.failed")
#: The alert for a state, and in which states it may stand: one that was given up as unknown is still that.
ALERT_STATES = {
    "job.unknown": (JobState.UNKNOWN, JobState.ABANDONED),
    "job.abandoned": (JobState.ABANDONED,),
}
#: States in which the vendor may have the job, so that somebody must come back to it.
OPEN = frozenset({JobState.SUBMITTING, JobState.RUNNING, JobState.UNKNOWN})


@dataclass(frozen=True)
class Rows:
    """All that a store holds."""

    jobs: Mapping[str, Job]
    events: Sequence[Event]
    deliveries: Sequence[Delivery]
    lines: Sequence[Line]
    evidence: Mapping[str, Mapping[str, Any]]
    alerts: Sequence[Mapping[str, Any]]


async def rows_of(store: Store) -> Rows:
    """Read everything."""
    all_ = Query({}, 100_000)
    return Rows(
        jobs={job.id: job for job in await store.jobs(all_)},
        events=await store.events(all_),
        deliveries=await store.deliveries(all_),
        lines=await store.ledger(all_),
        evidence={each["id"]: each for each in await store.evidence(all_)},
        alerts=await store.alerts(all_),
    )


@dataclass
class Truths:
    """The invariants of one world."""

    world: World
    _verdicts: dict[str, Any] = field(default_factory=dict)
    _states: dict[str, JobState] = field(default_factory=dict)

    def hold(self) -> None:
        """Fail with what does not hold."""
        rows = self.world.run(rows_of(self.world.life.store))
        self.one_event_for_each_verdict(rows)
        self.verdicts_never_change(rows)
        self.states_go_only_where_they_may(rows)
        self.no_order_is_sent_twice()
        self.no_order_is_forgotten(rows)
        self.the_ledger_is_the_vendors(rows)
        self.unknown_is_never_zero(rows)
        self.every_event_has_its_deliveries(rows)
        self.what_was_acknowledged_is_there(rows)
        self.alerts_are_raised_and_cleared_once(rows)
        self.somebody_comes_back_to_what_is_open(rows)

    def one_event_for_each_verdict(self, rows: Rows) -> None:
        told = Counter(event.job_id for event in rows.events if event.type.value in VERDICT_EVENTS)
        settled = {job.id for job in rows.jobs.values() if job.is_settled}
        assert told == Counter(settled), "a verdict and its one event do not go together"

    def verdicts_never_change(self, rows: Rows) -> None:
        for job in rows.jobs.values():
            if job.is_settled:
                verdict = (job.state, job.failure, job.settled_by, job.settled_at, job.cost, len(job.videos))
                assert self._verdicts.setdefault(job.id, verdict) == verdict, f"the verdict on {job.id} changed"
        assert self._verdicts.keys() <= rows.jobs.keys(), "a settled job is gone"

    def states_go_only_where_they_may(self, rows: Rows) -> None:
        for job in rows.jobs.values():
            before = self._states.get(job.id, job.state)
            assert job.state in _reachable(before), f"{job.id} went from {before} to {job.state}"
        self._states = {job.id: job.state for job in rows.jobs.values()}

    def no_order_is_sent_twice(self) -> None:
        assert not list(orders_sent_twice(self.world.vendor.posts)), "an order was sent again that may have arrived"

    def no_order_is_forgotten(self, rows: Rows) -> None:
        prompts = {job.prompt for job in rows.jobs.values()}
        assert {made.prompt for made in self.world.vendor.made} <= prompts, "the vendor has an order that we forgot"

    def the_ledger_is_the_vendors(self, rows: Rows) -> None:
        for made in self.world.vendor.made:
            job = self.job_of(made, rows)
            if job is None or not job.is_settled or made.belied:
                continue
            lines = [line for line in rows.lines if line.job_id == job.id]
            if any(line.amount is None for line in lines):
                assert job.estimate is None, f"{job.id} has a price, and a line without one"
                continue
            booked = sum((line.amount.amount for line in lines if line.amount), Decimal(0))
            took = Decimal(0) if job.estimate is None and made.truth == "failed" else made.net
            assert booked == took, f"{job.id}: {booked} in the ledger, {took} at the vendor"

    def unknown_is_never_zero(self, rows: Rows) -> None:
        for line in rows.lines:
            assert (line.amount is None) == (line.kind == "unknown"), line
            assert line.amount is None or line.amount.amount, f"a line of zero: {line}"
        for job in rows.jobs.values():
            assert job.cost is None or job.cost.amount, f"{job.id} costs zero"
            unpriced = any(line.kind == "unknown" for line in rows.lines if line.job_id == job.id)
            assert not (unpriced and job.cost), f"{job.id} has an unknown price, and a cost"

    def every_event_has_its_deliveries(self, rows: Rows) -> None:
        told: dict[str, list[str]] = {event.id: [] for event in rows.events}
        for delivery in rows.deliveries:
            told[delivery.event_id].append(delivery.handler)
        for event in rows.events:
            assert sorted(told[event.id]) == sorted(WANTED[event.type.value]), f"{event.type} {event.id}"

    def what_was_acknowledged_is_there(self, rows: Rows) -> None:
        for each in self.world.acknowledged:
            found = rows.evidence.get(each.evidence_id)
            assert found is not None, f"{each.evidence_id} was acknowledged and is missing"
            assert (found["job_id"], found["size"]) == (each.job_id, len(each.body))
            assert found["sha256"] == hashlib.sha256(each.body).hexdigest()
        for each in self.world.acknowledged[-3:]:
            body = self.world.run(self.world.life.store.body(hashlib.sha256(each.body).hexdigest()))
            assert body == each.body, f"the bytes of {each.evidence_id} are not those that came"

    def alerts_are_raised_and_cleared_once(self, rows: Rows) -> None:
        standing = Counter((alert["code"], alert["subject"]) for alert in rows.alerts if alert["cleared_at"] is None)
        assert all(count == 1 for count in standing.values()), f"an alert stands twice: {standing}"
        for code, subject in standing:
            job = rows.jobs.get(subject)
            assert job is None or not job.is_settled, f"{code} stands for {subject}, which is settled"
            assert code not in ALERT_STATES or (job and job.state in ALERT_STATES[code]), f"{code}: {job}"
        for job in rows.jobs.values():
            missing = [code for code, (state, *_) in ALERT_STATES.items() if job.state is state]
            assert all((code, job.id) in standing for code in missing), f"{job.id} is {job.state} without an alert"
        raised = sum(event.type.value == "alert.raised" for event in rows.events)
        cleared = sum(event.type.value == "alert.cleared" for event in rows.events)
        assert (raised, cleared) == (len(rows.alerts), len(rows.alerts) - len(standing)), "alerts and events differ"

    def somebody_comes_back_to_what_is_open(self, rows: Rows) -> None:
        for job in rows.jobs.values():
            assert job.next_at is not None or job.state not in OPEN, f"nobody comes back to {job.id}, {job.state}"
            assert job.next_at is None or not job.is_settled, f"{job.id} is settled and due"

    def everything_is_settled(self) -> None:
        """At the end, when the vendor has finished and told all: no job that it made is left without its verdict."""
        rows = self.world.run(rows_of(self.world.life.store))
        for made in self.world.vendor.made:
            job = self.job_of(made, rows)
            if made.belied or job is None or (made.callback_url is None and job.state is JobState.ABANDONED):
                continue
            assert job.state.value == made.truth, f"{job.id} is {job.state}, at the vendor {made.truth}"

    def job_of(self, made: Made, rows: Rows) -> Job | None:
        """Our job of a vendor's; None where a person named another id, or it cannot be told which it is."""
        if made.callback_url is not None:
            job = rows.jobs.get(self.world.job_id(made.callback_url))
            return job if job is None or job.vendor_job_id in (None, made.id) else None
        return next((job for job in rows.jobs.values() if job.vendor_job_id == made.id), None)


def _reachable(state: JobState) -> set[JobState]:
    found, todo = {state}, [state]
    while todo:
        new = TRANSITIONS[todo.pop()] - found
        found |= new
        todo += new
    return found
