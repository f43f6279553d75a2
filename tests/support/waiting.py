"""Waits in a test for something that happens in another thread or process."""

import time
from collections.abc import Callable


def eventually(
    is_so: Callable[[], bool], what: str = "what was waited for", seconds: float = 5.0, every: float = 0.005
) -> None:
    """Return as soon as the statement holds; fail if it does not in time. `every`: seconds between two looks."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {seconds:g} s")
        time.sleep(every)
