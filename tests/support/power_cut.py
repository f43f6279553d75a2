"""Power cuts: from what a program did to its files to every state of the disk that a cut could have left.

The disk promises little here, less than most do: of what was not synced any part may be there, in any combination, a
write torn at any sector; a file's content is safe after an fsync of it, its name only after one of its folder. What
is acknowledged is a line that the program wrote into a file of its own.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.support.strace import Call

SECTOR = 512
#: What is traced. A call that changes files in a way that is not modelled here ends the test.
CALLS = (
    "open openat creat close dup dup2 dup3 fcntl lseek write writev pwrite64 pwritev pwritev2 truncate ftruncate "
    "fallocate fsync fdatasync sync_file_range unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat "
    "mkdir mkdirat rmdir copy_file_range sendfile"
).split()
_NUMBERS = count(1)


@dataclass(eq=False)
class Inode:
    """A file or a folder, whatever it is called."""

    is_folder: bool = False
    number: int = field(default_factory=lambda: next(_NUMBERS))


@dataclass(frozen=True)
class Written:
    """Bytes of a file, not synced yet."""

    inode: Inode
    offset: int
    content: bytes

    def torn(self, chance: random.Random) -> "Written":
        """The first sectors of it."""
        return Written(self.inode, self.offset, self.content[: chance.randrange(0, len(self.content) + 1, SECTOR)])

    @property
    def belongs_to(self) -> Inode:
        """What has to be synced to make it safe."""
        return self.inode

    def done_to(self, content: bytearray) -> None:
        """Change a file's content."""
        end = self.offset + len(self.content)
        content.extend(b"\0" * (end - len(content)))
        content[self.offset : end] = self.content


@dataclass(frozen=True)
class Resized:
    """A file's new length, not synced yet."""

    inode: Inode
    size: int

    @property
    def belongs_to(self) -> Inode:
        """What has to be synced to make it safe."""
        return self.inode

    def done_to(self, content: bytearray) -> None:
        """Change a file's content."""
        del content[self.size :]
        content.extend(b"\0" * (self.size - len(content)))


@dataclass(frozen=True)
class Named:
    """A name in a folder: it gets an inode, or loses it (None); with `old` the name that goes in the same stroke."""

    #: The folder: what has to be synced to make it safe.
    belongs_to: Inode
    name: Path
    inode: Inode | None
    old: Path | None = None

    def done_to(self, names: dict[Path, Inode]) -> None:
        """Change the names."""
        if self.old is not None and self.old not in names:
            return  # what was to be renamed never had its first name
        if self.old is not None:
            del names[self.old]
        if self.inode is None:
            names.pop(self.name, None)
        else:
            names[self.name] = self.inode


@dataclass(frozen=True)
class Synced:
    """A file's content, or a folder's names, are safe as far as they were changed before `begun`."""

    inode: Inode
    begun: int


@dataclass(frozen=True)
class Acknowledged:
    """The program gave its word."""

    text: str


Done = Written | Resized | Named | Synced | Acknowledged


@dataclass(frozen=True)
class State:
    """What a cut left: files by path, and what had been acknowledged before it."""

    files: Mapping[Path, bytes]
    acknowledged: Sequence[str]


@dataclass
class _Open:
    inode: Inode
    path: Path
    offset: int = 0
    appends: bool = False


class Unmodelled(AssertionError):
    """A call that changes files in a way that the model does not know."""


