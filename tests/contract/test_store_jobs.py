"""What a store promises of jobs: placed once, decided upon, claimed by one, found again."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import fields

from receiver.store.protocol import Change, Placed, Query, Store, Totals
from schemas.errors import BudgetReached, Conflict
from schemas.event import EventType, Failure, Source, Video
from schemas.job import Claim, Job, JobState, Origin
from schemas.values import replace
from tests.support.stored import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    ORDER,
    a_job,
    becoming,
    changing,
    evidence,
    line,
    placed,
    tell,
    told,
    usd,
)

Play = Callable[[Any], Any]

FULL = Job(
    id="job_0001",
    vendor="vrex",
    account="vrex-client",
    state=JobState.FAILED,
    created_at=NOON - HOUR,
    origin=Origin.ADOPTED,
    vendor_job_id="vg_1",
    prompt="Küste \N{WATER WAVE} 'at' \"dawn\"\nwith a NUL \0 and a surrogate \ud800",
    model="veo-3.1-lite",
    params={"mode": "t2v", "deep": {"list": [1, 2.5, None, True]}},
    tags=("summer", "Größe"),
    metadata={"order": 17, "note": "\0"},
    batch="spring",
    estimate=usd("0.136"),
    cost=usd("12", "credits"),
    videos=(
        Video("https://r2.getvrex.com/v.mp4", "video/mp4", datetime(2025, 1, 1, 13, tzinfo=UTC)),
        Video("key", None),
    ),
    failure=Failure("MINOR_SAFETY", "blocked", refunded=True, refund_basis="vendor_figure"),
    overdue_at=NOON - 1,
    callback=True,
    settled_by=Source.CALLBACK,
    submitted_at=NOON - 2,
    settled_at=NOON - 3,
    idempotency_key="key-1",
    order_sha256=hashlib.sha256(ORDER).hexdigest(),
    seconds=8,
    picture="16:9",
    booked=usd("-0.000001"),
    quote=usd("2.5", "credits"),
    claim=Claim("failed", "evd_1", NOON - 4),
    next_at=2**53 + 1,
    give_up_at=NOON + 5,
    looks=3,
    tries=2,
    fence=7,
    sent_at=NOON - 6,
)


# --- place -------------------------------------------------------------------------------------------------


def test_a_placed_job_is_read_with_every_field_as_it_was(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.place(FULL, ORDER) == Placed(FULL, is_new=True)
        assert await store.job("job_0001") == FULL

    assert all(getattr(FULL, field.name) != field.default for field in fields(Job)), "set every field"
    play(scenario)


def test_the_bytes_of_an_order_are_kept_under_its_sha256(play: Play) -> None:
    async def scenario(store: Store) -> None:
        order = bytes(range(256)) * 1000
        sha256 = hashlib.sha256(order).hexdigest()
        await store.place(a_job(order_sha256=sha256), order)
        assert await store.body(sha256) == order
        assert await store.body("0" * 64) is None

    play(scenario)


def test_a_repeated_idempotency_key_is_answered_with_the_first_job(play: Play) -> None:
    async def scenario(store: Store) -> None:
        first = a_job(1, idempotency_key="k")
        await placed(store, first)
        again = await store.place(a_job(2, idempotency_key="k", prompt="Another"), b"another order")
        assert again == Placed(first, is_new=False)
        assert await store.job("job_0002") is None

    play(scenario)


def test_a_key_that_was_given_up_may_be_used_again(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1, idempotency_key="k"))
        await store.apply("job_0001", becoming(idempotency_key=None))
        assert (await store.place(a_job(2, idempotency_key="k"), ORDER)).is_new

    play(scenario)


def test_of_many_orders_with_one_key_at_once_one_is_placed(play: Play) -> None:
    async def scenario(store: Store) -> None:
        jobs = [a_job(number, idempotency_key="k") for number in range(20)]
        answers = await asyncio.gather(*[store.place(job, ORDER) for job in jobs])
        assert sum(answer.is_new for answer in answers) == 1
        assert len({answer.job.id for answer in answers}) == 1
        assert len(await store.jobs(Query())) == 1

    play(scenario)


def test_the_very_same_job_placed_again_counts_as_new_and_is_left_as_it_is(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        await store.apply("job_0001", becoming(state=JobState.COMPLETED))
        again = await store.place(a_job(), ORDER)
        assert again == Placed(a_job(state=JobState.COMPLETED), is_new=True)

    play(scenario)


def test_admit_sees_what_is_spent_and_may_refuse(play: Play) -> None:
    async def scenario(store: Store) -> None:
        seen: list[Totals] = []

        def admit(totals: Totals) -> None:
            seen.append(totals)
            raise BudgetReached("no more today")

        await placed(store, a_job(1, estimate=usd("2")))
        with pytest.raises(BudgetReached):
            await store.place(a_job(2, order_sha256=hashlib.sha256(b"two").hexdigest()), b"two", admit=admit)
        spent = Totals({("vrex", "USD"): 2_000_000}, {("vrex", "USD"): 2_000_000}, 0)
        assert seen in ([spent], [spent, spent])  # its group may have been done again
        assert await store.job("job_0002") is None
        assert await store.body(hashlib.sha256(b"two").hexdigest()) is None

    play(scenario)


def test_admit_is_not_asked_for_a_repeated_key(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1, idempotency_key="k"))

        def admit(totals: Totals) -> None:
            raise BudgetReached("no more today")

        assert not (await store.place(a_job(2, idempotency_key="k"), ORDER, admit=admit)).is_new

    play(scenario)


def test_two_orders_at_once_do_not_both_find_room_for_one(play: Play) -> None:
    async def scenario(store: Store) -> None:
        def admit(totals: Totals) -> None:
            if totals.day.get(("vrex", "USD"), 0) >= 1_000_000:
                raise BudgetReached("no more today")

        orders = [store.place(a_job(number, estimate=usd("1")), ORDER, admit=admit) for number in range(5)]
        answers = await asyncio.gather(*orders, return_exceptions=True)
        assert sum(isinstance(answer, Placed) for answer in answers) == 1

    play(scenario)


def test_a_vendors_job_is_placed_once_for_an_account(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1))
        with pytest.raises(Conflict, match="vg_1"):
            await store.place(a_job(2, vendor_job_id="vg_1"), ORDER)
        assert [job.id for job in await store.jobs(Query())] == ["job_0001"]

    play(scenario)


# --- apply -------------------------------------------------------------------------------------------------


def test_apply_decides_on_the_row_and_writes_what_was_decided(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        seen: list[Job | None] = []

        def decide(job: Job | None) -> Change:
            seen.append(job)
            return Change(job=replace(a_job(), state=JobState.COMPLETED, next_at=None), note="done")

        applied = await store.apply("job_0001", decide)
        assert seen == [a_job()]
        assert applied.job == a_job(state=JobState.COMPLETED, next_at=None)
        assert applied.change.note == "done"
        assert await store.job("job_0001") == applied.job

    play(scenario)


def test_every_field_may_change_by_apply(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, Job("job_0001", "veo3gen", "other", JobState.QUEUED, 1))
        applied = await store.apply("job_0001", changing(Change(job=FULL)))
        assert applied.job == FULL
        assert await store.job("job_0001") == FULL
        assert [job.id for job in await store.jobs(Query({"tag": "Größe"}))] == ["job_0001"]
        bare = Job("job_0001", "veo3gen", "other", JobState.QUEUED, 1)
        await store.apply("job_0001", changing(Change(job=bare)))
        assert await store.job("job_0001") == bare
        assert await store.jobs(Query({"tag": "Größe"})) == []

    play(scenario)


def test_a_change_without_a_job_leaves_the_job(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        assert (await store.apply("job_0001", changing(Change()))).job == a_job()
        assert await store.job("job_0001") == a_job()

    play(scenario)


def test_everything_of_a_change_is_written_with_its_evidence(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        change = Change(job=a_job(state=JobState.FAILED), told=(told(1),), lines=(line(1, usd("0.136")),))
        await store.apply("job_0001", changing(change), evidence(1))
        assert [event.id for event in await store.events(Query())] == ["evt_0001"]
        assert [each.id for each in await store.ledger(Query())] == ["ldg_0001"]
        assert [each["id"] for each in await store.evidence(Query())] == ["evd_0001"]

    play(scenario)


def test_a_job_that_shall_be_forgotten_is_gone_and_its_evidence_stays(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(tags=("a",), idempotency_key="k"))
        applied = await store.apply("job_0001", changing(Change(forget=True)), evidence(1))
        assert applied.job is None
        assert await store.job("job_0001") is None
        assert await store.jobs(Query({"tag": "a"})) == []
        assert [each["job_id"] for each in await store.evidence(Query())] == ["job_0001"]
        assert (await store.place(a_job(2, idempotency_key="k", vendor_job_id="vg_1"), ORDER)).is_new

    play(scenario)


def test_an_unknown_job_is_decided_upon_as_none_and_its_evidence_is_kept(play: Play) -> None:
    async def scenario(store: Store) -> None:
        seen: list[Job | None] = []

        def decide(job: Job | None) -> Change:
            seen.append(job)
            return Change(verdict="mismatch")

        applied = await store.apply("job_none", decide, evidence(1, "job_none"))
        assert (seen, applied.job) == ([None], None)
        assert [each["verdict"] for each in await store.evidence(Query({"job_id": "job_none"}))] == ["mismatch"]

    play(scenario)


def test_a_decision_may_make_a_job_where_none_was(play: Play) -> None:
    async def scenario(store: Store) -> None:
        applied = await store.apply("job_0001", changing(Change(job=a_job(tags=("a",)))))
        assert applied.job == a_job(tags=("a",))
        assert await store.jobs(Query({"tag": "a"})) == [a_job(tags=("a",))]

    play(scenario)


def test_evidence_that_is_there_already_is_not_decided_upon_again(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        change = Change(verdict="unknown_word", job=a_job(looks=1), told=(told(1),), lines=(line(1, usd("1")),))
        await store.apply("job_0001", changing(change), evidence(1))
        again = await store.apply("job_0001", changing(replace(change, job=a_job(looks=9))), evidence(1))
        assert again.job == a_job(looks=1)
        assert again.change == Change(verdict="unknown_word")
        assert len(await store.events(Query())) == len(await store.ledger(Query())) == 1

    play(scenario)


def test_the_same_evidence_many_times_at_once_counts_once(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        once_more = [store.apply("job_0001", _counting, evidence(1)) for _ in range(30)]
        answers = await asyncio.gather(*once_more)
        assert [answer.job for answer in answers] == [a_job(looks=1)] * 30

    play(scenario)


def test_calls_for_one_job_see_each_others_effects_in_order(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        answers = await asyncio.gather(*[store.apply("job_0001", _counting, evidence(n)) for n in range(50)])
        assert [answer.job and answer.job.looks for answer in answers] == list(range(1, 51))
        assert await store.job("job_0001") == a_job(looks=50)

    play(scenario)


def test_an_exception_of_decide_is_passed_on_and_undoes_this_member_only(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(number) for number in range(50)])

        def bad(_: Job | None) -> Change:
            raise LookupError("a bug")

        calls = [
            store.apply(f"job_{number:04d}", bad if number == 17 else _counting, evidence(number, f"job_{number:04d}"))
            for number in range(50)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [number for number, answer in enumerate(answers) if isinstance(answer, BaseException)] == [17]
        assert isinstance(answers[17], LookupError)
        assert [job.looks for job in await store.jobs(Query(limit=50))] == [1] * 32 + [0] + [1] * 17
        assert await store.evidence(Query({"job_id": "job_0017"})) == []

    play(scenario)


def test_a_member_that_the_engine_refuses_fails_alone(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(number) for number in range(50)])
        # the same verdict twice for one job, which settle never decides
        first = Change(job=a_job(17, looks=1), told=(told(1, job_id="job_0017", type=EventType.COMPLETED),))
        second = Change(job=a_job(17, looks=2), told=(told(2, job_id="job_0017", type=EventType.FAILED),))
        await store.apply("job_0017", changing(first))
        calls = [
            store.apply(f"job_{number:04d}", changing(second) if number == 17 else _counting, evidence(number))
            for number in range(50)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [number for number, answer in enumerate(answers) if isinstance(answer, BaseException)] == [17]
        assert [job.looks for job in await store.jobs(Query(limit=50))] == [1] * 50
        assert [event.id for event in await store.events(Query())] == ["evt_0001"]
        assert await store.evidence(Query({"id": "evd_0017"})) == []

    play(scenario)


def test_what_failed_may_be_asked_again(play: Play) -> None:
    async def scenario(store: Store) -> None:
        def bad(_: Job | None) -> Change:
            raise LookupError("a bug")

        await placed(store, a_job())
        with pytest.raises(LookupError):
            await store.apply("job_0001", bad, evidence(1))
        assert (await store.apply("job_0001", _counting, evidence(1))).job == a_job(looks=1)

    play(scenario)


def test_the_vendors_id_of_another_job_of_the_account_is_a_conflict(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1), a_job(2, vendor_job_id=None), a_job(3, vendor_job_id=None, account="other"))
        with pytest.raises(Conflict):
            await store.apply("job_0002", becoming(vendor_job_id="vg_1"))
        await store.apply("job_0003", becoming(vendor_job_id="vg_1"))
        assert [job.vendor_job_id for job in await store.jobs(Query())] == ["vg_1", None, "vg_1"]

    play(scenario)


# --- claim -------------------------------------------------------------------------------------------------


def test_jobs_that_are_due_are_claimed_earliest_first(play: Play) -> None:
    async def scenario(store: Store) -> None:
        due = [a_job(1, next_at=NOON), a_job(2, next_at=NOON - 5), a_job(3, next_at=NOON + 1), a_job(4, next_at=None)]
        await placed(store, *due)
        claimed = await store.claim_jobs(NOON, NOON + MINUTE, 10)
        assert claimed == [
            a_job(2, next_at=NOON + MINUTE, fence=1),
            a_job(1, next_at=NOON + MINUTE, fence=1),
        ]
        assert await store.job("job_0002") == claimed[0]

    play(scenario)


def test_a_claim_takes_at_most_so_many(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(number, next_at=NOON - number) for number in range(5)])
        assert [job.id for job in await store.claim_jobs(NOON, NOON + 1, 2)] == ["job_0004", "job_0003"]

    play(scenario)


def test_nobody_gets_a_job_before_its_lease_has_run_out(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        assert len(await store.claim_jobs(NOON, NOON + MINUTE, 10)) == 1
        assert await store.claim_jobs(NOON + MINUTE - 1, NOON + HOUR, 10) == []
        again = await store.claim_jobs(NOON + MINUTE, NOON + HOUR, 10)
        assert [(job.id, job.fence) for job in again] == [("job_0001", 2)]

    play(scenario)


def test_a_lease_is_extended_while_its_fence_is_ours(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1), a_job(2))
        await store.claim_jobs(NOON, NOON + MINUTE, 10)
        await store.extend_jobs({"job_0001": 1, "job_0002": 0, "job_none": 1}, NOON + HOUR)
        ends = {job.id: job.next_at for job in await store.jobs(Query())}
        assert ends == {"job_0001": NOON + HOUR, "job_0002": NOON + MINUTE}
        await store.extend_jobs({}, NOON + DAY)

    play(scenario)


def test_a_lease_does_not_come_back_once_the_job_has_nothing_to_wait_for(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        await store.claim_jobs(NOON, NOON + MINUTE, 10)
        await store.apply("job_0001", becoming(state=JobState.COMPLETED, next_at=None))
        await store.extend_jobs({"job_0001": 1}, NOON + HOUR)
        assert (await store.jobs(Query()))[0].next_at is None

    play(scenario)


# --- read --------------------------------------------------------------------------------------------------


def test_a_job_is_found_by_its_id_its_key_and_the_vendors_id(play: Play) -> None:
    async def scenario(store: Store) -> None:
        job = a_job(idempotency_key="k")
        await placed(store, job, a_job(2))
        assert await store.job("job_0001") == job
        assert await store.job_by_key("k") == job
        assert await store.job_by_vendor_id("vrex", "vg_1") == job
        assert await store.job("job_none") is None
        assert await store.job_by_key("other") is None
        assert await store.job_by_vendor_id("other", "vg_1") is None

    play(scenario)


def test_words_that_no_engine_can_keep_find_nothing_and_break_nothing(play: Play) -> None:
    async def scenario(store: Store) -> None:
        odd = "a\0b\ud800"
        await placed(store, a_job(vendor_job_id=odd, model=odd, batch=odd, idempotency_key=odd, tags=(odd,)))
        assert await store.job(odd) is None
        assert len(await store.jobs(Query({"tag": odd, "batch": odd, "model": odd}))) == 1
        assert await store.jobs(Query({"state": odd})) == []
        assert await store.jobs(Query(before=odd)) == []
        assert (await store.job_by_key(odd)) is not None

    play(scenario)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "completed"),
        ("vendor", "veo3gen"),
        ("account", "second"),
        ("origin", "adopted"),
        ("batch", "spring"),
        ("tag", "b"),
        ("vendor_job_id", "vg_2"),
        ("model", "veo-3"),
        ("settled_by", "poll"),
    ],
)
def test_jobs_are_listed_by(play: Play, name: str, value: str) -> None:
    async def scenario(store: Store) -> None:
        other = a_job(
            2,
            state=JobState.COMPLETED,
            vendor="veo3gen",
            account="second",
            origin=Origin.ADOPTED,
            batch="spring",
            tags=("a", "b"),
            model="veo-3",
            settled_by=Source.POLL,
        )
        await placed(store, a_job(1, tags=("a",)), other, a_job(3))
        assert await store.jobs(Query({name: value})) == [other]
        assert await store.jobs(Query({name: value, "state": "unknown"})) == []

    play(scenario)


def test_lists_are_newest_first_and_go_on_below_an_id(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(number) for number in range(7)])
        assert [job.id[-1] for job in await store.jobs(Query(limit=3))] == ["6", "5", "4"]
        assert [job.id[-1] for job in await store.jobs(Query(limit=3, before="job_0004"))] == ["3", "2", "1"]

    play(scenario)


def test_none_as_a_filter_means_that_there_is_nothing(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1, batch="spring"), a_job(2))
        assert [job.id for job in await store.jobs(Query({"batch": None}))] == ["job_0002"]

    play(scenario)


def test_a_filter_that_does_not_exist_is_an_error(play: Play) -> None:
    async def scenario(store: Store) -> None:
        with pytest.raises(ValueError, match="jobs cannot be listed by colour"):
            await store.jobs(Query({"colour": "red"}))

    play(scenario)


def test_the_events_of_jobs_come_oldest_first(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(3), told(1), told(2, job_id="job_0002"))
        assert await store.event_ids(["job_0001", "job_0002", "job_0003"]) == {
            "job_0001": ("evt_0001", "evt_0003"),
            "job_0002": ("evt_0002",),
            "job_0003": (),
        }
        assert await store.event_ids([]) == {}

    play(scenario)


def _counting(job: Job | None) -> Change:
    assert job is not None
    return Change(job=replace(job, looks=job.looks + 1))
