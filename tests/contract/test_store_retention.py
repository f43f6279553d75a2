"""What a store promises of retention: what is old goes in small steps, never what still matters, never the ledger."""

from collections.abc import Callable
from typing import Any

import pytest

from receiver.store.protocol import Change, Query, Store, Swept
from schemas.event import EventType
from schemas.job import Job, JobState
from schemas.values import replace
from tests.support.stored import (
    DAY,
    NOON,
    ORDER,
    a_job,
    an_event,
    changing,
    cleared,
    delivery,
    evidence,
    finished,
    line,
    placed,
    raised,
    taken,
    tell,
    told,
    usd,
)

Play = Callable[[Any], Any]
Meddle = Callable[[str], list[Any]]
DONE = JobState.COMPLETED
LATER = NOON + DAY


def an_old_job(number: int = 1, **fields: Any) -> Job:
    return a_job(number, **{"state": DONE, "settled_at": NOON, "next_at": None, **fields})


async def swept(store: Store, kind: str, before: int = LATER) -> int:
    """Everything that goes, step by step."""
    gone, after = 0, ""
    while True:
        step = await store.sweep(kind, before, after)
        gone += step.gone
        if step.after is None:
            return gone
        after = step.after


async def a_whole_job(store: Store) -> None:
    """A settled job with evidence, an event that was delivered, an alert that was cleared, a tag and a ledger line."""
    await placed(store, an_old_job(tags=("t",)))
    change = Change(told=(told(1, delivery(1)),), lines=(line(1, usd("1")),), raised=(raised(1, job_id="job_0001"),))
    await store.apply("job_0001", changing(change), evidence(1, body=b"one"))
    await store.alert(cleared(1))
    for claimed in await taken(store):
        assert await finished(store, claimed)


# --- what goes ---------------------------------------------------------------------------------------------


def test_a_job_goes_with_all_that_is_about_it_but_its_ledger_lines(play: Play, meddle: Meddle) -> None:
    async def scenario(store: Store) -> None:
        await a_whole_job(store)
        assert await swept(store, "jobs") == 1
        assert await store.job("job_0001") is None
        assert await store.evidence(Query()) == []
        assert await store.events(Query({"job_id": "job_0001"})) == []
        assert await store.alerts(Query()) == []
        assert [each.id for each in await store.ledger(Query())] == ["ldg_0001"]

    play(scenario)
    left = {table: meddle(f"SELECT count(*) FROM {table}")[0][0] for table in ("bodies", "job_tags", "evidence")}
    assert left == {"bodies": 0, "job_tags": 0, "evidence": 0}


def test_evidence_goes_and_its_job_and_ledger_stay(play: Play, meddle: Meddle) -> None:
    async def scenario(store: Store) -> None:
        await a_whole_job(store)
        assert await swept(store, "evidence") == 1
        assert await store.job("job_0001") is not None
        assert len(await store.ledger(Query())) == 1

    play(scenario)
    assert meddle("SELECT count(*) FROM bodies") == [(1,)]  # the order's


def test_events_go_with_their_deliveries_and_attempts(play: Play, meddle: Meddle) -> None:
    async def scenario(store: Store) -> None:
        await a_whole_job(store)
        assert await swept(store, "events") == 3
        assert await swept(store, "alerts", before=NOON + DAY) == 1

    play(scenario)
    assert [meddle(f"SELECT count(*) FROM {table}") for table in ("deliveries", "attempts")] == [[(0,)]] * 2


