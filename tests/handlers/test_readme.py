"""The page that teaches to write a handler: its example works as it stands, and it names every file.

That a reader gets there by doing what it says, from nothing, `tests/test_plug_ins.py` shows.
"""

import asyncio
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

import handlers
from handlers.protocol import Done, HandlerType, Outcome
from receiver.registry import handler_types
from receiver.suite import checks_of
from receiver.suite.stage import Case
from tests.support import pages
from tests.support.handler_cases import SECRET
from tests.support.http_server import Reply, serving
from tests.support.parcels import READY, parcel, tools

FOLDER = Path(str(handlers.__file__)).parent
README = (FOLDER / "README.md").read_text("utf-8")
FILES = pages.files(README)


def example() -> HandlerType:
    """Load the example as a module of its own."""
    module = ModuleType("readme_example")
    sys.modules[module.__name__] = module
    try:
        exec(compile(FILES["clipbell_ntfy.py"], "README.md", "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    found = module.__dict__["HANDLER"]
    assert isinstance(found, HandlerType)
    return found


def test_every_option_of_every_type_is_explained() -> None:
    rows = {line.split("`")[1]: line for line in README.splitlines() if line.startswith("| `")}
    for name, kind in handler_types().items():
        missing = [option for option in kind.options.model_fields if f"`{option}`" not in rows[name]]
        assert (name, missing) == (name, [])
    assert set(rows) >= set(handler_types())


def test_the_example_posts_a_line() -> None:
    kind = example()

    async def main(url: str) -> Mapping[str, Outcome]:
        options = kind.options.model_validate({"url": f"{url}/{SECRET}", "priority": 4})
        return await kind.make(options, tools(Path())).deliver([parcel()])

    with serving(Reply(200, b"ok")) as server:
        assert asyncio.run(main(server.url)) == {"dlv_1": Done("ok")}
    assert server.seen[0].body.decode() == "Ready: 'A cat rides a bicycle' · Vrex · 8 s · $0.136 · took 1 min 15 s"
    assert server.seen[0].headers["priority"] == "4"
    assert kind.name == "ntfy"
    assert READY.type in kind.events


@pytest.mark.parametrize("check", checks_of(example()), ids=str)
def test_the_example_keeps_every_promise(check: object) -> None:
    assert callable(check)
    check()


def test_its_configuration_fits_the_example() -> None:
    [section] = tomllib.loads(pages.settings(README))["handlers"].values()
    kind = example()
    assert section.pop("type") == kind.name
    assert set(section.pop("events")) <= {event.value for event in kind.events}
    kind.options.model_validate(section)


def test_its_package_names_the_example() -> None:
    project = tomllib.loads(FILES["pyproject.toml"])
    points = project["project"]["entry-points"]["clipbell.handlers"]
    [module] = project["tool"]["setuptools"]["py-modules"]
    assert points == {example().name: f"{module}:HANDLER"}
    assert f"{module}.py" in FILES


def test_its_case_is_one_that_the_example_keeps() -> None:
    found: dict[str, object] = {}
    exec(FILES["check_ntfy.py"], found)
    case = found["CASE"]
    assert isinstance(case, Case)
    [check] = [check for check in checks_of(example(), case) if check.promise == "every event gets an outcome"]
    check()


def test_every_file_of_the_folder_is_named() -> None:
    files = {path.name for path in FOLDER.glob("*.py")} - {"__init__.py", "ledger_file.py", "poster_program.py"}
    assert {name for name in files if name not in README} == set()
