"""What a page of findings costs: what lies between its first and its last, however much there is before and behind."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event

from receiver.store import findings
from receiver.store.auditing import Finding
from receiver.store.opening import open_store
from receiver.store.protocol import Change, Query
from schemas.job import JobState
from tests.support.stored import a_job, changing, line, placed, usd

PAGE = 50
#: SQLite calls back each time it has done so many steps.
STEPS = 100
LARGE = 3200


@dataclass
class Cost:
    """What was asked of the database, and how much work that was."""

    statements: int = 0
    steps: int = 0


async def _fill(url: str, jobs: int, every: int) -> None:
    """So many paid jobs, of which one in `every` adds up to two findings: no file, and the prompt of the first."""
    async with open_store(url, migrate=True) as store:
        whole = range(1, jobs + 1)
        state = {True: JobState.COMPLETED, False: JobState.RUNNING}
        prompts = {True: "A kite", False: None}
        made = [
            a_job(n, id=f"job_{n:06d}", state=state[n % every == 0], prompt=prompts[n % every == 0], cost=usd("1"))
            for n in whole
        ]
        await placed(store, *made)
        lines = tuple(line(n, usd("1"), job_id=job.id) for n, job in enumerate(made))
        await store.apply("job_none", changing(Change(lines=lines)))


@contextmanager
def counted(url: str, cost: Cost) -> Iterator[Connection]:
    """A connection that adds up what it does."""

    def statement(*_: Any) -> None:
        cost.statements += 1

    def step() -> int:
        cost.steps += 1
        return 0

    engine = create_engine(url)
    event.listen(engine, "before_cursor_execute", statement)
    try:
        with engine.connect() as connection:
            connection.connection.driver_connection.set_progress_handler(step, STEPS)  # type: ignore[union-attr]
            yield connection
    finally:
        engine.dispose()


Pages = tuple[list[list[Finding]], list[Cost]]


def pages_of(url: str) -> Pages:
    """All pages, and the cost of each."""
    pages: list[list[Finding]] = []
    costs: list[Cost] = []
    cost = Cost()
    with counted(url, cost) as connection:
        while not pages or len(pages[-1]) == PAGE:
            cost.statements = cost.steps = 0
            before = pages[-1][-1].id if pages else None
            pages.append(findings.read_findings(connection, Query({}, PAGE, before), ("files",)))
            costs.append(Cost(cost.statements, cost.steps))
    return pages, costs


def book(folder: Path, jobs: int, every: int = 2) -> str:
    """A database with a book of so many jobs."""
    url = f"sqlite:///{folder / f'{jobs}.db'}"
    asyncio.run(_fill(url, jobs, every))
    return url


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a large book, which takes its time to write; it is only read."""
    return book(tmp_path_factory.mktemp("books"), LARGE)


@pytest.fixture(scope="module")
def all_of_it(large: str) -> Pages:
    """All pages of the large book."""
    return pages_of(large)


def test_a_page_costs_as_much_in_a_large_book_as_in_a_small_one(tmp_path: Path, all_of_it: Pages) -> None:
    small, large = pages_of(book(tmp_path, 400)), all_of_it
    for (pages, costs), number in ((small, 400 - 1), (large, LARGE - 1)):
        ids = [each.id for page in pages for each in page]
        assert len(ids) == len(set(ids)) == number
        assert max(cost.statements for cost in costs) <= 3
    dearest = max(cost.steps for cost in small[1])
    assert max(cost.steps for cost in large[1]) < 1.5 * dearest
    # and all pages together are one way through the book
    assert sum(cost.steps for cost in large[1]) < 12 * sum(cost.steps for cost in small[1])


def test_where_little_is_found_the_stretches_grow(tmp_path: Path) -> None:
    pages, costs = pages_of(book(tmp_path, LARGE, every=320))
    assert [len(page) for page in pages] == [19]
    # of 200, 400, 800, 1600 and the rest: one to see how far it reaches and one to search it, and the floor
    assert costs[0].statements == 1 + 5 * 2


def test_that_a_search_goes_through_everything_would_be_noticed(
    large: str, all_of_it: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, costs = all_of_it
    monkeypatch.setattr(findings, "STRETCH", 100_000)
    _, whole = pages_of(large)
    assert whole[0].steps > 5 * costs[0].steps
