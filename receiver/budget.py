"""Budget: may this order be placed? Pure decisions over what is spent and reserved in the UTC day and month.

Credits count by the account's `usd_per_credit`. Without one, what an order costs in dollars is unknown, and
`unknown_price` says what then; what was spent in such credits cannot be counted and is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from receiver.settings import Budget, Settings
from receiver.store.protocol import Totals
from schemas.errors import BudgetReached
from schemas.event import MICROS, Money, at
from schemas.job import Job

#: Percents of a budget that are told of, once for each period.
MARKS = (50, 80, 100)
#: From this share on, an order that does not fit any more means that the budget is used up.
NEARLY_USED = 80


@dataclass(frozen=True, slots=True)
class Bound:
    """One budget in its present period: its key in the configuration, what it allows, and until when."""

    key: str
    limit: Decimal
    #: `2026-11-20` or `2026-11`.
    period: str
    ends: datetime
    #: Spent and reserved in the period, in USD.
    used: Decimal

    def subject(self, percent: int) -> str:
        """The subject of the alert about a share of it: `usd_per_day:2026-11-20:80`."""
        return f"{self.key}:{self.period}:{percent}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A share of a budget that is reached: the subject of its alert and the words for it."""

    subject: str
    what: str
    step: str


@dataclass(frozen=True, slots=True)
class Purse:
    """The budgets, and what a credit of each account is worth in USD (None: nobody said)."""

    budget: Budget
    worth: Mapping[str, Decimal | None]

    def price(self, job: Job) -> Decimal | None:
        """What an order is expected to cost in USD; None: unknown."""
        return None if job.estimate is None else self._usd(job.account, job.estimate)

    def check(self, job: Job) -> None:
        """Refuse what could not be placed even with nothing spent.

        Raises: BudgetReached.
        """
        price = self.price(job)
        if price is None:
            if self.budget.unknown_price == "refuse":
                raise BudgetReached(_unknown(job), for_ever=True)
            return
        for key, limit in self._limits():
            if price > limit:
                text = (
                    f"This order would cost {usd(price)}, more than the whole budget {key} of {usd(limit)}; "
                    f"raise [budget] {key} to place it."
                )
                raise BudgetReached(text, for_ever=True)

    def admit(self, job: Job, totals: Totals, now: int) -> None:
        """Refuse an order that would pass a budget.

        Raises: BudgetReached, which names the budget, what is used, what the order would cost, and when it frees.
        """
        self.check(job)
        price = self.price(job)
        # of two that refuse, the one that frees last says more
        for bound in reversed(self.bounds(totals, now)):
            if _passes(bound, price):
                raise BudgetReached(_refusal(bound, price))

    def bounds(self, totals: Totals, now: int) -> list[Bound]:
        """The budgets that are set, as they stand: the day's, then the month's."""
        day = at(now).replace(hour=0, minute=0, second=0, microsecond=0)
        following = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        periods = {
            "usd_per_day": (f"{day:%Y-%m-%d}", day + timedelta(days=1), totals.day),
            "usd_per_month": (f"{day:%Y-%m}", following, totals.month),
        }
        found = []
        for key, limit in self._limits():
            period, ends, amounts = periods[key]
            found.append(Bound(key, limit, period, ends, self._sum(amounts)))
        return found

    def marks(self, totals: Totals, now: int, *, placed: Job | None = None, refused: Job | None = None) -> list[Mark]:
        """The shares that are reached: with an order that was placed on top of the totals, or refused by them."""
        more = (self.price(placed) if placed else None) or Decimal(0)
        return [
            _mark(bound, percent, used)
            for bound in self.bounds(totals, now)
            for used in (bound.used + more,)
            for percent in MARKS
            if used * 100 >= bound.limit * percent
            or (percent == 100 and refused is not None and self._is_wall(bound, refused))
        ]

    def is_over(self, subject: str, now: int) -> bool:
        """Whether an alert's subject is of a period that has ended, or of a budget that is gone."""
        current = {f"{bound.key}:{bound.period}" for bound in self.bounds(Totals({}, {}), now)}
        return subject.rpartition(":")[0] not in current

    def _is_wall(self, bound: Bound, refused: Job) -> bool:
        return bound.used * 100 >= bound.limit * NEARLY_USED and _passes(bound, self.price(refused))

    def _limits(self) -> Iterator[tuple[str, Decimal]]:
        for key in ("usd_per_day", "usd_per_month"):
            limit: Decimal | None = getattr(self.budget, key)
            if limit is not None:
                yield key, limit

    def _sum(self, amounts: Mapping[tuple[str, str], int]) -> Decimal:
        parts = (
            self._usd(account, Money.of_micros(amount, "USD" if unit == "USD" else "credits"))
            for (account, unit), amount in amounts.items()
        )
        return sum((part for part in parts if part is not None), Decimal(0))

    def _usd(self, account: str, amount: Money) -> Decimal | None:
        if amount.unit == "USD":
            return amount.amount
        worth = self.worth.get(account)
        return None if worth is None else amount.amount * worth


def purse_of(settings: Settings) -> Purse | None:
    """The purse of a configuration; None: it sets no budget."""
    if settings.budget is None:
        return None
    return Purse(settings.budget, {name: account.usd_per_credit for name, account in settings.accounts.items()})


def usd(amount: Decimal) -> str:
    """Dollars for a sentence, exact to a millionth: `$0.136`, `$25.00`."""
    whole, _, cents = f"{amount.quantize(Decimal(1) / MICROS):f}".partition(".")
    return f"${whole}.{cents.rstrip('0'):0<2}"


def _passes(bound: Bound, price: Decimal | None) -> bool:
    # an order of unknown price passes what is used up already
    return bound.used >= bound.limit if price is None else bound.used + price > bound.limit


def _refusal(bound: Bound, price: Decimal | None) -> str:
    cost = "is of unknown price" if price is None else f"would cost {usd(price)}"
    return (
        f"The budget {bound.key} is reached: {usd(bound.used)} of {usd(bound.limit)} is spent and reserved and this "
        f"order {cost}; it frees at {bound.ends:%Y-%m-%d %H:%M} UTC, or as orders fail and are refunded."
    )


def _unknown(job: Job) -> str:
    if job.estimate is None:
        why = f"the price of {job.model or 'this order'} at {job.account} is not known"
        mend = f"give it in [vendors.{job.account}.prices]"
    else:
        why = f"this order costs {job.estimate.to_json()['amount']} credits of unknown worth at {job.account}"
        mend = f"set usd_per_credit in [vendors.{job.account}]"
    return f'A budget is set, and {why}; {mend}, or set unknown_price = "allow" in [budget].'


def _mark(bound: Bound, percent: int, used: Decimal) -> Mark:
    state = "is used up" if percent == 100 else f"is used to {percent} %"
    what = f"The budget {bound.key} {state}: {usd(used)} of {usd(bound.limit)} is spent and reserved"
    step = f"Orders beyond it wait or are refused until {bound.ends:%Y-%m-%d %H:%M} UTC; raise [budget] {bound.key}"
    return Mark(bound.subject(percent), what, step)
