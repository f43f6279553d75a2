"""The box walk: what passes for a whole video, what its head says, and that nothing makes it fail or hang."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.mp4 import Film, film, problem
from receiver.simulator import files
from tests.support import clips
from tests.support.clips import HTML, WEBM, box, mp4, track


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


# --- the film ----------------------------------------------------------------------------------------------

WIDE, TALL, SOUND = track(1280, 720), track(1280, 720, turned=True), track(0, 0, b"soun")


def seen(content: bytes) -> Film:
    """What is read of these bytes."""
    return film(io.BytesIO(content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (clips.film(8040, 1000, WIDE), Film(8.04, 1280, 720)),
        (clips.film(8040, 1000, SOUND, track(720, 1280, long=True), long=True), Film(8.04, 720, 1280)),
        (clips.film(8000, 1000, TALL), Film(8, 720, 1280)),
        (clips.film(8000, 1000, track(320, 180), WIDE), Film(8, 1280, 720)),
        (clips.film(8000, 1000, track(1920, 1080, b"sbtl"), SOUND), Film(8)),
        (clips.film(0, 600, WIDE, mehd=3000), Film(5, 1280, 720)),
        (clips.film(0, 600, WIDE), Film(None, 1280, 720)),
        (clips.film(2**32 - 1, 600, WIDE), Film(None, 1280, 720)),
        (clips.film(2**64 - 1, 600, WIDE, long=True), Film(None, 1280, 720)),
        (clips.film(600, 0, WIDE), Film(None, 1280, 720)),
        (mp4(), Film()),
        (box(b"ftyp") + box(b"moov") + box(b"mdat"), Film()),
        (box(b"ftyp") + box(b"moov", box(b"trak", box(b"tkhd")) + box(b"mvhd", b"\0")), Film()),
        (WEBM, Film()),
        (HTML, Film()),
        (b"", Film()),
    ],
)
def test_a_head_is_read_as_far_as_it_says_something(content: bytes, expected: Film) -> None:
    assert seen(content) == expected


@pytest.mark.parametrize("seconds", files.LENGTHS)
def test_a_head_that_an_encoder_wrote_is_read(seconds: int) -> None:
    ready = files._ready(seconds)
    assert seen(ready) == Film(seconds, 160, 90)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 700), st.binary(min_size=1, max_size=12), st.integers(0, 700))
def test_no_change_of_a_head_makes_reading_it_fail(at: int, change: bytes, end: int) -> None:
    content = bytearray(clips.film(8040, 1000, WIDE, SOUND, mehd=8))
    content[at : at + len(change)] = change
    for whole in (bytes(content), bytes(content[:end])):
        found = seen(whole)
        assert found.seconds is None or found.seconds > 0
        assert (found.width is None) == (found.height is None) or 0 in (found.width or 0, found.height or 0)


def test_a_head_that_is_made_to_keep_us_busy_is_not_read_to_its_end() -> None:
    deep = b"".join(box(b"trak", box(b"free") * 1000) for _ in range(1000))
    file = Counting(box(b"ftyp") + box(b"moov", deep + box(b"mvhd", b"\0" * 100)) + box(b"mdat"))
    assert film(file) == Film()
    assert file.reads < 20_000


class Counting(io.BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)
