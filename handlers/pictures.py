"""The picture of a saved clip, for messages that carry one with them."""

from pathlib import Path

from handlers.landing import in_thread
from handlers.protocol import Tools
from schemas.event import Event

#: Beyond this a mail would be refused, or the picture is none of ours.
LARGEST = 1 << 20


async def picture_of(event: Event, tools: Tools) -> bytes | None:
    """A JPEG, where the clip is saved on this disk and has one."""
    saved = await tools.saved_clip(event, with_poster=True)
    if saved is None or saved.poster is None:
        return None
    return await in_thread(content_of, Path(saved.poster), LARGEST)


def content_of(path: Path, limit: int) -> bytes | None:
    """A file's bytes; None where it is not there, empty, or larger than the limit. Blocks."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError:
        return None
    return content if 0 < len(content) <= limit else None
