"""A sliding window: so many starts within any span, and when the next may be."""

from receiver.store.protocol import Rate
from receiver.window import Window

SECOND = 1_000_000


def test_a_window_lets_so_many_start_within_any_span() -> None:
    window = Window(Rate(2, 10 * SECOND))
    assert (window.room(100), window.wait(100)) == (2, 0)
    window.note(100)
    window.note(104)
    assert (window.room(105), window.wait(105)) == (0, 5)
    assert (window.room(110), window.wait(110)) == (1, 0)
    window.note(110)
    assert (window.room(113), window.wait(113)) == (0, 1)


def test_never_more_than_the_rate_within_any_span_however_eager() -> None:
    window, starts = Window(Rate(3, 7 * SECOND)), list[int]()
    for now in range(100):
        while window.room(now):
            window.note(now)
            starts.append(now)
    assert len(starts) == 3 * 15
    assert all(later - earlier >= 7 for earlier, later in zip(starts, starts[3:], strict=False))


def test_without_a_rate_there_is_no_bound() -> None:
    window = Window(None)
    window.note(1)
    assert (window.room(1), window.wait(1)) == (None, 0)
