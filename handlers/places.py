"""Places: where saved files go. A folder here; a bucket in `handlers/buckets.py`. Knows no event and no vendor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from handlers.landing import Partial, file_mode, in_thread, make_folder, measure, settle, write_whole
from handlers.mp4 import Film


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file is: its size, its SHA-256 in hex, why it cannot be a whole video (None: it can), and its film."""

    bytes: int
    sha256: str
    problem: str | None = None
    film: Film = field(default_factory=Film)


class Place(Protocol):
    """Where files come to rest, under names relative to it. Every method raises OSError where it cannot do so."""

    #: What people call it.
    name: str
    #: The folder of this machine that files are loaded into.
    disk: Path

    def address(self, name: PurePosixPath) -> str:
        """Say where a file of this name is."""
        ...

    def partial(self, name: PurePosixPath, key: str) -> Partial:
        """Give a file of this disk to load into, one for each name and key."""
        ...

    async def prepare(self, name: PurePosixPath) -> None:
        """Make what a partial and a file of this name need."""
        ...

    async def measure(self, name: PurePosixPath, mime_type: str) -> Measured | None:
        """Look at the file that is there; None: there is none."""
        ...

    async def keep(self, partial: Partial, name: PurePosixPath) -> None:
        """Give a whole file its final name, durably, unless that is taken.

        Raises: FileExistsError.
        """
        ...

    async def write(self, name: PurePosixPath, content: bytes) -> None:
        """Write a small file, whole or not at all, over one that is there."""
        ...


async def measured(partial: Partial, mime_type: str | None) -> Measured:
    """Close a partial file, and look at it."""

    def look() -> Measured:
        partial.close()
        return Measured(*measure(partial.path, mime_type))

    return await in_thread(look)


class Folder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = self.disk = root.absolute()
        self._mode = file_mode()

    def address(self, name: PurePosixPath) -> str:
        """Say the path."""
        return str(self._root / name)

    def partial(self, name: PurePosixPath, key: str) -> Partial:
        """Give a hidden file beside the final one, so that it need not be copied."""
        return Partial(self._root / name.parent / f".{name.name}.{key}.partial")

    async def prepare(self, name: PurePosixPath) -> None:
        """Make the file's folder; refuses one that a link leads elsewhere."""
        await in_thread(make_folder, self._root / name.parent, self._root)

    async def measure(self, name: PurePosixPath, mime_type: str) -> Measured | None:
        """Read the file."""
        try:
            return Measured(*await in_thread(measure, self._root / name, mime_type))
        except FileNotFoundError:
            return None

    async def keep(self, partial: Partial, name: PurePosixPath) -> None:
        """Link the partial to its name."""
        await in_thread(settle, partial.path, self._root / name, self._mode)

    async def write(self, name: PurePosixPath, content: bytes) -> None:
        """Write beside, then rename."""
        await in_thread(write_whole, self._root / name, content, self._mode)


def place_of(target: str, folder: Path, most: int) -> Place:
    """Make the place that a `target` names; relative paths begin in the folder. `most`: bytes of a file of ours."""
    if target.startswith("s3://"):
        from handlers.buckets import Bucket

        return Bucket(target, scratch=folder / ".clipbell-partials", most=most)
    return Folder(folder / target)


def target_problem(target: str, has_module: Callable[[str], bool]) -> str | None:
    """Say what is wrong with a `target`; None where nothing is."""
    if not target.startswith("s3://"):
        known = target.strip() and "://" not in target and "\0" not in target
        return None if known else 'must be a folder such as "clips", or "s3://bucket/prefix"'
    if not target.removeprefix("s3://").split("/")[0]:
        return 'must name a bucket, such as "s3://bucket/prefix"'
    if not has_module("obstore"):
        return "needs the extra s3: pip install 'clipbell[s3]'"
    return None
