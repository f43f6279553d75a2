"""Vitals: signs of life that the working thread leaves for health to read. A silent death must not look healthy."""

from collections.abc import Callable
from dataclasses import dataclass, field

#: Seconds without a sign after which a loop counts as dead.
SILENCE = 15.0


@dataclass
class Vitals:
    """When the working loop was last seen, on a monotonic clock. Written by one thread, read by another."""

    monotonic: Callable[[], float]
    #: Whether this process is to work at all (`serve --no-work` is not).
    works: bool = True
    last_beat: float = field(default=0.0)
    #: Parts of the work that ended though nobody asked them to.
    dead: tuple[str, ...] = ()

    def beat(self, dead: tuple[str, ...] = ()) -> None:
        """Leave a sign of life."""
        self.last_beat = self.monotonic()
        self.dead = dead

    def problems(self) -> list[str]:
        """What is wrong, in sentences; empty where all is well."""
        if not self.works:
            return []
        found = [f"the work of {name} has ended; restart clipbell" for name in self.dead]
        if self.monotonic() - self.last_beat > SILENCE:
            found.append(f"the working loop has given no sign for {SILENCE:g} s; restart clipbell")
        return found
