"""The checks of one vendor or handler type, each ready to run by itself, and what came of them."""

import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import getdoc
from pathlib import Path
from typing import Any, Literal

from handlers.protocol import HandlerType
from receiver.suite.fence import started
from receiver.suite.promises import Broken, said_of
from receiver.suite.stage import Case, Trial, staged
from schemas.vendor import Vendor

#: Frames of these folders are not where a plug-in's author looks.
_OURS = Path(__file__).parent


@dataclass(frozen=True)
class Check:
    """One promise; called, it raises `Broken` where the promise is not kept. As text it is the promise."""

    promise: str
    why: str
    run: Callable[[], None]
    #: Whether it is about HTTP calls, and so left out for a handler that makes none.
    over_http: bool = False

    def __call__(self) -> None:
        """Look. Raises: Broken, or whatever the plug-in raised."""
        self.run()

    def __str__(self) -> str:
        return self.promise


@dataclass(frozen=True)
class Result:
    """What came of a check; `said`: what is wrong, "" where the promise holds."""

    check: Check
    outcome: Literal["holds", "broken"]
    said: str = ""
    #: Programs that were started meanwhile: whom those call nobody has seen.
    programs: tuple[str, ...] = ()


def checks_of(thing: HandlerType | Vendor, case: Case | None = None) -> Sequence[Check]:
    """Every check of a handler type (on a fresh stage each) or of a vendor.

    Raises: ModuleNotFoundError for a vendor where hypothesis is not installed.
    """
    if isinstance(thing, Vendor):
        from receiver.suite import vendors

        return [_named(check, partial(check, thing)) for check in vendors.checks()]
    from receiver.suite import handlers

    case = case or Case()
    found = [_named(check, partial(_on_stage, check, thing, case)) for check in handlers.ALWAYS]
    if _is_http(thing, case):
        over_http = [_named(check, partial(_on_stage, check, thing, case)) for check in handlers.OVER_HTTP]
        found += [replace(check, over_http=True) for check in over_http]
    return found


def result_of(check: Check) -> Result:
    """Run a check and put what went wrong into a sentence."""
    started()  # what others started before
    found = _result_of(check)
    return replace(found, programs=started())


def _result_of(check: Check) -> Result:
    try:
        check()
    except Broken as error:
        return Result(check, "broken", str(error))
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything; its author is told where
        return Result(check, "broken", f"it raised {said_of(error)}{_place(error)}")
    return Result(check, "holds")


def _on_stage(check: Callable[[Trial], None], kind: HandlerType, case: Case) -> None:
    with staged(case) as stage:
        check(Trial(kind, case, stage))


def _is_http(kind: HandlerType, case: Case) -> bool:
    with staged(case) as stage:
        try:
            return Trial(kind, case, stage).is_http()
        except Exception:  # noqa: BLE001 - one that cannot even be tried is told of by the checks themselves
            return False


def _named(check: Callable[..., None], run: Callable[[], None]) -> Check:
    promise = re.sub(r"\bhttp\b", "HTTP", check.__name__.replace("_", " "))
    return Check(promise, (getdoc(check) or "").partition("\n")[0], run)


def _place(error: BaseException) -> str:
    """Where in the plug-in it was raised."""
    frames: list[Any] = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _is_theirs(filename: str) -> bool:
    return not Path(filename).is_relative_to(_OURS) and "hypothesis" not in Path(filename).parts
