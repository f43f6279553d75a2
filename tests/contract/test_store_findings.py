"""What a store finds of money that does not add up: every kind, what is none of it, exact sums, pages, bounds."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from handlers import ledger_file
from receiver.store import findings
from receiver.store.auditing import Finding, FindingSum
from receiver.store.protocol import Attempt, Change, Clip, Finish, Line, Query, Store
from receiver.web.shapes import line_json
from schemas.event import Failure, Money
from schemas.job import Job, JobState
from schemas.values import replace
from tests.support.stored import (
    NOON,
    a_job,
    changing,
    delivery,
    finished,
    line,
    placed,
    taken,
    tell,
    told,
    usd,
)

Play = Callable[[Any], Any]
SAVERS = ("files",)


def ordered(number: int = 1, state: str = "completed", **fields: Any) -> Job:
    """A job with a prompt of its own, for which a dollar is booked."""
    usual: dict[str, Any] = {
        "prompt": f"Clip {number}",
        "quote": None,
        "booked": usd("1"),
        "cost": None,
        "estimate": None,
    }
    return a_job(number, state=JobState(state), **{**usual, **fields})


def booked(number: int, amount: Money | None, kind: str = "charge", evidence_id: str | None = None) -> Line:
    """A line of the job of this number."""
    return line(
        number * 10 + ("charge", "refund", "unknown").index(kind),
        amount,
        job_id=f"job_{number:04d}",
        kind=kind,
        evidence_id=evidence_id,
    )


async def book(store: Store, *lines: Line) -> None:
    await store.apply("job_none", changing(Change(lines=lines)))


async def found(store: Store, limit: int = 50, before: str | None = None, **filters: Any) -> list[Finding]:
    return await store.findings(Query(filters, limit, before), SAVERS)


async def kinds(store: Store, **filters: Any) -> list[tuple[str, str, Money | None]]:
    """What is found, in short."""
    return [(each.kind, each.job.id, each.amount) for each in await found(store, **filters)]


async def save(store: Store, number: int) -> None:
    """Have the file of a job saved."""
    job_id = f"job_{number:04d}"
    await tell(store, told(number, delivery(number, "files"), job_id=job_id))
    (claimed,) = await taken(store, "files")
    clip = Clip(f"clp_{number:04d}", job_id, 1, "files", "a.mp4", 4, "ab", "video/mp4", None, NOON)
    assert await finished(store, claimed, clips=(clip,))


# --- charged, but no file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["completed", "abandoned"])
def test_what_was_paid_for_and_has_no_file_is_found(play: Play, state: str) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, ordered(1, state), ordered(2, state))
        await book(store, booked(1, usd("1")), booked(2, usd("1")))
        await save(store, 2)
        assert await kinds(store) == [("no_file", "job_0001", usd("1"))]

    play(scenario)


@pytest.mark.parametrize("state", ["queued", "submitting", "running", "unknown", "rejected"])
def test_what_may_still_come_or_was_never_made_is_none(play: Play, state: str) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, ordered(1, state))
        await book(store, booked(1, usd("1")))
        assert await kinds(store) == []

    play(scenario)


def test_what_a_saver_is_still_at_is_none(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, ordered(1))
        await book(store, booked(1, usd("1")))
        await tell(store, told(1, delivery(1, "files"), delivery(2, "team")))
        assert await kinds(store) == []
        # that another handler is at it says nothing of files
        assert [each.kind for each in await store.findings(Query(), ("other",))] == ["no_file"]
        assert [each.kind for each in await store.findings(Query(), ())] == ["no_file"]
        (claimed,) = await taken(store, "files")
        await store.finish_delivery(
            claimed.delivery.id, claimed.delivery.fence, Finish("dead", Attempt(NOON, "gave_up", "HTTP 404"))
        )
        assert await kinds(store) == [("no_file", "job_0001", usd("1"))]

    play(scenario)


def test_what_cost_nothing_is_none_and_what_cost_nobody_knows_how_much_is_one(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[ordered(number) for number in (1, 2)], ordered(3, booked=None), ordered(4, booked=None))
        await book(store, booked(1, usd("1")), booked(1, usd("-1"), "refund"), booked(3, None, "unknown"))
        assert await kinds(store) == [("no_file", "job_0003", None)]

    play(scenario)


# --- failed, but not refunded ------------------------------------------------------------------------------


def failed(number: int, *, refunded: bool | None, **fields: Any) -> Job:
    """A job that failed, with a reason that looks like the answer to the question."""
    failure = Failure("bad", 'it said "refunded":true', refunded, "vendor_figure" if refunded is not None else None)
    return ordered(number, "failed", failure=failure, **fields)


def test_what_failed_and_was_not_refunded_is_found(play: Play) -> None:
    async def scenario(store: Store) -> None:
        jobs = [failed(1, refunded=False), failed(2, refunded=None), failed(3, refunded=True), failed(4, refunded=True)]
        await placed(store, *jobs)
        await book(store, *[booked(number, usd("2")) for number in (1, 2, 3, 4)])
        await book(store, booked(3, usd("-2"), "refund"), booked(4, usd("-0.5"), "refund"))
        assert await kinds(store) == [
            ("not_refunded", "job_0004", usd("1.5")),
            ("not_refunded", "job_0002", usd("2")),
            ("not_refunded", "job_0001", usd("2")),
        ]

    play(scenario)


def test_a_refund_of_what_nobody_knows_is_believed(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[failed(n, refunded=r, booked=None) for n, r in enumerate((True, False, None), 1)])
        await book(store, *[booked(number, None, "unknown") for number in (1, 2, 3)])
        assert await kinds(store) == [("not_refunded", "job_0003", None), ("not_refunded", "job_0002", None)]

    play(scenario)


# --- estimate against actual -------------------------------------------------------------------------------


def test_another_price_than_the_order_was_placed_at_is_found(play: Play) -> None:
    async def scenario(store: Store) -> None:
        quoted: dict[str, Any] = {"estimate": usd("1"), "cost": usd("1")}
        await placed(
            store,
            ordered(1, **quoted, quote=usd("0.9")),
            ordered(2, **quoted, quote=usd("1.000001")),
            ordered(3, **quoted, quote=usd("1")),
            ordered(4, **quoted, quote=usd("100", "credits")),
            ordered(5, cost=usd("1"), estimate=usd("3")),  # from before quotes were kept
            ordered(6, cost=None, quote=usd("3")),
            ordered(7, "running", **quoted, quote=usd("3")),
        )
        assert await kinds(store) == [
            ("off_estimate", "job_0005", usd("-2")),
            ("off_estimate", "job_0002", usd("-0.000001")),
            ("off_estimate", "job_0001", usd("0.1")),
        ]

    play(scenario)


# --- the same prompt paid twice ----------------------------------------------------------------------------


async def saved(store: Store, *jobs: Job) -> None:
    """Place jobs, book a dollar for each and save their files."""
    await placed(store, *jobs)
    await book(store, *[booked(int(job.id[-4:]), job.booked) for job in jobs])
    for job in jobs:
        await save(store, int(job.id[-4:]))


def test_a_prompt_that_was_paid_for_before_is_found_with_its_first_job(play: Play) -> None:
    async def scenario(store: Store) -> None:
        kite = {"prompt": 'A kite,"params":{"x": \\ "'}
        await saved(
            store,
            ordered(1, **kite, tags=("a",)),
            ordered(2, prompt="Another"),
            ordered(3, **kite, params={"seed": 7}),
            ordered(4, **kite),
            ordered(5, **kite, model="veo-3.1"),
            ordered(6, **kite, account="second"),
            ordered(7, **kite, booked=usd("1", "credits")),
            ordered(8, prompt='A kite,"params":{"x": \\ '),
        )
        assert [(each.kind, each.job.id, each.other_job_id) for each in await found(store)] == [
            ("paid_twice", "job_0004", "job_0001"),
            ("paid_twice", "job_0003", "job_0001"),
        ]
        # what is asked for changes nothing of which was the first
        assert [each.other_job_id for each in await found(store, job_id="job_0004")] == ["job_0001"]

    play(scenario)


@pytest.mark.parametrize("prompt", [None, ""])
def test_orders_without_a_prompt_are_not_the_same(play: Play, prompt: str | None) -> None:
    async def scenario(store: Store) -> None:
        await saved(store, ordered(1, prompt=prompt), ordered(2, prompt=prompt))
        assert await kinds(store) == []

    play(scenario)


def test_a_prompt_that_came_back_is_not_paid_twice(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await saved(store, ordered(1, prompt="A kite"), ordered(2, prompt="A kite"))
        await book(store, booked(1, usd("-1"), "refund"))
        assert await kinds(store) == []

    play(scenario)


@pytest.mark.parametrize("prompt", ["half \ud800 a pair", "nothing \0 there", "Eine Küste 🌊"])
def test_whatever_a_prompt_holds_it_is_compared(play: Play, prompt: str) -> None:
    async def scenario(store: Store) -> None:
        await saved(store, ordered(1, prompt=prompt), ordered(2, prompt=prompt), ordered(3, prompt=f"{prompt}!"))
        assert [each.other_job_id for each in await found(store)] == ["job_0001"]

    play(scenario)


# --- units ---------------------------------------------------------------------------------------------------


def test_what_was_taken_in_two_units_is_found_in_each(play: Play) -> None:
    async def scenario(store: Store) -> None:
        kite: dict[str, Any] = {"prompt": "A kite", "booked": usd("20", "credits")}
        await placed(store, ordered(1, **kite), ordered(2, **kite), failed(3, refunded=False))
        others = [replace(booked(n, usd("20", "credits")), id=f"ldg_c{n}", evidence_id="c") for n in (1, 2, 3)]
        await book(store, *[booked(n, usd("1")) for n in (1, 2, 3)], *others, booked(3, None, "unknown"))
        expected = [
            ("rec_0003", usd("20", "credits")),
            ("ref_0003", usd("1")),
            ("fic_0002", usd("20", "credits")),
            ("fil_0002", usd("1")),
            ("twc_0002", usd("20", "credits")),
            ("two_0002", usd("1")),
            ("fic_0001", usd("20", "credits")),
            ("fil_0001", usd("1")),
        ]
        assert [(each.id, each.amount) for each in await found(store)] == expected
        for size in (1, 2, 3):
            listed: list[str] = []
            while page := await found(store, size, listed[-1] if listed else None):
                listed += [each.id for each in page]
            assert listed == [id_ for id_, _ in expected]

    play(scenario)


async def a_mixed_book(store: Store) -> None:
    """Settled jobs with lines in dollars, in credits, in both and of unknown amount, some refunded in one unit only."""
    kite: dict[str, Any] = {"prompt": "A kite", "cost": usd("1"), "submitted_at": NOON, "settled_at": NOON}
    reason = {1: False, 2: None, 3: True, 4: False, 5: None, 6: True}
    await placed(
        store,
        *[failed(n, refunded=refunded, settled_at=NOON) for n, refunded in reason.items()],
        *[ordered(n, **kite) for n in (7, 8, 9)],
        ordered(10, **kite, model="veo-3.1"),
        ordered(11, **kite, account="second"),
        failed(12, refunded=False, **{**kite, "prompt": "A boat"}),
        ordered(13, **{**kite, "prompt": "A boat"}),
    )
    in_credits = [replace(booked(n, usd("40", "credits")), id=f"ldg_c{n}", evidence_id="c") for n in (1, 3, 7, 8, 13)]
    await book(
        store,
        *[booked(n, usd("0.136")) for n in (1, 3, 4, 7, 9, 10, 11, 12, 13)],
        *in_credits,
        *[booked(n, usd("-0.136"), "refund") for n in (3, 4)],
        *[booked(n, None, "unknown") for n in (1, 2, 5, 6)],
    )


def test_the_ledger_files_views_say_what_the_findings_say(play: Play, tmp_path: Path) -> None:
    async def scenario(store: Store) -> list[Finding]:
        await a_mixed_book(store)
        jobs, lines = await store.jobs(Query(limit=99)), await store.ledger(Query(limit=99))
        ledger_file.write(tmp_path / "ledger.db", [job.to_json() for job in jobs], map(line_json, lines))
        return await found(store)

    everything = play(scenario)
    kept = [(each.job.id, *_amount(each)) for each in everything if each.kind == "not_refunded"]
    again = [each for each in everything if each.kind == "paid_twice"]
    assert len(kept) == 6
    assert len(again) == 3
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as file:
        view = file.execute("SELECT job_id, kept_micros, unit FROM failed_not_refunded").fetchall()
        assert sorted(view, key=str) == sorted(kept, key=str)
        groups = file.execute("SELECT first_job_id, unit, times, last_job_id FROM paid_twice").fetchall()
    told: dict[tuple[str | None, str | None], list[str]] = {}
    for each in again:
        told.setdefault((each.other_job_id, _amount(each)[1]), []).append(each.job.id)
    assert sorted(groups) == sorted((*key, len(ids) + 1, max(ids)) for key, ids in told.items())


def _amount(found: Finding) -> tuple[int | None, str | None]:
    return (found.amount.micros, found.amount.unit) if found.amount else (None, None)


# --- lists and sums ----------------------------------------------------------------------------------------


async def a_few(store: Store) -> None:
    """Several of each kind; of job 4 two, of job 2 three."""
    await placed(
        store,
        ordered(1, prompt="A", quote=usd("2"), cost=usd("1")),
        ordered(2, prompt="A", quote=usd("2"), cost=usd("1")),
        failed(3, refunded=False, account="second", vendor="artnex", booked=usd("7", "credits")),
        ordered(4, quote=usd("2", "credits"), cost=usd("5", "credits"), vendor="veo3gen", booked=usd("5", "credits")),
        failed(5, refunded=None, booked=None),
    )
    await book(store, booked(1, usd("1")), booked(2, usd("1")), booked(3, usd("7", "credits")))
    await book(store, booked(4, usd("5", "credits")), booked(5, None, "unknown"))


ALL = ["ref_0005", "fic_0004", "ofc_0004", "rec_0003", "fil_0002", "off_0002", "two_0002", "fil_0001", "off_0001"]


def test_findings_are_listed_by_job_the_newest_first(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await a_few(store)
        assert [each.id for each in await found(store)] == ALL

    play(scenario)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_pages_hold_every_finding_once(play: Play, size: int) -> None:
    async def scenario(store: Store) -> None:
        await a_few(store)
        listed: list[str] = []
        while page := await found(store, size, listed[-1] if listed else None):
            listed += [each.id for each in page]
        assert listed == ALL

    play(scenario)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"kind": "no_file"}, ["fic_0004", "fil_0002", "fil_0001"]),
        ({"vendor": "veo3gen"}, ["fic_0004", "ofc_0004"]),
        ({"account": "second"}, ["rec_0003"]),
        ({"job_id": "job_0002"}, ["fil_0002", "off_0002", "two_0002"]),
        ({"job_id": "job_0002", "kind": "paid_twice"}, ["two_0002"]),
        ({"account": "nobody"}, []),
    ],
)
def test_findings_are_listed_by(play: Play, filters: dict[str, Any], wanted: list[str]) -> None:
    async def scenario(store: Store) -> None:
        await a_few(store)
        assert [each.id for each in await found(store, **filters)] == wanted
        sums = await store.finding_sums(Query(filters), SAVERS)
        assert sum(each.count for each in sums) == len(wanted)

    play(scenario)


def test_there_are_no_findings_by_anything_else(play: Play) -> None:
    async def scenario(store: Store) -> None:
        with pytest.raises(ValueError, match="findings cannot be listed by colour"):
            await found(store, colour="red")

    play(scenario)


def test_sums_keep_units_vendors_and_what_is_unknown_apart(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await a_few(store)
        assert await store.finding_sums(Query(), SAVERS) == [
            FindingSum("no_file", None, 2, usd("2")),
            FindingSum("no_file", "veo3gen", 1, usd("5", "credits")),
            FindingSum("off_estimate", None, 2, usd("-2")),
            FindingSum("off_estimate", "veo3gen", 1, usd("3", "credits")),
            FindingSum("not_refunded", "artnex", 1, usd("7", "credits")),
            FindingSum("not_refunded", None, 1, None),
            FindingSum("paid_twice", None, 1, usd("1")),
        ]

    play(scenario)


def test_only_the_newest_jobs_are_gone_through(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(store: Store) -> None:
        jobs = [replace(ordered(number), id=f"job_{number:04d}") for number in range(1, 6)]
        await placed(store, *jobs)
        await asyncio.gather(*[book(store, booked(number, usd("1"))) for number in range(1, 6)])
        monkeypatch.setattr(findings, "MOST", 2)
        assert [each.id for each in await found(store)] == ["fil_0005", "fil_0004"]
        assert [each.count for each in await store.finding_sums(Query(), SAVERS)] == [2]

    play(scenario)
