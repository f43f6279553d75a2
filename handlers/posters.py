"""The first picture of a saved video, as a JPEG; None where there is none to be had. Needs the extra `video`.

A video without a picture is still a video: nothing here fails a download.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from handlers import poster_program
from handlers.landing import in_thread
from handlers.program import Program

_SECONDS = 30


async def poster_of(video: Path) -> bytes | None:
    """Let a process of its own draw the picture."""
    with TemporaryDirectory(prefix="clipbell-poster-") as folder:
        target = Path(folder) / "poster.jpg"
        # -I: neither our folder nor our environment decides what it imports
        argv = [sys.executable, "-I", poster_program.__file__, str(video), str(target)]
        program = Program(argv, Path(folder))
        with suppress(OSError):
            try:
                await in_thread(program.start, b"")
                async with asyncio.timeout(_SECONDS):
                    if await program.wait() == 0:
                        return await in_thread(target.read_bytes) or None
            finally:
                await program.end()
    return None
