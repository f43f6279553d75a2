"""A program of the operator's own that runs beside us: started, listened to, and ended with all that it started.

It is looked at every few milliseconds, not waited for, so that it needs no help of the event loop that we run on. What
it means, its caller knows.
"""

import asyncio
import os
import pwd
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM
from subprocess import STDOUT, Popen
from tempfile import TemporaryFile

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
_OUTPUT, _SHOWN = 65_536, 500
_CLOSED = -1
#: Seconds from SIGTERM to SIGKILL, and from one look at the program to the next.
_GRACE, _LOOK = 1.0, 0.02


class Program:
    """One run of a program, in a folder, with only PATH, HOME and LANG in its environment, or with all of ours."""

    def __init__(self, argv: Sequence[str], folder: Path, *, inherits: bool = False) -> None:
        self._argv, self._folder, self._inherits = argv, folder, inherits
        self._process: Popen[bytes] | None = None
        self._pipe = _CLOSED
        self._output = b""

    def start(self, content: bytes) -> None:
        """Start it, with these bytes as its standard input. Blocks for some milliseconds.

        Raises: OSError.
        """
        environment = {"PATH": PATH, "HOME": pwd.getpwuid(os.getuid()).pw_dir, "LANG": "C.UTF-8"}
        self._pipe, its_end = os.pipe()
        os.set_blocking(self._pipe, False)
        with TemporaryFile() as given, os.fdopen(its_end, "wb") as taken:
            given.write(content)
            given.seek(0)
            self._process = Popen(  # noqa: S603 the operator's own words, and no shell
                self._argv,
                stdin=given,
                stdout=taken,
                stderr=STDOUT,
                cwd=self._folder,
                env=None if self._inherits else environment,
                start_new_session=True,
            )

    @property
    def written(self) -> str:
        """What it wrote, up to the cap."""
        return self._output.decode("utf-8", "replace").strip()

    @property
    def said(self) -> str:
        """The end of what it wrote."""
        return self.written[-_SHOWN:]

    async def wait(self) -> int:
        """Read what it writes until it ends; answer its exit code, or less than 0 for a signal."""
        if self._process is None:
            return 0
        while (code := self._process.poll()) is None:
            self._read()
            await asyncio.sleep(_LOOK)
        self._read()
        return code

    def _read(self) -> None:
        # what passes the cap is read and dropped, else the program would stand still; a flood waits for the next look
        for _ in range(16):
            try:
                chunk = os.read(self._pipe, _OUTPUT)
            except BlockingIOError:
                return
            self._output += chunk[: _OUTPUT - len(self._output)]

    async def end(self) -> None:
        """End it and all that it started, first with a word, then without."""
        if self._process:
            if self._process.poll() is None:
                _signal(self._process.pid, SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GRACE):
                        await self.wait()
            _signal(self._process.pid, SIGKILL)
            await self.wait()
        if self._pipe != _CLOSED:
            os.close(self._pipe)
            self._pipe = _CLOSED


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
