"""The clock: UTC, and ids that sort by creation whatever happens."""

import re
import threading
from datetime import UTC, datetime, timedelta

import time_machine
from ulid import ULID

from receiver.clock import Ids, micros, monotonic, new_id, now


def test_now_is_in_utc() -> None:
    assert now().utcoffset() == timedelta(0)


def test_micros_and_now_tell_the_same_time() -> None:
    with time_machine.travel(datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC), tick=False):
        assert micros() == int(now().timestamp()) * 1_000_000


def test_monotonic_only_goes_forward() -> None:
    assert monotonic() <= monotonic()


def test_an_id_is_its_prefix_and_a_ulid_in_lower_case_that_tells_when_it_was_made() -> None:
    before = now()
    made = Ids().new("job_")
    assert re.fullmatch(r"job_[0-9a-hjkmnp-tv-z]{26}", made)
    assert abs(ULID.from_str(made[4:].upper()).datetime - before) < timedelta(seconds=5)


def test_ids_of_one_millisecond_sort_by_creation() -> None:
    ids = Ids()
    with time_machine.travel(datetime(2031, 1, 1, tzinfo=UTC), tick=False):
        made = [ids.new("evt_") for _ in range(5000)]
    assert made == sorted(set(made))


def test_ids_sort_by_creation_though_the_clock_goes_back() -> None:
    ids = Ids()
    with time_machine.travel(datetime(2032, 1, 1, tzinfo=UTC), tick=False):
        first = ids.new("evt_")
    with time_machine.travel(datetime(2031, 12, 31, tzinfo=UTC), tick=False):
        second = ids.new("evt_")
    assert first < second


def test_ids_of_many_threads_are_distinct_and_sort_within_each() -> None:
    made: list[list[str]] = [[] for _ in range(8)]

    def work(mine: list[str]) -> None:
        mine.extend(new_id("dlv_") for _ in range(500))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({each for mine in made for each in mine}) == 8 * 500
