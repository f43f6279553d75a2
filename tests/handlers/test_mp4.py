"""The box walk: what passes for a whole video, and that nothing makes it fail or hang."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.mp4 import problem
from tests.support.clips import HTML, WEBM, box, mp4


def said(content: bytes, mime_type: str | None = "video/mp4") -> str | None:
    """What is said of these bytes."""
    return problem(io.BytesIO(content), mime_type)


@pytest.mark.parametrize(
    "content",
    [
        mp4(),
        mp4(0),
        box(b"ftyp") + box(b"mdat") + box(b"moov"),
        box(b"ftyp") + box(b"moov") + struct.pack(">I4s", 0, b"mdat") + b"to the end",
        box(b"ftyp") + box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234",
        box(b"ftyp") + box(b"free") + box(b"moov") + (box(b"moof") + box(b"mdat", b"x")) * 100,
    ],
)
def test_whole_videos_pass(content: bytes) -> None:
    assert said(content) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (HTML, "does not begin as an MP4"),
        (WEBM, "does not begin as an MP4"),
        (box(b"moov") + box(b"mdat"), "does not begin as an MP4"),
        (mp4()[:-1], "ends 1 bytes after the file"),
        (mp4()[:60], "ends 72 bytes after the file"),
        (mp4() + b"\0\0\0", "is broken"),
        (box(b"ftyp") + struct.pack(">I4s", 3, b"moov"), "is broken"),
        (box(b"ftyp") + struct.pack(">I4sQ", 1, b"mdat", 9), "is broken"),
        (box(b"ftyp") + struct.pack(">I4s", 1, b"mdat"), "is broken"),
        (box(b"ftyp") + struct.pack(">I4sQ", 1, b"mdat", 2**63), "after the file"),
        (box(b"ftyp") + box(b"mdat"), "lacks the box moov"),
        (box(b"ftyp") + box(b"moov"), "lacks the box mdat"),
        (box(b"ftyp") + box(b"free") * 100_001, "too many boxes"),
    ],
)
def test_what_is_no_whole_video_is_told_why(content: bytes, reason: str) -> None:
    assert reason in (said(content) or "")


def test_webm_passes_only_where_it_was_promised() -> None:
    assert said(WEBM, "video/webm; codecs=vp9") is None
    assert said(HTML, "video/webm") is not None
    assert said(WEBM, None) is not None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(content: bytes) -> None:
    for head in (b"", box(b"ftyp"), mp4(3)):
        assert said(head + content) is None or said(head + content)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 200), st.binary(min_size=1, max_size=8))
def test_no_change_of_a_video_makes_it_fail(at: int, change: bytes) -> None:
    content = bytearray(mp4(50))
    content[at : at + len(change)] = change
    said(bytes(content))
