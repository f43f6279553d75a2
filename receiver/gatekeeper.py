"""Gatekeeper: closes an account that told us to wait or refuses us, and opens it when a call gets through again.

What the vendor says of one call holds for all of the account: every job of it waits, none makes a call. An account
that is stopped is tried gently, one call at growing intervals (`limits.py`); a person is told once.
"""

from collections.abc import Sequence

from receiver.kit import Kit
from receiver.limits import SECOND
from receiver.settings import Account
from receiver.store.accounts import Gate
from schemas.answers import Busy, Missing, Refused
from schemas.report import Report
from schemas.vendor import Accepted

ANY, ORDER, QUEUE, LOOK = "", "order", "queue", "look"


def gate_of(outcome: object, account: str, *, to_order: bool, now: int) -> Gate | None:
    """The gate that an outcome closes; None: none."""
    if isinstance(outcome, Busy):
        kind = _kind_of(outcome, to_order=to_order)
        until = now + int(outcome.retry_after * SECOND)
        return Gate(account, kind, until, now, outcome.error.code or "HTTP 429", stopped=outcome.stops)
    if isinstance(outcome, Refused) and outcome.stops:
        # an empty purse is no hindrance to looks
        kind = ORDER if to_order and outcome.balance else ANY
        return Gate(account, kind, now, now, reason_of(outcome), stopped=True)
    return None


def reason_of(refused: Refused) -> str:
    """Why an account refuses us, in the vendor's code and its HTTP status."""
    code = refused.error.code
    return f"{code}, HTTP {refused.status}" if code else f"HTTP {refused.status}"


def _kind_of(busy: Busy, *, to_order: bool) -> str:
    if to_order and busy.orders_only:
        return ORDER
    if busy.told:
        return ANY
    # a guess of ours keeps back only what nobody waits for
    return QUEUE if to_order else LOOK


async def keep(kit: Kit, account: Account, outcome: object, gates: Sequence[Gate], *, to_order: bool) -> bool:
    """Close or open an account by the outcome of a call; whether it answers again after it was stopped.

    Raises: StoreUnavailable.
    """
    gate = gate_of(outcome, account.name, to_order=to_order, now=kit.now())
    if gate is not None:
        await kit.store.close_gate(gate)
        return False
    # what is known of the gates may be a moment old: that is good enough for a look, but an order may be the only one
    tried = isinstance(outcome, Report | Missing) and any(each.stopped for each in gates)
    if not tried and not isinstance(outcome, Accepted):
        return False
    opened, left = await kit.store.open_gates(account.name, (ANY, ORDER) if to_order else (ANY,))
    if left or not opened:
        return False
    # they were planned for when the next try was due, which may be in an hour
    await kit.store.hasten_jobs(account.name, kit.now(), expecting=False)
    return True
