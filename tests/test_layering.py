"""The rooms and the arrows between them: schemas know nobody, handlers know schemas, receiver knows both.

Each rule looks at one module's text and answers with what breaks it. Each has a planted offender below, so that a
rule that sees nothing would fail.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("schemas", "handlers", "receiver")
PURE = {"asyncio", "httpx", "logging", "os", "random", "socket", "sqlalchemy", "starlette", "subprocess", "time"}
CLIENTS = {"aiohttp", "httpx", "requests", "urllib.request", "urllib3", "http.client"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
EMPTY_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
MAX_LINES, MAX_PLUGIN_LINES = 400, 150
#: Files that read better whole, with the reason.
LONGER = {
    "receiver/store/protocol.py": 500,  # every row and every promise of the store, on one page
}


@dataclass(frozen=True)
class Module:
    """One file of ours: where it is, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def is_in(self, *places: str) -> bool:
        return any(self.path == place or self.path.startswith(f"{place}/") for place in places)

    def imports(self) -> Iterator[str]:
        """Every module that is imported anywhere in it, with its dots; `from a import b` gives a and a.b."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield str(node.module)
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def attributes(self) -> Iterator[tuple[str, str]]:
        """Every `x.y` as ("x", "y"), and every `from x import y` too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield node.value.id, node.attr
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from ((str(node.module), alias.name) for alias in node.names)


Rule = Callable[[Module], list[str]]


def arrows(module: Module) -> list[str]:
    """A room imports only what lies before it; the client imports none of them; nothing imports tests."""
    if module.is_in("receiver/client"):
        allowed: tuple[str, ...] = ("receiver.client",)
    else:
        allowed = ROOMS[: ROOMS.index(module.path.split("/")[0]) + 1]
    ours = {name for name in module.imports() if name.split(".")[0] in (*ROOMS, "tests")}
    return sorted(name for name in ours if not any(name == each or name.startswith(f"{each}.") for each in allowed))


def purity(module: Module) -> list[str]:
    """Schemas have no IO and no clock."""
    found = sorted({name for name in module.imports() if name.split(".")[0] in PURE})
    return found if module.is_in("schemas") else []


def one_clock(module: Module) -> list[str]:
    """Only the clock asks what time it is. The simulator has one that can be moved, the client a watch of its own."""
    if module.is_in("receiver/clock.py", "receiver/simulator/clock.py", "receiver/client"):
        return []
    owners = {"datetime", "date", "time", "dt"}
    return sorted({f"{owner}.{name}" for owner, name in module.attributes() if owner in owners and name in CLOCKS})


def one_reader_of_the_environment(module: Module) -> list[str]:
    """Only the settings read the environment: the command line hands it to them. The client is a program of its own."""
    if module.is_in("receiver/settings.py", "receiver/cli", "receiver/client"):
        return []
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    return sorted({f"os.{name}" for owner, name in module.attributes() if owner == "os" and name in names})


def one_way_out(module: Module) -> list[str]:
    """Only net.py calls out, to where resolve.py lets it; the client and the simulator are programs of their own."""
    if module.is_in("receiver/net.py", "receiver/resolve.py", "receiver/client", "receiver/simulator"):
        return []
    return sorted(name for name in set(module.imports()) if name in CLIENTS)


def telling_names(module: Module) -> list[str]:
    """A module is named after what is in it."""
    return sorted(set(Path(module.path).stem.split("_")) & EMPTY_NAMES)


def short(module: Module) -> list[str]:
    """A module is at most 400 lines long; a vendor's or handler's file 150, beside the facts in its constant."""
    facts = next((node for node in module.tree.body if _assigned(node) & {"VENDOR", "HANDLER"}), None)
    lines = module.text.count("\n")
    if facts:
        lines -= facts.end_lineno - facts.lineno + 1 if facts.end_lineno else 0
    limit = MAX_PLUGIN_LINES if facts else LONGER.get(module.path, MAX_LINES)
    return [f"{lines} lines, at most {limit}"] if lines > limit else []