def test_what_is_not_old_enough_stays(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await a_whole_job(store)
        assert [await swept(store, kind, before=NOON) for kind in ("evidence", "events", "alerts")] == [0, 0, 0]
        # made long ago, but settled a moment ago
        assert await swept(store, "jobs", before=NOON) == 0

    play(scenario)


def test_evidence_of_no_job_goes_by_its_age_alone(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.apply("job_none", changing(Change()), evidence(1, job_id=None))
        await store.apply("job_none", changing(Change()), evidence(2, job_id="job_none", at=LATER))
        assert await swept(store, "evidence") == 1
        assert [each["id"] for each in await store.evidence(Query())] == ["evd_0002"]

    play(scenario)


# --- what stays --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["queued", "submitting", "running", "unknown", "abandoned"])
def test_nothing_goes_of_a_job_that_is_unsettled(play: Play, state: str) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, an_old_job(state=JobState(state), settled_at=None))
        await store.apply("job_0001", changing(Change(told=(told(1),))), evidence(1))
        assert [await swept(store, kind) for kind in ("evidence", "events", "jobs")] == [0, 0, 0]

    play(scenario)


def test_a_rejected_job_is_as_good_as_settled(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, an_old_job(state=JobState.REJECTED, settled_at=None))
        assert await swept(store, "jobs") == 1

    play(scenario)


@pytest.mark.parametrize("state", ["pending", "running", "dead"])
def test_nothing_goes_of_a_job_about_which_something_is_undelivered(play: Play, state: str) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, an_old_job())
        news = (told(1, delivery(1)), told(2))
        await store.apply("job_0001", changing(Change(told=news)), evidence(1))
        if state != "pending":
            (claimed,) = await taken(store)
            if state == "dead":
                await finished(store, claimed, "dead")
        assert [await swept(store, kind) for kind in ("evidence", "events", "jobs")] == [0, 0, 0]

    play(scenario)


def test_an_event_of_no_job_stays_until_it_is_delivered(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1), job_id=None))
        assert await swept(store, "events") == 0
        (claimed,) = await taken(store)
        await finished(store, claimed)
        assert await swept(store, "events") == 1

    play(scenario)


def test_nothing_goes_while_an_alert_about_it_stands(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, an_old_job())
        silent = raised(1, job_id="job_0001", told=told(101, type=EventType.RAISED))
        await store.apply("job_0001", changing(Change(told=(told(1),), raised=(silent,))), evidence(1))
        assert [await swept(store, kind) for kind in ("evidence", "events", "alerts", "jobs")] == [0, 0, 0, 0]
        await store.alert(replace(cleared(1), told=told(201, type=EventType.CLEARED)))
        assert [await swept(store, kind) for kind in ("evidence", "alerts")] == [1, 1]

    play(scenario)


def test_the_event_of_an_alert_that_stands_stays_though_it_has_no_job(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.alert(raised(1, told=told(101, job_id=None, type=EventType.RAISED)))
        await tell(store, told(1, job_id=None))
        assert await swept(store, "events") == 1
        assert [event.id for event in await store.events(Query())] == ["evt_0101"]

    play(scenario)


def test_bytes_stay_while_anything_refers_to_them(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, an_old_job(1), a_job(2))
        order, same = a_job().order_sha256, evidence(1, body=b"same")
        assert order is not None
        await store.apply("job_0001", changing(Change()), same)
        await store.apply("job_0002", changing(Change()), evidence(2, "job_0002", body=b"same"))
        await store.apply("job_0001", changing(Change()), evidence(3, body=ORDER))
        assert await swept(store, "jobs") == 1
        assert [await store.body(each) for each in (order, same.sha256)] == [ORDER, b"same"]

    play(scenario)


# --- steps -------------------------------------------------------------------------------------------------


def test_a_step_is_small_and_says_where_the_next_begins(play: Play) -> None:
    async def scenario(store: Store) -> None:
        events = [told(n, job_id=None, received_at=an_event().received_at) for n in range(1, 451)]
        await tell(store, *events)
        first = await store.sweep("events", LATER)
        assert first == Swept(200, "evt_0200")
        second = await store.sweep("events", LATER, "evt_0200")
        assert [second, await store.sweep("events", LATER, "evt_0400")] == [Swept(200, "evt_0400"), Swept(50, None)]

    play(scenario)


def test_a_step_passes_over_what_has_to_stay(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(n) for n in range(1, 41)], an_old_job(41))
        assert await store.sweep("jobs", LATER) == Swept(0, "job_0020")
        assert await swept(store, "jobs") == 1

    play(scenario)


def test_a_step_ends_at_the_first_row_that_is_young(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, an_old_job(1), an_old_job(2, created_at=LATER), an_old_job(3))
        assert await store.sweep("jobs", LATER) == Swept(1, None)

    play(scenario)


def test_a_job_with_more_evidence_than_fits_goes_in_several_steps(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, an_old_job(1), an_old_job(2))
        for n in range(1100):
            await store.apply("job_0001", changing(Change()), evidence(n))
        first = await store.sweep("jobs", LATER)
        assert first == Swept(1, "")
        assert len(await store.evidence(Query(limit=2000))) == 600
        assert await swept(store, "jobs") == 1
        assert await store.jobs(Query()) == []

    play(scenario)
