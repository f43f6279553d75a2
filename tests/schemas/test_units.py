"""Units: what people write becomes numbers, nothing else does, and numbers are said as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.units import DAY, parse_duration, parse_rate, parse_size, say_duration, say_rate, say_size, say_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("6h", 21_600), ("7d", 604_800), ("0s", 0), ("0.25s", 0.25), ("1.5h", 5400)],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("256KiB", 262_144), ("2GiB", 2_147_483_648), ("17B", 17), ("1.5MiB", 1_572_864), ("1TiB", 2**40)],
)
def test_a_size_is_read_as_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10/minute", (10, 60.0)), ("24/hour", (24, 3600.0)), ("1000/day", (1000, 86_400.0)), ("5/second", (5, 1.0))],
)
def test_a_rate_is_read_as_a_count_and_a_window(text: str, rate: tuple[int, float]) -> None:
    assert parse_rate(text) == rate


NO_DURATIONS = ["", "90", "s", "-5s", "5 s", "5S", "5sec", "1e3s", "٣s", "5s\n", "inf", ".5s", "5.s", "9" * 10 + "s"]


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='such as "90s", "10m"'):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "256", "256kb", "2GB", "2gib", "-1B", "1 MiB", "MiB", "9" * 10 + "B"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='such as "256KiB" or "2GiB"'):
        parse_size(text)


@pytest.mark.parametrize(
    "text", ["", "10", "0/minute", "10/min", "10/60s", "ten/minute", "-1/day", "1.5/day", "10 /day"]
)
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='such as "10/minute" or "1000/day"'):
        parse_rate(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90, "90s"), (600, "10m"), (5400, "90m"), (86_400, "1d"), (0, "0s"), (0.25, "0.25s"), (129_600.0, "36h")],
)
def test_seconds_are_said_in_the_largest_unit_that_divides_them(seconds: float, text: str) -> None:
    assert say_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1000, "1000B"), (2**18, "256KiB"), (2**31, "2GiB"), (2**41, "2TiB")]
)
def test_bytes_are_said_in_the_largest_unit_that_divides_them(size: int, text: str) -> None:
    assert say_size(size) == text


@pytest.mark.parametrize(
    ("count", "window", "text"),
    [(10, 60.0, "10/minute"), (5, 1.0, "5/second"), (3, 90.0, "3/90s"), (1, 86_400, "1/day")],
)
def test_a_rate_is_said_by_the_name_of_its_window(count: int, window: float, text: str) -> None:
    assert say_rate(count, window) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (60, "1 min"), (120, "2 min"), (7199, "119 min"), (19_563, "5 h"), (2 * DAY, "2 d")],
)
def test_a_length_of_time_is_said_in_words(seconds: float, text: str) -> None:
    assert say_span(seconds) == text


@given(st.integers(0, 10**9 - 1))
def test_what_is_said_is_read_again_as_the_same(value: int) -> None:
    assert parse_duration(say_duration(value)) == value
    assert parse_size(say_size(value)) == value