class Disk:
    """Reads a trace into what was done under one folder, with places in the order of all that happened."""

    def __init__(self, root: Path, acks: Path, ignored: Sequence[str] = ()) -> None:
        self.done: list[tuple[int, Done]] = []
        self.root, self.top = root, Inode(is_folder=True)
        self.names: dict[Path, Inode] = {root: self.top}
        self._sizes: dict[Inode, int] = {}
        self._acks, self._ignored = acks, tuple(ignored)
        self._open: dict[int, _Open] = {}

    def read(self, calls: Sequence[Call]) -> "Disk":
        """Take in a trace."""
        # a descriptor is free from the beginning of its close on
        for call in sorted(calls, key=lambda call: call.begun if call.name == "close" else call.ended):
            handler = getattr(self, f"_{call.name}", None)
            if handler is not None:
                handler(call)
            elif self._touches(call):
                raise Unmodelled(f"{call.name}({call.arguments[:200]})")
        self.done.sort(key=lambda each: each[0])
        return self

    def _touches(self, call: Call) -> bool:
        paths = [Path(each.decode()) for each in call.strings()]
        return self._descriptor(call) in self._open or any(self._is_ours(path) for path in paths)

    def _is_ours(self, path: Path) -> bool:
        return path.is_relative_to(self.root) and not path.name.endswith(self._ignored)

    # --- descriptors ---

    def _openat(self, call: Call) -> None:
        path = Path(call.strings()[0].decode())
        self._open.pop(call.result, None)
        if path == self._acks:
            self._open[call.result] = _Open(Inode(), path)
            return
        if not self._is_ours(path):
            if not path.is_absolute() and "O_CREAT" in call.arguments:
                raise Unmodelled(f"a relative path: {path}")
            return
        inode = self.names.get(path)
        if inode is None:
            inode = Inode(is_folder="O_DIRECTORY" in call.arguments)
            self._sizes[inode] = 0
            self._note(call, Named(self.names[path.parent], path, inode))
            self.names[path] = inode
        elif "O_TRUNC" in call.arguments:
            self._resize(call, inode, 0)
        self._open[call.result] = _Open(inode, path, appends="O_APPEND" in call.arguments)

    def _close(self, call: Call) -> None:
        self._open.pop(self._descriptor(call), None)

    def _fcntl(self, call: Call) -> None:
        if "F_DUPFD" in call.arguments and self._descriptor(call) in self._open:
            raise Unmodelled(f"fcntl({call.arguments})")

    def _lseek(self, call: Call) -> None:
        if opened := self._open.get(self._descriptor(call)):
            opened.offset = call.result

    # --- content ---

    def _write(self, call: Call) -> None:
        opened = self._open.get(self._descriptor(call))
        if opened is None:
            return
        content = call.strings()[0][: call.result]
        if opened.path == self._acks:
            self.done += [(call.begun, Acknowledged(line)) for line in content.decode().splitlines()]
            return
        offset = self._sizes[opened.inode] if opened.appends else opened.offset
        opened.offset = offset + len(content)
        self._put(call, opened.inode, offset, content)

    def _pwrite64(self, call: Call) -> None:
        if opened := self._open.get(self._descriptor(call)):
            offset = call.numbers()[-1]
            assert offset is not None
            self._put(call, opened.inode, offset, call.strings()[0][: call.result])

    def _ftruncate(self, call: Call) -> None:
        if opened := self._open.get(self._descriptor(call)):
            size = call.numbers()[1]
            assert size is not None
            self._resize(call, opened.inode, size)

    def _fsync(self, call: Call) -> None:
        if opened := self._open.get(self._descriptor(call)):
            self._note(call, Synced(opened.inode, call.begun))

    _fdatasync = _fsync

    def _put(self, call: Call, inode: Inode, offset: int, content: bytes) -> None:
        self._sizes[inode] = max(self._sizes[inode], offset + len(content))
        self._note(call, Written(inode, offset, content))

    def _resize(self, call: Call, inode: Inode, size: int) -> None:
        self._sizes[inode] = size
        self._note(call, Resized(inode, size))

    # --- names ---

    def _mkdir(self, call: Call) -> None:
        path = Path(call.strings()[0].decode())
        if self._is_ours(path):
            self._name(call, path, Inode(is_folder=True))

    def _unlink(self, call: Call) -> None:
        path = Path(call.strings()[0].decode())
        if self._is_ours(path):
            self._name(call, path, None)

    def _link(self, call: Call) -> None:
        old, new = (Path(each.decode()) for each in call.strings())
        if self._is_ours(new):
            self._name(call, new, self.names[old])

    def _rename(self, call: Call) -> None:
        old, new = (Path(each.decode()) for each in call.strings())
        if not self._is_ours(new):
            return
        if old.parent != new.parent or self.names[old].is_folder:
            raise Unmodelled(f"a rename from {old} to {new}")
        self._note(call, Named(self.names[new.parent], new, self.names[old], old))
        self.names[new] = self.names.pop(old)

    _mkdirat, _unlinkat, _linkat, _renameat, _renameat2 = _mkdir, _unlink, _link, _rename, _rename

    def _name(self, call: Call, path: Path, inode: Inode | None) -> None:
        named = Named(self.names[path.parent], path, inode)
        self._note(call, named)
        named.done_to(self.names)

    def _descriptor(self, call: Call) -> int:
        number = call.numbers()[0]
        return -1 if number is None else number

    def _note(self, call: Call, done: Done) -> None:
        self.done.append((call.ended, done))


