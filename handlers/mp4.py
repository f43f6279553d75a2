"""Whether a file can be a whole video, and what its head says of the film: a walk over boxes, nothing is decoded.

Tells a page of HTML, a cut file and a file of something else from a video. Says nothing about whether it plays.

https://www.iso.org/standard/83102.html (ISO/IEC 14496-12, 4.2 and 8) https://www.matroska.org/technical/elements.html
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

_EBML = b"\x1a\x45\xdf\xa3"
#: A long fragmented file has some thousands; what has more is made to keep us busy.
_MOST_BOXES = 100_000
#: Within another box there are a few.
_MOST_INNER = 64


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


# --- the film ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Film:
    """What a file's head says: its length, and its picture's width and height as shown. None: it does not say."""

    seconds: float | None = None
    width: int | None = None
    height: int | None = None


def film(file: BinaryIO) -> Film:
    """Read the head of a whole video, wherever in the file it is; whatever is odd in it is not known."""
    size = file.seek(0, os.SEEK_END)
    moov = next((span for kind, *span in islice(_inside(file, 0, size), _MOST_BOXES) if kind == b"moov"), None)
    if moov is None:
        return Film()
    inner = list(_few(file, *moov))
    pictures = [_picture(file, at, end) for kind, at, end in inner if kind == b"trak"]
    width, height = max(pictures, key=lambda each: each[0] * each[1], default=(0, 0))
    return Film(_seconds(file, inner), width or None, height or None)


def _inside(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of a span: each one's kind, and where its content begins and ends."""
    while at < end:
        kind, length = _box(file, at, end)
        if length is None or at + length > end:
            return
        file.seek(at)
        head = 16 if file.read(4) == b"\0\0\0\1" else 8
        yield kind, at + head, at + length
        at += length


def _content(file: BinaryIO, at: int, end: int) -> tuple[bool, bytes]:
    """Whether a box is one of the long kind (version 1), and its content behind version and flags."""
    file.seek(at)
    content = file.read(min(end - at, 128))
    return content[:1] == b"\1", content[4:]


def _seconds(file: BinaryIO, moov: list[tuple[bytes, int, int]]) -> float | None:
    spans = {kind: (at, end) for kind, at, end in moov}
    if b"mvhd" not in spans:
        return None
    is_long, content = _content(file, *spans[b"mvhd"])
    content = content[16 if is_long else 8 :]
    scale, length = content[:4], content[4 : 12 if is_long else 8]
    if not int.from_bytes(length, "big") and b"mvex" in spans:
        # a fragmented file says the length of the whole apart, if at all
        length = next((_length(file, *span) for kind, *span in _few(file, *spans[b"mvex"]) if kind == b"mehd"), b"")
    ticks, per_second = int.from_bytes(length, "big"), int.from_bytes(scale, "big")
    is_known = ticks and per_second and length.strip(b"\xff")
    return ticks / per_second if is_known else None


def _length(file: BinaryIO, at: int, end: int) -> bytes:
    is_long, content = _content(file, at, end)
    return content[: 8 if is_long else 4]


def _few(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    return islice(_inside(file, at, end), _MOST_INNER)


def _picture(file: BinaryIO, at: int, end: int) -> tuple[int, int]:
    """Width and height of a track as shown; nothing for one that is no video."""
    spans = {kind: span for kind, *span in _few(file, at, end)}
    media = _few(file, *spans.get(b"mdia", (0, 0)))
    kinds = {_content(file, *span)[1][4:8] for kind, *span in media if kind == b"hdlr"}
    if b"tkhd" not in spans or b"vide" not in kinds:
        return 0, 0
    is_long, content = _content(file, *spans[b"tkhd"])
    content = content[48 if is_long else 36 :]
    width, height = (int.from_bytes(content[at : at + 4], "big") >> 16 for at in (36, 40))
    # the matrix of a picture that is shown on its side
    is_turned = len(content) >= 44 and not any(content[:4] + content[16:20])
    return (height, width) if is_turned else (width, height)
