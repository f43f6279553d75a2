"""Draft: a vendor's request body in the making, from the common fields of an order and its `params`.

Remembers where each value came from, so that a problem names the field that the caller wrote, and collects every
problem before it refuses. A vendor file states its fields as a table of rules.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from schemas.errors import InvalidOrder, Problem
from schemas.order import ImageRule, Order

#: The fields of an order that vendors have in common.
COMMON = ("prompt", "seconds", "aspect_ratio", "images", "model")
#: Names under which vendors take callbacks and keys; an order may set none of them anywhere.
OURS = frozenset("webhook webhook_url callback callback_url callbackurl api_key apikey x-api-key authorization".split())
#: Says what is wrong with a value, None where nothing is.
Rule = Callable[[Any], str | None]


def text(low: int = 0, high: int | None = None) -> Rule:
    """A string of so many characters."""

    def rule(value: Any) -> str | None:
        if not isinstance(value, str):
            return "must be a string"
        if len(value) < low or (low and not value.strip()):
            return f"must have at least {low} character{'s' if low > 1 else ''}"
        if high is not None and len(value) > high:
            return f"must have at most {high} characters; it has {len(value)}"
        return None

    return rule


def one_of(*values: Any) -> Rule:
    """One of a few values, of the same type."""

    def rule(value: Any) -> str | None:
        known = any(value == each and type(value) is type(each) for each in values)
        return None if known else f"must be one of {', '.join(str(v) for v in values)}"

    return rule


def matching(pattern: str, wanted: str) -> Rule:
    """A string of a certain form, named in words."""

    def rule(value: Any) -> str | None:
        fits = isinstance(value, str) and re.fullmatch(pattern, value)
        return None if fits else f"must be {wanted}"

    return rule


def integer(low: int, high: int) -> Rule:
    """A whole number within bounds, both included."""

    def rule(value: Any) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if fits else f"must be a whole number from {low} to {high}"

    return rule


def flag(value: Any) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "must be true or false"


def images(images: ImageRule, low: int, high: int) -> Rule:
    """A list of so many images; names each that will not do."""

    def rule(value: Any) -> str | None:
        if not isinstance(value, list) or not low <= len(value) <= high:
            return f"must be a list of {low} to {high} images" if low < high else f"must be a list of {_count(low)}"
        problems = ((n, images.problem(image)) for n, image in enumerate(value, 1))
        return "; ".join(f"image {n} {problem}" for n, problem in problems if problem) or None

    return rule


def _count(images: int) -> str:
    return f"{images} image{'s' if images > 1 else ''}"


class Draft:
    """One request body in the making. `body` holds the values under the vendor's own names."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.body: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self._origins: dict[str, str] = {}

    def put(self, name: str, value: Any, origin: str) -> None:
        """Set a vendor's field from a common field (`origin`); None sets nothing."""
        if value is not None:
            self.body[name] = value
            self._origins[name] = origin

    def common(self, **names: str | None) -> None:
        """Put the order's common fields under the vendor's names for them; None: its file sees to that one itself.

        A field that is not named, the vendor does not have: it is refused, never dropped in silence.
        """
        for field in COMMON:
            value = getattr(self.order, field)
            if value is None or value == []:
                continue
            if field not in names:
                self.problems.append(Problem(field, "cannot be chosen at this vendor; leave it out"))
            elif name := names[field]:
                self.put(name, value, field)

    def default(self, name: str, value: Any) -> None:
        """Set a field that the caller left open."""
        self.body.setdefault(name, value)

    def merge(
        self, params: Mapping[str, Any], fields: Collection[str], *, allow_unknown: bool, origin: str = "params"
    ) -> None:
        """Lay the vendor's own fields over the common ones; `origin` is where the caller wrote them."""
        for name, value in params.items():
            if name.lower() in OURS:
                self.problems.append(Problem(f"{origin}.{name}", "is set by clipbell itself; leave it out"))
            elif name not in fields and not allow_unknown:
                hint = "is not on the vendor's page; set allow_unknown_params = true for the account to send it anyway"
                self.problems.append(Problem(f"{origin}.{name}", hint))
            else:
                self.put(name, value, f"{origin}.{name}")

    def refuse(self, name: str, problem: str) -> None:
        """Note what is wrong with a vendor's field, under the name that the caller used for it."""
        self.problems.append(Problem(self._origins.get(name, name), problem))

    def check(self, fields: Mapping[str, Rule]) -> None:
        """Hold every value against its rule."""
        for name, value in self.body.items():
            rule = fields.get(name)
            problem = rule(value) if rule else None
            if problem:
                self.refuse(name, problem)

    def require(self, name: str, problem: str) -> None:
        """Note a field that has to be there and is not."""
        if name not in self.body:
            self.refuse(name, problem)

    def done(self) -> dict[str, Any]:
        """The body.

        Raises: InvalidOrder with every problem noted.
        """
        if self.problems:
            raise InvalidOrder(self.problems)
        return self.body
