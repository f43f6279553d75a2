"""When deliveries leave the processor to callbacks, told by clocks that a test turns."""

from receiver.share import MANY, OWED, PART, SAVED, SOON, Share


class Clocks:
    """Seconds that passed, and seconds of a processor that were used."""

    def __init__(self) -> None:
        self.now = 100.0
        self.used = 5.0
        self.share = Share(lambda: self.now, lambda: self.used)

    def callbacks(self, count: int = MANY) -> None:
        for _ in range(count):
            self.share.note_callback()

    def spend(self, seconds: float, used: float) -> None:
        self.now += seconds
        self.used += used


def test_a_busy_process_has_no_share_left_while_many_callbacks_come() -> None:
    clocks = Clocks()
    clocks.spend(1, 1)
    clocks.callbacks()
    assert clocks.share.is_used_up


def test_however_busy_it_is_few_callbacks_hold_nothing_up() -> None:
    clocks = Clocks()
    clocks.spend(1, 1)
    clocks.callbacks(MANY - 1)
    assert not clocks.share.is_used_up


def test_callbacks_that_have_passed_hold_nothing_up() -> None:
    clocks = Clocks()
    clocks.callbacks()
    clocks.spend(SOON, SOON)
    assert not clocks.share.is_used_up


def test_a_process_that_uses_less_than_its_share_goes_on() -> None:
    clocks = Clocks()
    for _ in range(100):
        clocks.spend(0.01, 0.01 * PART)
        clocks.callbacks()
        assert not clocks.share.is_used_up


def test_what_was_saved_up_may_be_used_at_once_and_no_more() -> None:
    clocks = Clocks()
    clocks.spend(1000, 0)
    assert not clocks.share.is_used_up
    clocks.callbacks()
    clocks.spend(0, SAVED)
    assert not clocks.share.is_used_up
    clocks.spend(0, 0.001)
    assert clocks.share.is_used_up


def test_what_is_owed_is_soon_forgiven() -> None:
    clocks = Clocks()
    clocks.spend(0, 1000)
    clocks.callbacks()
    assert clocks.share.is_used_up
    clocks.spend(OWED / PART, 0)
    clocks.callbacks()
    assert not clocks.share.is_used_up
