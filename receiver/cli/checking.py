"""The verb check: runs the contract suite over a plug-in, for whoever writes one. Orders nothing."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli import screen, words
from receiver.cli.trouble import FAILED, WrongUsage
from receiver.cli.verb import Given, verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handlers.protocol import HandlerType
    from receiver.suite import Case, Check
    from receiver.suite.checks import Result
    from schemas.vendor import Vendor

_INDENT = 9


@verb("as_json")
def check(
    given: Given,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="A vendor or handler type, or module:CONSTANT of one.")
    ],
    *,
    case: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="What is to be known of a handler type: its CASE.")
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Golden pairs of a vendor, a JSON file each.")
    ] = None,
) -> None:
    """Check a plug-in against the contract."""
    things = {name: _found(name) for name in names}
    with _without_traces():
        results = {name: _run(name, thing, case, cases, quiet=given.as_json) for name, thing in things.items()}
    if given.as_json:
        screen.print_json([{"name": name, "results": [_json(each) for each in all_]} for name, all_ in results.items()])
    if any(each.outcome == "broken" for all_ in results.values() for each in all_):
        raise typer.Exit(FAILED)


@contextmanager
def _without_traces() -> Iterator[None]:
    """Let hypothesis keep its notes elsewhere than in the author's folder."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="clipbell-check-") as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        yield


def _found(name: str) -> "HandlerType | Vendor":
    from receiver import registry

    if ":" in name:
        # a module beside, as `python -m` would find it
        sys.path.insert(0, str(Path.cwd()))
        return registry.loaded(name)
    is_vendor, is_handler = name in registry.vendor_names(), name in registry.handler_type_names()
    if is_vendor and is_handler:
        raise WrongUsage(f"There is a vendor and a handler type {name}: write its module:CONSTANT instead.")
    if not (is_vendor or is_handler):
        known = ", ".join((*registry.vendor_names(), *registry.handler_type_names()))
        text = f"There is no vendor and no handler type {name}; installed are {known}."
        raise WrongUsage(f"{text}\nIs your package installed here (`pip install -e .`), with its entry point?")
    return registry.vendor(name) if is_vendor else registry.handler_type(name)


def _run(
    name: str, thing: "HandlerType | Vendor", case: Path | None, cases: Path | None, *, quiet: bool
) -> "list[Result]":
    from receiver.suite.checks import result_of

    checks = _checks(thing, case, cases)
    is_handler = not hasattr(thing, "docs")
    if not quiet:
        _open(name, checks, is_handler=is_handler)
    results = []
    for each in checks:
        results.append(result_of(each))
        if not quiet:
            _print(results[-1])
    if not quiet:
        _conclude(results, may_want_case=is_handler and case is None)
    return results


def _open(name: str, checks: "Sequence[Check]", *, is_handler: bool) -> None:
    kind = "Handler type" if is_handler else "Vendor"
    screen.say(f"{kind} {screen.styled(name, 'bold')}: {words.count(len(checks), 'promise')}\n")
    if is_handler and not any(each.over_http for each in checks):
        screen.note("It made no call through tools.http, so what is promised of HTTP is not tried.\n")


def _conclude(results: "Sequence[Result]", *, may_want_case: bool) -> None:
    _note_programs(results)
    broken = sum(each.outcome == "broken" for each in results)
    told = f"{broken} of {words.count(len(results), 'promise')} broken." if broken else "Every promise holds."
    screen.say(f"\n{screen.styled(told, 'bold red' if broken else 'green')}")
    if broken and may_want_case:
        text = "Where its other side is no server that takes everything with ok, a case says what is: --case FILE.py"
        screen.note(text)


def _note_programs(results: "Sequence[Result]") -> None:
    names = list(dict.fromkeys(name for each in results for name in each.programs))
    if names:
        screen.note(
            f"\nIt started {', '.join(map(words.clean, names))}. A program of its own is beyond the check: it was not"
            "\nkept from calling other machines, and what it sends or logs was not seen. Try that part by yourself."
        )


def _checks(thing: "HandlerType | Vendor", case: Path | None, cases: Path | None) -> "Sequence[Check]":
    from receiver.suite import Broken, checks_of
    from receiver.suite.golden import golden_checks
    from schemas.vendor import Vendor

    try:
        if isinstance(thing, Vendor):
            return [*checks_of(thing), *(golden_checks(thing, cases) if cases else ())]
        return checks_of(thing, _case(case) if case else None)
    except Broken as error:
        raise WrongUsage(f"Of the golden pairs: {error}.") from None
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise WrongUsage(
            "Checking a vendor takes hypothesis, which is not installed here: pip install hypothesis"
        ) from None


def _case(file: Path) -> "Case":
    import runpy

    from receiver.suite import Case

    if not file.is_file():
        raise WrongUsage(f"There is no file {file}; --case takes a Python file with a constant CASE.")
    found: Any = runpy.run_path(str(file)).get("CASE")
    if not isinstance(found, Case):
        raise WrongUsage(f"{file} has no CASE; write: from receiver.suite import Case, then CASE = Case(…).")
    return found


def _print(result: "Result") -> None:
    is_broken = result.outcome == "broken"
    style = "bold red" if is_broken else "green"
    screen.say(f"  {screen.styled(f'{result.outcome:<7}', style)}{result.check.promise}")
    if is_broken:
        for text in (result.said, f"Why: {result.check.why}" if result.check.why else ""):
            for line in _wrapped(words.clean(text)):
                screen.say(f"{'':{_INDENT}}{line}")


def _wrapped(text: str) -> list[str]:
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns - _INDENT if sys.stdout.isatty() else 100
    return textwrap.wrap(text, max(width, 40), break_long_words=False, break_on_hyphens=False)


def _json(result: "Result") -> dict[str, Any]:
    return {
        "promise": result.check.promise,
        "outcome": result.outcome,
        "said": result.said,
        "why": result.check.why,
        "programs": list(result.programs),
    }
