"""The picture of a saved clip, for messages that carry one with them."""

from pathlib import Path

from handlers.landing import in_thread
from handlers.protocol import Tools
from schemas.event import Event

#: Beyond this a mail would be refused, or the picture is none of ours.
LARGEST = 1 << 20
#: Seconds that a bucket has for each answer: a message does not wait for it.
_SOON = 3.0


async def picture_of(event: Event, tools: Tools) -> bytes | None:
    """A JPEG, where the clip is saved and has one: on this disk, or in a bucket that answers soon."""
    saved = await tools.saved_clip(event, with_poster=True)
    if saved is None or saved.poster is None:
        return None
    if "://" in saved.poster:
        return await in_thread(stored_content_of, saved.poster, LARGEST)
    return await in_thread(content_of, Path(saved.poster), LARGEST)


def stored_content_of(address: str, limit: int) -> bytes | None:
    """The bytes of an object in a bucket; None as above, or where the bucket does not answer soon. Blocks."""
    from handlers.buckets import open_stored

    try:
        file = open_stored(address, seconds=_SOON)
        return file.read(0, file.size) if 0 < file.size <= limit else None
    except OSError:
        return None


def content_of(path: Path, limit: int) -> bytes | None:
    """A file's bytes; None where it is not there, empty, or larger than the limit. Blocks."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError:
        return None
    return content if 0 < len(content) <= limit else None
