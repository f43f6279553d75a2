"""The ready clips, and the script that makes them; the reader of forms."""

from pathlib import Path
from typing import Any

import av
import pytest

from handlers import mp4
from receiver.simulator import make_clips
from receiver.simulator.files import LENGTHS, film, picture
from receiver.simulator.multipart import form

CLIPS = Path(make_clips.__file__).parent / "clips"


def described(path: Path) -> tuple[str, int, int, int]:
    with av.open(str(path), "r") as container:
        stream = container.streams.video[0]
        return stream.codec_context.name, stream.width, stream.height, len(list(container.decode(video=0)))


def test_there_is_a_clip_of_every_length_and_none_is_large() -> None:
    assert LENGTHS == make_clips.LENGTHS
    assert {path.name for path in CLIPS.glob("*.mp4")} == {f"{length}.mp4" for length in LENGTHS}
    assert max(path.stat().st_size for path in CLIPS.iterdir()) < 50_000


@pytest.mark.parametrize("length", LENGTHS)
def test_a_ready_clip_is_as_long_as_its_name_says(length: int) -> None:
    assert described(CLIPS / f"{length}.mp4") == ("h264", 160, 90, 12 * length)


def test_the_script_makes_such_a_clip(tmp_path: Path) -> None:
    made = tmp_path / "4.mp4"
    make_clips.make(made, 4)
    assert described(made) == described(CLIPS / "4.mp4")


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (1280, 720)),
        ({"size": "1920x1080"}, (1920, 1080)),
        ({"aspect_ratio": "9:16"}, (720, 1280)),
        ({"aspectRatio": "1:1"}, (720, 720)),
        ({"aspect_ratio": "Auto"}, (1280, 720)),
        ({"aspect_ratio": 7}, (1280, 720)),
        ({"aspect_ratio": "1:99"}, (720, 9999)),
    ],
)
def test_a_clip_has_the_size_that_was_ordered(fields: dict[str, Any], size: tuple[int, int]) -> None:
    assert picture(fields) == size


@pytest.mark.parametrize("seconds", [1, 8, 30, 60])
def test_a_clip_lasts_as_long_as_was_ordered(seconds: int, tmp_path: Path) -> None:
    made = tmp_path / "made.mp4"
    made.write_bytes(film(seconds, 720, 1280))
    with made.open("rb") as file:
        found = mp4.film(file)
    assert (found.width, found.height) == (720, 1280)
    with av.open(str(made), "r") as container:
        assert [found.seconds, (container.duration or 0) / 1_000_000] == pytest.approx([seconds, seconds], rel=0.003)
        assert next(container.decode(video=0)).width == 160


def test_a_form_is_read_with_its_files() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na h\xc3\xa9ron\r\n'
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        b"\x89PNG\r\n\x1a\n\x00\xff\r\n--b--\r\n"
    )
    found = form("multipart/form-data; boundary=b", body)
    assert found is not None
    assert found["prompt"].content.decode() == "a héron"
    assert (found["image"].content, found["image"].filename) == (b"\x89PNG\r\n\x1a\n\x00\xff", "a.png")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", ""])
def test_what_is_no_form_is_none(content_type: str) -> None:
    assert form(content_type, b"{}") is None
