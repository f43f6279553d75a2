"""Posters: a picture beside the file, drawn by a process of its own; without one the file is saved all the same."""

import asyncio
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from handlers import poster_program, posters
from handlers.downloader import HANDLER, DownloaderOptions
from handlers.poster_program import draw
from handlers.posters import poster_of
from handlers.protocol import Done, Outcome
from schemas.event import Video
from schemas.values import replace
from tests.support.clips import mp4
from tests.support.http_server import Reply, serving
from tests.support.parcels import READY, parcel, tools

JOB = READY.job_id


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a film of five grey pictures."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 2000, 500, "yuv420p"
        for number in range(5):
            frame = av.VideoFrame(2000, 500, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([100 + number * 20]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def deliver(folder: Path, content: bytes) -> Outcome:
    async def main(url: str) -> Outcome:
        handler = HANDLER.make(DownloaderOptions(target="clips", posters=True), tools(folder))
        return (await handler.deliver([parcel(replace(READY, videos=(Video(url),)))]))["dlv_1"]

    with serving(Reply(200, content)) as server:
        first = asyncio.run(main(server.url))
        assert asyncio.run(main(server.url)) == first
    return first


def test_a_saved_clip_has_its_picture_beside_it(film: Path, tmp_path: Path) -> None:
    outcome = deliver(tmp_path, film.read_bytes())
    picture = tmp_path / "clips" / "vrex" / f"{JOB}-1.jpg"
    assert isinstance(outcome, Done)
    assert outcome.saved[0].poster == str(picture)
    with av.open(str(picture), format="mjpeg") as container:
        frame = next(container.decode(video=0))
    assert isinstance(frame, av.VideoFrame)
    assert (frame.width, frame.height) == (1280, 320)


def test_a_clip_without_a_picture_is_saved_all_the_same(tmp_path: Path) -> None:
    outcome = deliver(tmp_path, mp4())
    assert isinstance(outcome, Done)
    assert outcome.saved[0].poster is None
    assert {path.suffix for path in (tmp_path / "clips" / "vrex").iterdir()} == {".mp4", ".json"}


def test_a_drawing_that_takes_too_long_is_ended(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posters, "_SECONDS", 0.001)
    assert asyncio.run(poster_of(film)) is None


def test_a_small_film_keeps_its_size(film: Path, tmp_path: Path) -> None:
    draw(str(film), str(tmp_path / "poster.jpg"))
    assert (tmp_path / "poster.jpg").read_bytes().startswith(b"\xff\xd8\xff")


LIMITED = """
import sys, time
sys.path.insert(0, sys.argv[1])
import poster_program, resource
poster_program.limit()
print(resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[0])
try:
    bytearray(5 << 30)
except MemoryError:
    print("no memory")
try:
    open(sys.argv[2], "wb").write(bytes(9 << 20))
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
def test_the_program_that_draws_has_little_memory_time_and_disk(tmp_path: Path) -> None:
    folder = str(Path(str(poster_program.__file__)).parent)
    ran = subprocess.run(
        [sys.executable, "-I", "-c", LIMITED, folder, str(tmp_path / "large")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.stdout.splitlines() == ["20 8388608", "no memory", "File too large"]
    assert (tmp_path / "large").stat().st_size == 8 << 20