Survives = Callable[["Unsafe"], "Unsafe | None"]
Unsafe = Written | Resized | Named


def states(disk: Disk, wanted: int, seed: int = 1) -> Iterator[State]:
    """About so many of the states that a cut could have left, at moments spread over the whole run."""
    chance = random.Random(seed)
    cut = _Cut(disk)
    # at each moment: nothing of what is not synced, and two parts of it
    share = wanted / (3 * len(disk.done))
    for at, each in disk.done:
        cut.goes_on(at, each)
        if chance.random() < share:
            yield cut.state(lambda _: None)
            for _ in range(2):
                yield cut.state(lambda unsafe: _survivor(unsafe, chance))
    yield cut.state(lambda _: None)


def uncut(disk: Disk) -> State:
    """What is there when no power cut comes."""
    cut = _Cut(disk)
    for at, each in disk.done:
        cut.goes_on(at, each)
    return cut.state(lambda unsafe: unsafe)


def _survivor(unsafe: Unsafe, chance: random.Random) -> Unsafe | None:
    if chance.random() < 0.5:
        return None
    return unsafe.torn(chance) if isinstance(unsafe, Written) and chance.random() < 0.3 else unsafe


class _Cut:
    """What is safe, and what is not yet, while a run goes on."""

    def __init__(self, disk: Disk) -> None:
        self._root = disk.root
        self._names: dict[Path, Inode] = {disk.root: disk.top}
        self._contents: dict[Inode, bytearray] = {}
        self._unsafe: list[tuple[int, Unsafe]] = []
        self._acknowledged: list[str] = []

    def goes_on(self, at: int, done: Done) -> None:
        """Take in one more step."""
        match done:
            case Acknowledged(text):
                self._acknowledged.append(text)
            case Synced(inode, begun):
                self._sync(inode, begun)
            case _:
                self._unsafe.append((at, done))

    def _sync(self, inode: Inode, begun: int) -> None:
        kept = []
        for at, unsafe in self._unsafe:
            if at >= begun or unsafe.belongs_to is not inode:
                kept.append((at, unsafe))
            elif isinstance(unsafe, Named):
                unsafe.done_to(self._names)
            else:
                unsafe.done_to(self._contents.setdefault(unsafe.inode, bytearray()))
        self._unsafe = kept

    def state(self, survives: Survives) -> State:
        """The disk after a cut now."""
        names, contents = dict(self._names), dict(self._contents)
        copied: set[Inode] = set()
        for _, unsafe in self._unsafe:
            left = survives(unsafe)
            if isinstance(left, Named):
                left.done_to(names)
            elif left is not None:
                if left.inode not in copied:
                    copied.add(left.inode)
                    contents[left.inode] = bytearray(contents.get(left.inode, b""))
                left.done_to(contents[left.inode])
        files = {
            path: bytes(contents.get(inode, b""))
            for path, inode in names.items()
            if not inode.is_folder and self._is_reached(path.parent, names)
        }
        return State(files, tuple(self._acknowledged))

    def _is_reached(self, folder: Path, names: Mapping[Path, Inode]) -> bool:
        return folder == self._root or (folder in names and self._is_reached(folder.parent, names))
