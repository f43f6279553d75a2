"""Room: how much of a disk a handler may fill. What is kept free is for the database beside the files, and for people.

A disk that would have less counts as full, which is what its errors say too.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from handlers.landing import in_thread
from handlers.protocol import TryLater
from handlers.words import size
from schemas.units import say_size

#: A disk is full, or what one user may have of it.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Room:
    """A folder, and the bytes that stay free on its disk."""

    folder: Path
    keep_free: int

    async def hold(self, more: int = 0) -> None:
        """Refuse to take so many bytes more where they, or what must stay free, have no room.

        Raises: OSError with ENOSPC.
        """
        free = await in_thread(free_bytes, self.folder)
        if free is None or free - more >= self.keep_free:
            return
        kept = say_size(self.keep_free)
        found = f"{size(free)} are free, of which {size(self.keep_free)} must stay so (keep_free = {kept})"
        raise OSError(errno.ENOSPC, f"{found}, and {size(more)} are to come" if more else found)

    def verdict(self, error: OSError, place: str) -> TryLater:
        """What becomes of files that could not be written to a place."""
        why = error.strerror or "it failed"
        where = str(self.folder) if is_full(error) else None
        return TryLater(f"{where or place} cannot be written: {why[0].lower()}{why[1:]}", no_room_at=where)


def is_full(error: OSError) -> bool:
    """Whether an error says that there is no room."""
    return error.errno in _FULL


def free_bytes(folder: Path) -> int | None:
    """What may still be written to the disk that a folder is on, or will be; None where the disk does not say."""
    place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None
