"""What a store promises of batches and of what was seen of an account: sums that are right on every engine."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from receiver.store.protocol import Change, Store
from schemas.event import Failure, Source
from schemas.job import JobState
from tests.support.stored import HOUR, MINUTE, NOON, SECOND, a_job, changing, evidence, line, placed, usd

Play = Callable[[Any], Any]
DONE, FAILED, RUNNING = JobState.COMPLETED, JobState.FAILED, JobState.RUNNING


# --- batches -----------------------------------------------------------------------------------------------


async def a_batch(store: Store) -> None:
    """Four orders at two accounts, one of them a second take, and one order of another batch."""
    unsafe, other = Failure("MINOR_SAFETY", "blocked"), {"account": "ulazai", "vendor": "ulazai"}
    await placed(
        store,
        a_job(1, batch="spring", state=DONE, settled_at=NOON, created_at=NOON - HOUR, idempotency_key="a"),
        a_job(2, batch="spring", state=FAILED, settled_at=NOON + 5, failure=unsafe, idempotency_key="b"),
        a_job(3, batch="spring", state=JobState.REJECTED, failure=Failure("BAD", "no"), idempotency_key="c"),
        a_job(4, batch="spring", estimate=usd("240", "credits"), idempotency_key="c~2", **other),
        a_job(5, batch="autumn", state=FAILED, failure=unsafe, estimate=usd("7")),
    )
    await store.apply("job_none", changing(Change(lines=(line(1, usd("0.1")), line(2, usd("9"), job_id="job_0005")))))


def test_a_batch_is_summed_by_state_reason_and_account(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await a_batch(store)
        assert await store.batch("spring") == {
            "batch": "spring",
            "jobs": 4,
            "states": {"completed": 1, "failed": 1, "rejected": 1, "running": 1},
            "done": False,
            "stuck": 0,
            "retaken": 1,
            "failures": [{"state": "failed", "code": "MINOR_SAFETY", "message": "blocked", "count": 1}],
            "costs": [
                {"account": "ulazai", "unit": "credits", "total": Decimal(0), "open_estimate": Decimal(240)},
                {"account": "vrex", "unit": "USD", "total": Decimal("0.1"), "open_estimate": Decimal(0)},
            ],
            "began_at": NOON - HOUR,
            "settled_at": NOON + 5,
        }

    play(scenario)


@pytest.mark.parametrize("name", ["summer", "", "\0"])
def test_there_is_no_batch_without_an_order(play: Play, name: str) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1, batch=None))
        assert await store.batch(name) is None

    play(scenario)


@pytest.mark.parametrize(
    ("state", "done"),
    [
        ("queued", False),
        ("submitting", False),
        ("running", False),
        ("unknown", False),
        ("completed", True),
        ("failed", True),
        ("rejected", True),
        ("abandoned", True),
    ],
)
def test_a_batch_is_done_when_nothing_of_it_is_open(play: Play, state: str, done: bool) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1, batch="b", state=DONE), a_job(2, batch="b", state=JobState(state)))
        found = await store.batch("b")
        assert found is not None
        assert found["done"] is done

    play(scenario)


def test_an_order_of_unknown_fate_is_stuck_once_it_is_overdue(play: Play) -> None:
    async def scenario(store: Store) -> None:
        unknown = {"batch": "b", "state": JobState.UNKNOWN}
        await placed(
            store, a_job(1, overdue_at=NOON, **unknown), a_job(2, **unknown), a_job(3, batch="b", overdue_at=1)
        )
        found = await store.batch("b")
        assert found is not None
        assert found["stuck"] == 1
        assert found["failures"] == [{"state": "unknown", "code": None, "message": None, "count": 2}]

    play(scenario)


@pytest.mark.parametrize(
    ("keys", "lost", "retaken"),
    [
        (("k", "k~2"), 1, 1),
        (("k", "k~2", "k~3"), 1, 2),
        (("k", "other~2"), 2, 0),
        (("k~2", "k~10"), 1, 1),
        (("k~x", "k~y"), 2, 0),
        ((None, None), 2, 0),
    ],
)
def test_a_failure_that_was_ordered_again_is_none_of_the_batch(
    play: Play, keys: tuple[str | None, ...], lost: int, retaken: int
) -> None:
    async def scenario(store: Store) -> None:
        failed = {"batch": "b", "state": FAILED, "failure": Failure("X", "x")}
        await placed(store, *[a_job(n, idempotency_key=key, **failed) for n, key in enumerate(keys, 1)])
        found = await store.batch("b")
        assert found is not None
        assert ([each["count"] for each in found["failures"]], found["retaken"]) == ([lost], retaken)

    play(scenario)


# --- what was seen of an account ---------------------------------------------------------------------------


async def an_account(store: Store) -> None:
    """Jobs at vrex: told in time, told when overdue, found by looks (one of them told afterwards), never settled."""
    callback, poll = {"callback": True, "settled_by": Source.CALLBACK}, {"callback": True, "settled_by": Source.POLL}
    done = {"state": DONE, "submitted_at": NOON}
    await placed(
        store,
        a_job(1, settled_at=NOON + 10 * SECOND, **done, **callback),
        a_job(2, settled_at=NOON + 40 * SECOND, **done, **callback),
        a_job(3, settled_at=NOON + 20 * SECOND, overdue_at=NOON, **done, **callback),
        a_job(4, settled_at=NOON + 30 * SECOND, **done, **poll),
        a_job(5, settled_at=NOON + MINUTE, state=FAILED, submitted_at=NOON, **poll),
        a_job(6, settled_at=NOON + HOUR, state=FAILED, callback=False, settled_by=Source.POLL),
        a_job(7),
        a_job(8, account="other", settled_at=NOON + HOUR, **done, **callback),
    )
    await store.apply("job_0004", changing(Change(verdict="duplicate")), evidence(1, "job_0004"))
    await store.apply("job_0005", changing(Change()), evidence(2, "job_0005", kind="status"))


def test_callbacks_are_on_time_late_or_lost(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await an_account(store)
        assert await store.seen("vrex") == {
            "jobs": 7,
            "states": {"completed": 4, "failed": 2, "running": 1},
            "callbacks": {"on_time": 2, "late": 2, "lost": 1},
            "median_seconds": 25.0,
        }
        assert (await store.seen("other"))["median_seconds"] == 3600.0

    play(scenario)


def test_of_an_account_without_jobs_nothing_was_seen(play: Play) -> None:
    async def scenario(store: Store) -> None:
        nothing = {"on_time": 0, "late": 0, "lost": 0}
        assert await store.seen("vrex") == {"jobs": 0, "states": {}, "callbacks": nothing, "median_seconds": None}

    play(scenario)


@pytest.mark.parametrize(("seconds", "median"), [((5,), 5.0), ((1, 9, 2), 2.0), ((4, 1, 2, 9), 3.0)])
def test_the_median_is_the_one_in_the_middle(play: Play, seconds: tuple[int, ...], median: float) -> None:
    async def scenario(store: Store) -> None:
        done = {"state": DONE, "submitted_at": NOON}
        jobs = [a_job(n, settled_at=NOON + each * SECOND, **done) for n, each in enumerate(seconds, 1)]
        await placed(store, *jobs)
        assert (await store.seen("vrex"))["median_seconds"] == median

    play(scenario)
