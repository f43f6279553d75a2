"""One thing done with a bucket by a process of its own, which ends in time and takes only so much memory.

What the store refuses with comes as the errors of a disk. Who we are and where the bucket is, that process reads from
the environment.
"""

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from handlers import bucket_program
from handlers.bucket_program import REFUSALS
from handlers.landing import in_thread
from handlers.program import Program

#: Seconds for something small; of a file so many bytes have to go in each second besides.
SECONDS, SLOWEST = 20.0, 256 << 10
#: Seconds beside that to begin and to end.
_MARGIN = 3.0


async def ask(folder: Path, asked: dict[str, Any], content: bytes = b"", *, size: int = 0) -> bytes:
    """Do it, and answer what was found; `size`: of the file that goes one way or the other.

    Raises: OSError.
    """
    seconds = SECONDS + size / SLOWEST
    program = Program(_argv(seconds), folder, inherits=True)
    try:
        await in_thread(program.start, _message(asked, content, seconds))
        async with asyncio.timeout(seconds + _MARGIN):
            code = await program.wait()
    except TimeoutError:
        raise _late() from None
    finally:
        await program.end()
    return _found(code, program.written.encode())


def ask_now(asked: dict[str, Any]) -> bytes:
    """The same for something small, within `seconds` of what is asked. Blocks. Raises: OSError."""
    seconds = asked["seconds"]
    message = _message(asked, b"", seconds)
    try:
        done = subprocess.run(  # noqa: S603 the interpreter that we run on, and no shell
            _argv(seconds),
            input=message,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds + _MARGIN,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _late() from None
    return _found(done.returncode, done.stdout)


def _argv(seconds: float) -> list[str]:
    # the library's own options would take the place of all that the environment says: this only adds to it
    return ["/usr/bin/env", f"AWS_TIMEOUT={seconds * 1000:.0f}ms", sys.executable, "-I", bucket_program.__file__]


def _message(asked: dict[str, Any], content: bytes, seconds: float) -> bytes:
    return json.dumps({**asked, "seconds": seconds}).encode() + b"\n" + content


def _found(code: int, written: bytes) -> bytes:
    if code == 0:
        return written
    if code in REFUSALS:
        raise OSError(code, written.decode("utf-8", "replace").strip() or os.strerror(code))
    raise OSError(errno.EIO, "the store's answer could not be read, as where it has no end")


def _late() -> OSError:
    return OSError(errno.ETIMEDOUT, "the store did not answer in time")
