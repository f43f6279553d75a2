"""A program to be cut off from its power: clips saved by the real downloader, each acknowledged once it says so.

Usage: python -m tests.support.cut_downloads FOLDER ACKS CLIPS [careless]. `careless` writes and renames as most
programs do, without waiting for the disk: after a power cut a file may be empty or gone.
"""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from handlers.downloader import HANDLER
from handlers.protocol import Done, Handler
from schemas.values import replace
from schemas.vendor import Answer
from tests.support.clips import mp4
from tests.support.parcels import READY, parcel, tools

AT_ONCE = 3


def clip_of(number: int) -> bytes:
    """The bytes of the n-th clip."""
    return mp4(900 + number * 777 % 9000, bytes([number % 251]))


class Canned:
    """Every URL has its clip; no network."""

    async def call(self, method: str, url: str, **_: Any) -> Answer:
        """Nobody asks."""
        raise AssertionError(url)

    @asynccontextmanager
    async def stream(self, url: str, **_: Any) -> AsyncIterator["Film"]:
        """Open a clip."""
        yield Film(clip_of(int(url.rpartition("/")[2])))


class Film:
    """A clip in pieces."""

    status = 200

    def __init__(self, content: bytes) -> None:
        self.headers: Mapping[str, str] = {"content-length": str(len(content)), "content-type": "video/mp4"}
        self._content = content

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces."""
        for start in range(0, len(self._content), 1500):
            yield self._content[start : start + 1500]


class Careless:
    """A downloader that does not wait for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def save(self, number: int) -> tuple[str, str]:
        """Write beside, rename, and say that it is done."""
        (self._folder / "vrex").mkdir(exist_ok=True)
        final, content = self._folder / "vrex" / f"job_{number}-1.mp4", clip_of(number)
        partial = final.with_suffix(".partial")
        partial.write_bytes(content)
        partial.rename(final)
        return str(final), hashlib.sha256(content).hexdigest()


async def saved(handler: Handler, number: int) -> tuple[str, str]:
    """Have the real downloader save the n-th clip; answer what it says: path and SHA-256."""
    video = replace(READY.videos[0], url=f"https://files.example.com/{number}", expires_at=None)
    given = parcel(replace(READY, id=f"evt_{number}", job_id=f"job_{number}", videos=(video,)), key=f"dlv_{number}")
    outcome = (await handler.deliver([given]))[given.key]
    assert isinstance(outcome, Done), outcome
    return outcome.saved[0].path, outcome.saved[0].sha256


async def main(folder: Path, acks: Path, clips: int, *, careless: bool) -> None:
    """Save so many clips, a few at a time."""
    told = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    handler = HANDLER.make(HANDLER.options.model_validate({"target": str(folder)}), tools(folder, http=Canned()))
    hasty = Careless(folder)
    for first in range(0, clips, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, clips))
        todo = [hasty.save(number) if careless else saved(handler, number) for number in numbers]
        for done in asyncio.as_completed(todo):
            os.write(told, " ".join(await done).encode() + b"\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), careless="careless" in sys.argv[4:]))
