"""Open jobs cost no coroutines: time and memory stay flat from a thousand to a hundred thousand."""

import pytest

from receiver.keeper import BATCH
from tests.benchmarks.open_jobs import FEW, MANY, main


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_hundred_thousand_open_jobs_cost_no_more_than_a_thousand() -> None:
    few, many = main(FEW, MANY)
    # 32 rows out of so many stand on 32 pages of the file instead of a few; their number alone costs nothing
    assert many.claim_p50 < 10 * few.claim_p50
    assert many.claim_p50 < 30
    # SQLite's page cache may fill up to 32 MiB for the writer; jobs themselves are not held
    assert many.rss < few.rss + 48
    assert max(few.tasks, many.tasks) <= BATCH + 10
