"""A bucket of S3, or of what speaks like it. Needs the extra `s3`.

Who we are and where the bucket is, the usual AWS variables of the environment or the machine's role say
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL). A file is loaded to this disk first, looked
at, and then uploaded; an upload shows only when it is whole, and only where no object has its name yet.

https://developmentseed.org/obstore/latest/api/store/aws/
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from handlers.landing import Partial, in_thread
from handlers.places import Measured, measured

#: What is larger goes up in parts.
_ALONE = 64 << 20


class Bucket:
    """A bucket, or the part of it under a prefix."""

    def __init__(self, target: str, *, scratch: Path) -> None:
        self.name = target.rstrip("/")
        self._scratch = self.disk = scratch.absolute()
        with _as_os_errors():
            self._store = _store(self.name, seconds=60)

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
        copy = Partial(self._scratch / f"{name.name}.check.partial")
        await self.prepare(name)
        try:
            with _as_os_errors():
                found = await obstore.get_async(self._store, str(name))
                await in_thread(copy.open)
                async for chunk in found.stream(min_chunk_size=1 << 20):
                    await in_thread(copy.write, bytes(chunk))
            await in_thread(copy.close)
            return await measured(copy, mime_type)
        except FileNotFoundError:
            return None
        finally:
            await in_thread(copy.remove)

    async def keep(self, partial: Partial, name: PurePosixPath) -> None:
        """Upload a whole file, unless an object of its name is there."""
        # first, lest a large file goes up in vain; and some stores overlook the condition below
        await self._refuse_taken(name)
        with _as_os_errors():
            if partial.path.stat().st_size <= _ALONE:
                await obstore.put_async(self._store, str(name), partial.path, mode="create")
            else:
                await self._keep_large(partial.path, str(name), str(name.with_name(partial.path.name)))

    async def _keep_large(self, path: Path, name: str, aside: str) -> None:
        # what goes up in parts takes no condition here; its copy does
        try:
            await obstore.put_async(self._store, aside, path)
            await obstore.copy_async(self._store, aside, name, overwrite=False)
        finally:
            with suppress(BaseError, FileNotFoundError):
                await obstore.delete_async(self._store, aside)

    async def _refuse_taken(self, name: PurePosixPath) -> None:
        with suppress(FileNotFoundError), _as_os_errors():
            await obstore.head_async(self._store, str(name))
            raise FileExistsError(errno.EEXIST, "exists", self.address(name))

    async def write(self, name: PurePosixPath, content: bytes) -> None:
        """Upload a small file."""
        with _as_os_errors():
            await obstore.put_async(self._store, str(name), content)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object as it was when it was found. Its methods block."""

    store: S3Store
    key: str
    size: int
    #: When it was written, in seconds since 1970.
    changed: float
    etag: str

    def read(self, at: int, count: int) -> bytes:
        """Load so many bytes from there.

        Raises: OSError.
        """
        with _as_os_errors():
            return bytes(obstore.get_range(self.store, self.key, start=at, length=count))

    def close(self) -> None:
        """Nothing is held."""


def open_stored(address: str) -> StoredFile:
    """Find the object at an s3:// address.

    Raises: OSError; FileNotFoundError where there is none.
    """
    bucket, _, key = address.removeprefix("s3://").partition("/")
    with _as_os_errors():
        store = _store(f"s3://{bucket}", seconds=10)
        found = obstore.head(store, key)
    size, changed = found["size"], found["last_modified"].timestamp()
    return StoredFile(store, key, size, changed, found["e_tag"] or f'"{size:x}-{changed}"')


def _store(url: str, *, seconds: float) -> S3Store:
    retries = {"max_retries": 2, "retry_timeout": timedelta(seconds=seconds)}
    return S3Store.from_url(url, retry_config=retries, copy_if_not_exists="multipart")  # type: ignore[arg-type]


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Say what the library says as the errors of a disk, without its words: they hold URLs and keys."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(errno.ENOENT, "no such object or bucket") from error
    except AlreadyExistsError as error:
        raise FileExistsError(errno.EEXIST, "exists") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise PermissionError(errno.EACCES, "permission denied") from error
    except BaseError as error:
        raise OSError(errno.EIO, _plain(str(error))) from error


def _plain(said: str) -> str:
    # the library tells these apart only in its words
    if re.search(r"certificate|InvalidCertificate", said):
        return f"its TLS certificate is not accepted{' (it has expired)' if 'Expired' in said else ''}"
    status = re.search(r"status code: (\d{3})", said)
    return f"the store answered HTTP {status[1]}" if status else "the store gave no answer"
