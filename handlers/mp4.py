"""Whether a file can be a whole video: a walk over its outermost boxes, without decoding anything.

Tells a page of HTML, a cut file and a file of something else from a video. Says nothing about whether it plays.

https://www.iso.org/standard/83102.html (ISO/IEC 14496-12, 4.2) https://www.matroska.org/technical/elements.html
"""

import os
from typing import BinaryIO

_EBML = b"\x1a\x45\xdf\xa3"
#: A long fragmented file has some thousands; what has more is made to keep us busy.
_MOST_BOXES = 100_000


def problem(file: BinaryIO, mime_type: str | None = None) -> str | None:
    """Say why a file cannot be a whole video; None where nothing speaks against it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if (mime_type or "").startswith("video/webm") and file.read(4) == _EBML:
        return None
    kinds: set[bytes] = set()
    at = 0
    for _ in range(_MOST_BOXES):
        if at == size:
            return _missing(kinds)
        kind, length = _box(file, at, size)
        if not kinds and kind != b"ftyp":
            return "it does not begin as an MP4 file does"
        if length is None:
            return f"it is cut short: a box at byte {at} is broken"
        if at + length > size:
            return f"it is cut short: the box at byte {at} ends {at + length - size} bytes after the file"
        kinds.add(kind)
        at += length
    return "it has too many boxes"


def _box(file: BinaryIO, at: int, size: int) -> tuple[bytes, int | None]:
    file.seek(at)
    head = file.read(16)
    kind, length, least = head[4:8], int.from_bytes(head[:4], "big"), 8
    if len(head) < 8:
        return kind, None
    if length == 0:  # to the end of the file
        length = size - at
    elif length == 1:
        length, least = int.from_bytes(head[8:16], "big"), 16
    return kind, length if length >= least and len(head) >= least else None


def _missing(kinds: set[bytes]) -> str | None:
    if not kinds:
        return "it is empty"
    lacking = [name for name in ("moov", "mdat") if name.encode() not in kinds]
    return f"it lacks the box {lacking[0]}" if lacking else None
