"""Faults on demand: what shall go wrong, at which vendor, how often. Decides only; others do the harm.

A kind is `stage.what`. Stages: `submit`, `look` (a status read), `job`, `callback`, `download`. Besides the kinds in
the table, `submit.NNN`, `look.NNN` and `download.NNN` answer with that HTTP status in the vendor's own shape.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

ERROR: Mapping[str, Any] = {"code": None, "message": None, "retry_after": None, "as_date": False}
SPOILED: Mapping[str, Mapping[str, Any]] = {
    "no_answer": {"seconds": 0.0},
    "slow_answer": {"seconds": 5.0},
    "garbage_answer": {"body": "<html><body>It works!</body></html>", "content_type": "text/html"},
    "no_id": {},
    "cut_answer": {"fraction": 0.5},
    "drip": {"bytes": 1, "seconds": 0.05},
}
#: kind -> its parameters with their defaults
KINDS: Mapping[str, Mapping[str, Any]] = {
    "submit.500_after": {"status": 500, "code": None, "message": None},
    **{f"submit.{name}": defaults for name, defaults in SPOILED.items()},
    **{f"look.{name}": defaults for name, defaults in SPOILED.items()},
    "job.fails": {"code": None, "message": None},
    "job.slow": {"factor": 10.0},
    "job.stuck": {},
    "job.lag": {"seconds": 5.0},
    "callback.late": {"seconds": 30.0},
    "callback.lost": {},
    "callback.duplicate": {"copies": 2},
    "callback.early": {},
    "callback.garbage": {"style": "not_json", "body": None, "then_true": False},
    "download.cut": {"fraction": 0.5},
    "download.html": {"body": "<html><body>Please log in.</body></html>"},
    "download.drip": {"bytes": 512, "seconds": 0.05},
    "download.endless": {"bytes": 65536, "seconds": 0.0},
    "download.truncated_container": {"fraction": 0.5},
    "download.changed": {},
    "download.redirect": {"to": "http://169.254.169.254/"},
    "download.no_answer": {"seconds": 0.0},
    "download.slow_answer": {"seconds": 5.0},
}
BY_STATUS = re.compile(r"(submit|look|download)\.([45]\d\d)")
COMMON = ("vendor", "kind", "times", "probability", "seed", "prompt")


class BadFault(ValueError):
    """The fault asked for cannot be; the text says why."""


@dataclass
class Fault:
    """One thing that shall go wrong."""

    id: str
    vendor: str
    kind: str
    times: int | None
    """How often still; None until removed."""
    probability: float
    prompt: str | None
    """Only for jobs whose prompt has this in it."""
    parameters: dict[str, Any]
    chance: Random = field(repr=False)
    used: int = 0

    @property
    def stage(self) -> str:
        """What it strikes."""
        return self.kind.partition(".")[0]

    @property
    def what(self) -> str:
        """What it does there."""
        return self.kind.partition(".")[2]

    @property
    def status(self) -> int | None:
        """The HTTP status of a kind such as `submit.429`."""
        found = BY_STATUS.fullmatch(self.kind)
        return int(found[2]) if found else None

    def number(self, name: str) -> float:
        """Give a parameter that is a number."""
        return float(self.parameters[name])

    def shown(self) -> dict[str, Any]:
        """Describe it for `GET /control/faults`."""
        shown = {"id": self.id, "vendor": self.vendor, "kind": self.kind, "times": self.times, "used": self.used}
        return shown | {"probability": self.probability, "prompt": self.prompt} | self.parameters


class Faults:
    """The faults in force, in the order in which they were asked for."""

    def __init__(self, vendors: tuple[str, ...]) -> None:
        self.vendors = vendors
        self.active: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, wanted: Mapping[str, Any]) -> Fault:
        """Put a fault into force. Raises BadFault."""
        kind = str(wanted.get("kind"))
        given = {name: value for name, value in wanted.items() if name not in COMMON}
        vendor = wanted.get("vendor", "*")
        if vendor not in ("*", *self.vendors):
            raise BadFault(f"there is no vendor {vendor!r}; use '*' or one of {', '.join(self.vendors)}")
        fault = Fault(
            id=f"fault_{next(self._ids)}",
            vendor=vendor,
            kind=kind,
            times=_times(wanted.get("times", 1)),
            probability=_probability(wanted.get("probability", 1.0)),
            prompt=wanted.get("prompt"),
            parameters={**_parameters(kind, given), **given},
            chance=Random(wanted.get("seed", 1)),  # noqa: S311 - repeatable on purpose, guards nothing
        )
        self.active.append(fault)
        return fault

    def remove(self, fault_id: str | None = None) -> int:
        """Take one fault, or all, out of force; say how many."""
        kept = [] if fault_id is None else [fault for fault in self.active if fault.id != fault_id]
        removed = len(self.active) - len(kept)
        self.active = kept
        return removed

    def take(self, stage: str, vendor: str, prompt: str, *, only: str | None = None) -> Fault | None:
        """Give the first fault that strikes here, and count it as used."""
        for fault in self.active:
            if fault.stage == stage and (only is None or fault.what == only) and self._strikes(fault, vendor, prompt):
                return fault
        return None

    def take_all(self, stage: str, vendor: str, prompt: str, *, but: tuple[str, ...] = ()) -> dict[str, Fault]:
        """Give every fault that strikes here, one of a kind."""
        found: dict[str, Fault] = {}
        for fault in self.active:
            wanted = fault.stage == stage and fault.what not in found and fault.what not in but
            if wanted and self._strikes(fault, vendor, prompt):
                found[fault.what] = fault
        return found

    def _strikes(self, fault: Fault, vendor: str, prompt: str) -> bool:
        if fault.vendor not in ("*", vendor) or fault.times == 0:
            return False
        if fault.prompt is not None and fault.prompt not in prompt:
            return False
        if fault.chance.random() >= fault.probability:
            return False
        fault.used += 1
        if fault.times is not None:
            fault.times -= 1
        return True


def _parameters(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    defaults = ERROR if BY_STATUS.fullmatch(kind) else KINDS.get(kind)
    if defaults is None:
        raise BadFault(
            f"there is no kind {kind!r}; use submit.NNN, look.NNN, download.NNN or one of {', '.join(KINDS)}"
        )
    unknown = [name for name in given if name not in defaults]
    if unknown:
        known = ", ".join(defaults) or "none"
        raise BadFault(f"{kind} has no parameter {', '.join(unknown)}; it has: {known}")
    for name, default in defaults.items():
        if isinstance(default, (int, float)) and not isinstance(given.get(name, default), (int, float)):
            raise BadFault(f"{name} of {kind} must be a number")
    return dict(defaults)


def _times(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise BadFault("times must be a whole number from 1, or null for always")


def _probability(value: Any) -> float:
    if isinstance(value, (int, float)) and 0 <= value <= 1:
        return float(value)
    raise BadFault("probability must be a number from 0 to 1")
