"""A bucket of S3, or of what speaks like it. Needs the extra `s3`.

Who we are and where the bucket is, the usual AWS variables of the environment or the machine's role say
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL). A file is loaded to this disk first, looked
at, and then uploaded; an upload shows only when it is whole, and only where no object has its name yet. Each thing is
done by a process of its own (`bucket_run.py`).
"""

import errno
import json
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from handlers import bucket_run
from handlers.bucket_run import ask, ask_now
from handlers.landing import Partial, in_thread
from handlers.places import Measured, measured
from handlers.words import size as said_size

#: What is read of an object at once, in bytes.
_AHEAD = 4 << 20


class Bucket:
    """A bucket, or the part of it under a prefix. `most`: bytes that an object of ours may have."""

    def __init__(self, target: str, *, scratch: Path, most: int) -> None:
        self.name = target.rstrip("/")
        self._scratch = self.disk = scratch.absolute()
        self._most = most

    def address(self, name: PurePosixPath) -> str:
        """Say the s3:// address."""
        return f"{self.name}/{name}"

    def partial(self, name: PurePosixPath, key: str) -> Partial:
        """Give a file of the scratch folder."""
        return Partial(self._scratch / f"{name.name}.{key}.partial")

    async def prepare(self, name: PurePosixPath) -> None:
        """Make the scratch folder; a bucket has no folders."""
        await in_thread(self._scratch.mkdir, parents=True, exist_ok=True)

    async def measure(self, name: PurePosixPath, mime_type: str) -> Measured | None:
        """Load the object again, and look at it."""
        await self.prepare(name)
        try:
            size = json.loads(await self._ask("look", name))["size"]
            if size > self._most:
                return Measured(size, "", f"it has {said_size(size)}, more than max_size")
            copy = Partial(self._scratch / f"{name.name}.check.partial")
            try:
                await self._ask("load", name, path=str(copy.path), size=size)
                return await measured(copy, mime_type)
            finally:
                await in_thread(copy.remove)
        except FileNotFoundError:
            return None

    async def keep(self, partial: Partial, name: PurePosixPath) -> None:
        """Upload a whole file, unless an object of its name is there."""
        # first, lest a large file goes up in vain; and some stores overlook the condition that the upload bears
        await self._refuse_taken(name)
        await self._ask("keep", name, path=str(partial.path), size=partial.path.stat().st_size)

    async def _refuse_taken(self, name: PurePosixPath) -> None:
        with suppress(FileNotFoundError):
            await self._ask("look", name)
            raise FileExistsError(errno.EEXIST, "exists", self.address(name))

    async def write(self, name: PurePosixPath, content: bytes) -> None:
        """Upload a small file."""
        await self._ask("write", name, content)

    async def _ask(self, what: str, name: PurePosixPath, content: bytes = b"", *, size: int = 0, **more: Any) -> bytes:
        asked = {"do": what, "bucket": self.name, "key": str(name), "size": size, **more}
        return await ask(self._scratch, asked, content, size=size)


class StoredFile:
    """An object as it was when it was found. Its methods block."""

    def __init__(self, asked: dict[str, Any], found: dict[str, Any]) -> None:
        self._asked = asked
        self.size: int = found["size"]
        #: When it was written, in seconds since 1970.
        self.changed: float = found["changed"]
        self.etag: str = found["etag"] or f'"{self.size:x}-{self.changed}"'
        #: What was read last, and from where: whoever reads goes on where it stopped.
        self._at, self._piece = 0, b""

    def read(self, at: int, count: int) -> bytes:
        """Load so many bytes from there.

        Raises: OSError.
        """
        if not self._at <= at <= at + count <= self._at + len(self._piece):
            wanted = max(min(count, self.size - at), min(_AHEAD, self.size - at))
            self._at, self._piece = at, ask_now({**self._asked, "do": "read", "at": at, "count": wanted})
        return self._piece[at - self._at :][:count]

    def close(self) -> None:
        """Nothing is held."""


def open_stored(address: str, *, seconds: float | None = None) -> StoredFile:
    """Find the object at an s3:// address; `seconds`: that each answer may take.

    Raises: OSError; FileNotFoundError where there is none.
    """
    bucket, _, key = address.removeprefix("s3://").partition("/")
    asked = {"bucket": f"s3://{bucket}", "key": key, "seconds": seconds or bucket_run.SECONDS}
    return StoredFile(asked, json.loads(ask_now({**asked, "do": "look"})))
