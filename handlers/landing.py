"""How a file comes to rest on a disk: a hidden partial beside it, then its final name, whole or not at all.

Every function blocks; `in_thread` runs one without holding up the loop. A final name is never taken from another file.
"""

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from handlers import mp4

P = ParamSpec("P")
T = TypeVar("T")
_CHUNK = 1 << 20
#: No file: the system refuses whatever is done with it.
_CLOSED = -1
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function in a thread; a cancellation waits for its end, so that no file is closed under it."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.cancelled() or task.exception()  # seen, and of no interest any more
        raise


def file_mode() -> int:
    """The mode that new files get by the process's umask."""
    # there is no way to read it but to set it; called at the start, when nothing else makes files
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def make_folder(folder: Path, root: Path) -> None:
    """Make a folder under the root.

    Raises: OSError, also where a symbolic link leads out of the root.
    """
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)
    if not folder.resolve().is_relative_to(root.resolve()):
        raise OSError(errno.ELOOP, f"{folder} leads out of {root}")


class Partial:
    """A file that is not whole yet. Opened, written and closed from any thread, one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._descriptor = _CLOSED

    def open(self, *, resume: bool = False) -> None:
        """Open it for writing: at its end, or new and empty."""
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        if resume:
            with suppress(FileNotFoundError):
                self._descriptor = os.open(self.path, flags | os.O_APPEND)
                self.size = os.fstat(self._descriptor).st_size
                return
        self.path.unlink(missing_ok=True)
        self._descriptor = os.open(self.path, flags | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)

    def restart(self) -> None:
        """Forget what is in it."""
        os.ftruncate(self._descriptor, 0)
        self.size = 0

    def write(self, content: bytes) -> None:
        """Write everything."""
        view = memoryview(content)
        while view:
            count = os.write(self._descriptor, view)
            self.size += count
            view = view[count:]

    @property
    def is_open(self) -> bool:
        """Whether it is held open."""
        return self._descriptor != _CLOSED

    def close(self) -> None:
        """Let go of it; it stays on the disk."""
        if self._descriptor != _CLOSED:
            os.close(self._descriptor)
            self._descriptor = _CLOSED

    def remove(self) -> None:
        """Take it off the disk."""
        self.close()
        self.path.unlink(missing_ok=True)


def measure(path: Path, mime_type: str | None) -> tuple[int, str, str | None, mp4.Film]:
    """Read a whole file: its size, its SHA-256 in hex, why it cannot be a video (None: it can), and its film."""
    with path.open("rb") as file:
        problem, film = mp4.problem(file, mime_type), mp4.film(file)
        file.seek(0)
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return file.tell(), digest.hexdigest(), problem, film


def settle(partial: Path, final: Path, mode: int) -> None:
    """Make a partial file durable and give it its final name.

    Raises: FileExistsError where the name is taken; then the partial is left.
    """
    make_durable(partial, mode)
    try:
        os.link(partial, final)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(partial, final)
    partial.unlink(missing_ok=True)
    sync_folder(final.parent)


def make_durable(path: Path, mode: int) -> None:
    """Give a file its mode, and wait until the disk has it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(partial: Path, final: Path) -> None:
    # a file system without links: the name could be taken between these two lines, by nobody that we know of
    if final.exists():
        raise FileExistsError(errno.EEXIST, "exists", str(final))
    partial.rename(final)


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a small file so that it is there whole or not at all; one that is there already is replaced."""
    partial = Partial(path.with_name(f".{path.name}.partial"))
    try:
        partial.open()
        partial.write(content)
        partial.close()
        make_durable(partial.path, mode)
        partial.path.replace(path)
    finally:
        partial.remove()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