def _assigned(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def suite_apart(module: Module) -> list[str]:
    """The contract suite is for the authors of plug-ins: of the program only the verb that runs it imports it."""
    if module.is_in("receiver/suite", "receiver/cli/checking.py"):
        return []
    suite = "receiver.suite"
    return sorted({name for name in module.imports() if name == suite or name.startswith(f"{suite}.")})


RULES: list[Rule] = [
    suite_apart,
    arrows,
    purity,
    one_clock,
    one_reader_of_the_environment,
    one_way_out,
    telling_names,
    short,
]
MODULES = [
    Module(str(file.relative_to(ROOT)), file.read_text("utf-8"))
    for room in ROOMS
    for file in sorted((ROOT / room).rglob("*.py"))
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    broken = {module.path: found for module in MODULES if (found := rule(module))}
    assert broken == {}


def test_the_modules_were_found() -> None:
    assert {"schemas/event.py", "handlers/protocol.py", "receiver/clock.py"} <= {module.path for module in MODULES}


OFFENDERS: list[tuple[Rule, str, str, list[str]]] = [
    (arrows, "schemas/x.py", "from handlers.protocol import Done", ["handlers.protocol", "handlers.protocol.Done"]),
    (arrows, "handlers/x.py", "def f():\n    import receiver.net", ["receiver.net"]),
    (arrows, "handlers/x.py", "from receiver import net", ["receiver", "receiver.net"]),
    (arrows, "receiver/x.py", "import tests.support", ["tests.support"]),
    (arrows, "receiver/client/x.py", "from schemas import event", ["schemas", "schemas.event"]),
    (arrows, "receiver/client/x.py", "from receiver.clock import now", ["receiver.clock", "receiver.clock.now"]),
    (purity, "schemas/vendors/x.py", "import os.path", ["os.path"]),
    (purity, "schemas/x.py", "from sqlalchemy import text", ["sqlalchemy", "sqlalchemy.text"]),
    (one_clock, "receiver/x.py", "import datetime as dt\ndt.datetime.now()\nx = date.today()", ["date.today"]),
    (one_clock, "receiver/x.py", "from datetime import datetime\nwhen = datetime.now(UTC)", ["datetime.now"]),
    (one_clock, "handlers/x.py", "from time import monotonic as m", ["time.monotonic"]),
    (one_clock, "receiver/simulator/x.py", "import time\nx = time.time_ns", ["time.time_ns"]),
    (one_reader_of_the_environment, "receiver/x.py", "import os\nos.environ['HOME']", ["os.environ"]),
    (one_reader_of_the_environment, "handlers/x.py", "from os import getenv", ["os.getenv"]),
    (one_way_out, "handlers/x.py", "import httpx", ["httpx"]),
    (one_way_out, "receiver/x.py", "from urllib.request import urlopen", ["urllib.request"]),
    (
        suite_apart,
        "receiver/net.py",
        "def f():\n    from receiver.suite import Case",
        ["receiver.suite", "receiver.suite.Case"],
    ),
    (telling_names, "receiver/web_utils.py", "", ["utils"]),
    (telling_names, "handlers/base.py", "", ["base"]),
    (short, "receiver/x.py", "\n" * 401, ["401 lines, at most 400"]),
    (short, "schemas/vendors/x.py", "VENDOR = {\n}\n" + "\n" * 151, ["151 lines, at most 150"]),
    (short, "handlers/x.py", "HANDLER: int = 1\n" + "\n" * 151, ["151 lines, at most 150"]),
]


@pytest.mark.parametrize(("rule", "path", "text", "found"), OFFENDERS)
def test_a_planted_offender_is_seen(rule: Rule, path: str, text: str, found: list[str]) -> None:
    assert rule(Module(path, text)) == found


ALLOWED: list[tuple[Rule, str, str]] = [
    (arrows, "schemas/x.py", "from schemas.event import Event\nimport json"),
    (arrows, "handlers/x.py", "from schemas.event import Event\nfrom handlers.protocol import Done"),
    (arrows, "receiver/client/x.py", "from .errors import Refused\nfrom receiver.client.errors import Refused"),
    (purity, "receiver/x.py", "import os"),
    (one_clock, "receiver/x.py", "from receiver.clock import now\nnow()\nloop.time()\nimport time\ntime.sleep(1)"),
    (one_clock, "receiver/clock.py", "import time\ntime.time_ns()"),
    (one_reader_of_the_environment, "receiver/x.py", "import os\nos.getpid()\nsettings.environ"),
    (one_way_out, "receiver/net.py", "import httpx"),
    (suite_apart, "receiver/cli/checking.py", "from receiver.suite import Case"),
    (suite_apart, "receiver/x.py", "from receiver.suites import x\nfrom receiver import net"),
    (telling_names, "receiver/database.py", ""),
    (short, "receiver/x.py", "\n" * 400),
    (short, "schemas/vendors/x.py", "VENDOR = {\n}\n" + "\n" * 150),
]


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED)
def test_what_keeps_the_rule_is_left_alone(rule: Rule, path: str, text: str) -> None:
    assert rule(Module(path, text)) == []
