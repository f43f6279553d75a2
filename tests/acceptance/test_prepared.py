"""What is imported while callbacks come holds them up: a server imports what it needs before it listens."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support import serve_unprepared
from tests.support.http_server import Server
from tests.support.mail_server import Mailbox, mail_server
from tests.support.program import Program

_IMPORT = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+([\w.]+)$", re.MULTILINE)
SECRET = "whsec_" + "QUFB" * 11


@pytest.fixture
def telling(clipbell: Program, slack: Server) -> Iterator[Program]:
    """The program with every handler that loads much in its own process; it notes each import in its log."""
    with mail_server(Mailbox()) as mail:
        clipbell.variables["PYTHONPROFILEIMPORTTIME"] = "1"
        address = f"smtp://127.0.0.1:{mail.port}"
        clipbell.handlers["mail"] = {
            "type": "email",
            "smtp_url": address,
            "sender": "a@b.example",
            "to": ["c@d.example"],
        }
        clipbell.handlers["hook"] = {"type": "webhook", "url": f"{slack.url}/hook", "secret": SECRET}
        yield clipbell


def imported_late(program: Program) -> list[str]:
    """Drive a clip through every handler; answer what was imported after the server listened."""
    program.start()
    program.settled(program.order()["id"])
    for handler in program.handlers:
        program.eventually(partial(program.items, "/v1/deliveries", handler=handler, state="done"), handler)
    _, listening, late = (program.folder / "serve.log").read_text().partition('"listening"')
    assert listening, (program.folder / "serve.log").read_text()[-2000:]
    return [name for name in _IMPORT.findall(late) if not name.startswith("encodings.")]


def test_the_first_deliveries_import_nothing(telling: Program) -> None:
    assert imported_late(telling) == []


def test_a_server_that_prepares_nothing_is_noticed(telling: Program) -> None:
    telling.serve = [sys.executable, str(serve_unprepared.__file__)]
    # by package: two threads that import write into each other's lines
    late = {name.partition(".")[0] for name in imported_late(telling)}
    assert late >= {"sqlite_utils", "slack_sdk", "aiosmtplib", "standardwebhooks", "jinja2"}


def test_what_calls_need_is_there_once_it_is_prepared() -> None:
    script = (
        "import asyncio, sys\n"
        "from receiver import net\n"
        "def there(): return 'anyio._backends._asyncio' in sys.modules, net._trusting.cache_info().currsize\n"
        "before = there()\n"
        "asyncio.run(net.prepare())\n"
        "print(before, there())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("(False, 0) (True, 1)\n", "")
