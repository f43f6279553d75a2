"""Limits: which call goes first when a vendor takes only so many, and how the rest is spread. Pure.

What was called, who waits and which account is closed stands in the store, so that all processes share it. A renewal
near its end goes before an order, an order before a confirmation, a confirmation before a look: the less urgent leave
a part of every window free, and one call for each more urgent kind that waits. An operator's figure is never clamped.
"""

import math
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from schemas.errors import VendorBusy
from schemas.units import say_span

if TYPE_CHECKING:  # the store goes by these rules, so it has to be able to load them first
    from receiver.store.accounts import Gate, Rate

SECOND = 1_000_000
#: The most urgent first.
KINDS = ("renewal", "order", "confirm", "look")
#: The part of a window that calls of a kind leave to more urgent ones, where it is not too small to be divided.
LEFT, DIVISIBLE = {"confirm": 0.1, "look": 0.3}, 10
#: The part that orders from the queue leave to the looks that polled jobs need.
LEFT_FOR_LOOKS = 0.2
#: How long somebody who was refused is held to be waiting, beyond the time that he was told.
PATIENCE = 15 * SECOND
#: A stopped account is tried again after this, doubling up to the longest.
FIRST_PROBE, LONGEST_PROBE = 60 * SECOND, 3600 * SECOND
#: Orders that people place at a stopped account within a minute, before they are refused without a call.
TRIES_BY_HAND, BY_HAND_WITHIN = 2, 60 * SECOND


def room(count: int, kind: str, waiting: Set[str] = frozenset(), keep: int = 0) -> int:
    """How many calls a window of `count` may hold for a call of this kind still to be let in.

    `waiting`: kinds that were refused a moment ago; `keep`: calls that this caller leaves free anyhow.
    """
    rank = KINDS.index(kind) if kind in KINDS else len(KINDS)
    ahead = sum(1 for other in KINDS[:rank] if other in waiting)
    left = int(count * LEFT.get(kind, 0)) if count >= DIVISIBLE else 0
    return max(count - max(left, ahead, keep), 0)


def kept_for_looks(rates: "Sequence[Rate]", polled: int) -> int:
    """How many calls of the tightest window an order from the queue leaves to open jobs that only looks can settle."""
    counts = [rate.count for rate in rates if rate.kind is None]
    return min(int(min(counts) * LEFT_FOR_LOOKS), polled) if counts else 0


def opens_at(gate: "Gate | None", now: int, tries: int | None) -> int:
    """When a gate lets a call in; 0: now.

    `tries`: of an order by hand, how many calls there were within a minute since the gate was closed. A person who
    has topped up the account should not have to wait, so a few of them go through.
    """
    if gate is None or now >= gate.until:
        return 0
    if not gate.stopped or tries is None:
        return gate.until
    return 0 if tries < TRIES_BY_HAND else min(gate.until, now + BY_HAND_WITHIN)


def probe_after(probes: int) -> int:
    """How long a stopped account is left alone after so many calls that were let through."""
    return min(FIRST_PROBE << min(probes, 10), LONGEST_PROBE)


def interval(rates: "Sequence[Rate]", kind: str) -> float:
    """Seconds between two calls of a kind at the pace that every window sustains."""
    sustained = (
        rate.window / SECOND / max(room(rate.count, kind if rate.kind is None else "order"), 1)
        for rate in rates
        if rate.kind in (None, kind)
    )
    return max(sustained, default=0.0)


def spread(wait: float, rate: "Rate", used: int, open_jobs: int) -> float:
    """Seconds to a job's next look, so that a window's looks last for all open jobs.

    While there are many left for each job nothing changes; the fewer, the faster the waits grow, so that the last ones
    reach the window's end. Where there is not even one for each, all jobs share the window evenly.
    """
    window, looks = rate.window / SECOND, room(rate.count, "look")
    even = window * max(open_jobs, 1) / max(looks, 1)
    left = max(looks - used, 0) / max(open_jobs, 1)
    if even <= wait:
        return wait
    if wait >= window or left < 1:
        return even
    return wait * math.pow(window / wait, min(2 / left, 1))


def busy(account: str, again: int, now: int, gates: "Sequence[Gate]") -> VendorBusy:
    """What a caller is told who has to wait: because the account refuses us, was told to wait, or is at its limit."""
    wait = max((again - now) / SECOND, 0.1)
    closed = next((gate for gate in gates if gate.account == account and gate.until > now), None)
    if closed is None:
        why = "is at its limit of calls"
    elif closed.stopped:
        why = f"refuses our calls ({closed.reason}), so none is made for now"
    else:
        why = f"asked us to wait ({closed.reason})"
    return VendorBusy(f"{account} {why}; try again in {say_span(math.ceil(wait))}.", retry_after=max(wait, 1))
