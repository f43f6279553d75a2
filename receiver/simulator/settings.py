"""What the simulator can be told when it is built. Reads no file and no environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class SimulatorSettings:
    """How the simulated vendors behave; the defaults are what their pages say."""

    speed: float = 1.0
    """What the vendors' own waits (jobs, second and third callbacks) are divided by. Clocks and URL lives are not."""
    duration: float | None = None
    """Seconds that every job takes, instead of the vendor's own time divided by `speed`."""
    url_life: float | None = None
    """Seconds that a signed URL lives, instead of the vendor's own (permanent ones stay permanent)."""
    url_dies_within: float | None = None
    """Seconds within which each signed URL dies at a random moment, whatever is said of its life."""
    callback_timeout: float = 10.0
    """Seconds that a receiver of a callback has for its answer."""
    enforce_limits: bool = False
    """Whether the vendors' rate limits are held; off, their headers are sent all the same."""
    bad_keys: frozenset[str] = frozenset()
    """Keys that are refused although they have the right form."""
    poor_keys: frozenset[str] = frozenset()
    """Keys whose account starts with nothing."""
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    """What each account starts with, by vendor, in the vendor's unit."""
    ulazai_upper_case: bool = False
    """Whether ulazai's status answers use the words of its status page (`COMPLETED`), not of its video page."""
    seed: int = 1
    """Makes durations and ids come out the same again."""
