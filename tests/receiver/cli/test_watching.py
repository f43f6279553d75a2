"""Watch on a terminal: as many rows as fit, at once after a change and after the terminal's size has changed."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.cli.watching import rows_of
from tests.support.api_stand_in import TOKEN, StandIn, delivery, job
from tests.support.program import counting

CLIPBELL = str(Path(sys.executable).parent / "clipbell")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: Where the cursor goes home: a frame begins.
HOME = "\x1b[H"


class Terminal:
    """A terminal in which `clipbell watch` runs."""

    def __init__(self, url: str, folder: Path) -> None:
        self._ours, theirs = os.openpty()
        self.resize(24, 80)
        environ = {
            **counting(),
            "PATH": os.environ["PATH"],
            "CLIPBELL_API_TOKEN": TOKEN,
            "TERM": "xterm",
            "LANG": "C.UTF-8",
        }
        command = [CLIPBELL, "watch", "--server", url]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, cwd=folder, start_new_session=True
        )
        os.close(theirs)
        self._said = ""

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def shows(self, rows: int, seconds: float = 30) -> str:
        """Wait for a frame with so many rows of jobs and as many of deliveries; without its escape codes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self._ours], [], [], 0.1)[0]:
                self._said += os.read(self._ours, 65536).decode("utf-8", "replace")
            frame = ESCAPES.sub("", self._said.rpartition(HOME)[2])
            if all(len(re.findall(rf"{kind}_\d+ ", frame)) == rows for kind in ("job", "dlv")):
                return frame
        raise AssertionError(f"no frame with {rows} rows of each; the last output was {self._said[-3000:]!r}")

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        os.close(self._ours)
        return code


@pytest.fixture
def terminal(server: StandIn, tmp_path: Path) -> Iterator[Terminal]:
    server.lists["/v1/jobs"] = [job(id=f"job_{number:026d}") for number in range(40)]
    server.lists["/v1/deliveries"] = [delivery(id=f"dlv_{number:026d}") for number in range(40)]
    made = Terminal(server.url, tmp_path)
    yield made
    if made.process.poll() is None:
        made.end()


def test_watch_fills_a_terminal_and_follows_its_size(server: StandIn, terminal: Terminal) -> None:
    frame = terminal.shows(rows_of(24))
    assert f"Clipbell at {server.url}. Ctrl-C ends it." in frame
    # whole lines, and no more of them than there are
    assert len(frame.splitlines()) <= 24
    terminal.resize(40, 120)
    assert len(terminal.shows(rows_of(40), seconds=8).splitlines()) <= 40
    assert terminal.end() == 130


@pytest.mark.parametrize(("lines", "rows"), [(1, 3), (12, 3), (24, 9), (40, 17), (200, 97)])
def test_rows_fit_a_terminal(lines: int, rows: int) -> None:
    assert rows_of(lines) == rows
