"""Files as answers: a video, or a picture, with byte ranges, so that a player can seek. Never shown as anything else.

The disk is read in threads of its own, so that a slow one holds up neither callbacks nor anything else. One range at
a time: what asks for several gets the whole file, as it may by the standard.

https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from importlib.util import find_spec
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})")
#: A page of its own origin, without scripts, that may load nothing but the video that it is; a browser's player needs
#: the second line for that. Whoever reads the answer elsewhere has the link already. The server adds nosniff.
_SAFE = {
    "content-security-policy": "sandbox; default-src 'none'; media-src 'self'",
    "access-control-allow-origin": "*",
}


async def in_pool(pool: Executor, function: Callable[[], T]) -> T:
    """Run a blocking function in a thread of a pool; a cancellation waits for its end."""
    future = asyncio.get_running_loop().run_in_executor(pool, function)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


async def opened(pool: Executor, opening: Callable[[], "Readable | None"]) -> "Readable | None":
    """Open a file in a thread of a pool; one that nobody waits for any more is closed again. Raises: OSError."""
    future = asyncio.get_running_loop().run_in_executor(pool, opening)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(_close)
        await asyncio.wait([future])
        raise


def _close(opening: "asyncio.Future[Readable | None]") -> None:
    if opening.exception() is None and (file := opening.result()) is not None:
        file.close()


class Readable(Protocol):
    """A file that can be answered with. Both methods may block."""

    @property
    def size(self) -> int:
        """Its bytes."""

    @property
    def changed(self) -> float:
        """When it was written, in seconds since 1970."""

    @property
    def etag(self) -> str:
        """Differs where the bytes do."""

    def read(self, at: int, count: int) -> bytes:
        """Read so many bytes from there. Raises: OSError."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that is open for reading, as it was when it was opened."""

    descriptor: int
    size: int
    changed: float
    #: Differs where the bytes do.
    etag: str

    def read(self, at: int, count: int) -> bytes:
        """Read so many bytes from there. Blocks."""
        return os.pread(self.descriptor, count, at)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


def open_file(path: str, mark: str = "") -> OpenFile | None:
    """Open a file; None where there is none, or something else under its name. `mark`: for its ETag. Blocks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None
    return OpenFile(descriptor, found.st_size, found.st_mtime, f'"{mark}-{found.st_size:x}-{found.st_mtime_ns:x}"')


def open_far(address: str) -> Readable | None:
    """Open what is saved in a bucket; None where it is not there (any more). Blocks.

    Raises: OSError where the bucket cannot be asked.
    """
    if find_spec("obstore") is None:
        raise OSError("the extra s3 is not installed")
    from handlers.buckets import open_stored

    try:
        return open_stored(address)
    except FileNotFoundError:
        return None


class ServedFile(StreamingResponse):
    """An answer with a file, or the part of it that was asked for; closes the file in any case."""

    def __init__(
        self, file: Readable, pool: Executor, request: Request, name: str, mime_type: str = "video/mp4"
    ) -> None:
        self._file, self._pool = file, pool
        ranges = request.headers if request.method == "GET" else {}
        status, start, end = part_of(file, request.headers, ranges)
        headers = {
            **_SAFE,
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "etag": file.etag,
            "last-modified": formatdate(file.changed, usegmt=True),
        }
        if status in (200, 206):
            headers["content-length"] = str(end - start)
            headers["content-disposition"] = f'inline; filename="{name}"'
        if status == 206:
            headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
        elif status == 416:
            headers |= {"content-range": f"bytes */{file.size}", "content-length": "0"}
        content = self._bytes(start, end if request.method == "GET" else start)
        super().__init__(content, status, headers, mime_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    async def _bytes(self, at: int, end: int) -> AsyncIterator[bytes]:
        while at < end:
            piece = b""
            with suppress(OSError):
                piece = await in_pool(self._pool, partial(self._file.read, at, min(_CHUNK, end - at)))
            if not piece:
                return  # it was cut, or lost, while we read: the missing rest tells the client
            at += len(piece)
            yield piece


def part_of(file: Readable, headers: Mapping[str, str], ranges: Mapping[str, str]) -> tuple[int, int, int]:
    """What a request gets: the status, and the bytes from where to where (exclusive). `ranges`: where Range counts."""
    known = [each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")]
    if file.etag in known or known == ["*"]:
        return 304, 0, 0
    is_same = headers.get("if-range") in (None, file.etag)
    found = _span(ranges.get("range", ""), file.size) if is_same else None
    if found is None:
        return 200, 0, file.size
    start, end = found
    return (206, start, end) if start < end else (416, 0, 0)


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The bytes that one range asks for, not beyond the end; None where it is no such range."""
    found = _RANGE.fullmatch(asked.strip())
    first, last = (found["first"], found["last"]) if found else ("", "")
    if not first:
        return (max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last or size) + 1, size)
