"""Room on a disk: downloads wait while there is too little, leave nothing behind, and go on when there is room again.

On a disk of a few MiB that is really filled, and by floors above and below what this machine's disk has free.
"""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.downloader import HANDLER, DownloaderOptions
from handlers.protocol import Done, Outcome, TryLater
from handlers.room import Room, free_bytes, is_full
from schemas.event import Event, Video
from schemas.values import replace
from tests.support.clips import mp4
from tests.support.http_server import Reply, Seen, Server, serving
from tests.support.parcels import READY, parcel, tools
from tests.support.small_disk import MIB, fill, small_disk

JOB = READY.job_id
CLIP = mp4(2 * MIB)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 8) as where:
        yield where


def event_at(url: str) -> Event:
    return replace(READY, videos=(Video(url, "video/mp4"),))


def deliver(folder: Path, url: str, times: int = 1, **options: Any) -> list[Outcome]:
    """Deliver one event so often to one downloader that saves below a folder."""

    async def main() -> list[Outcome]:
        found = DownloaderOptions.model_validate({"target": "clips", **options})
        handler = HANDLER.make(found, tools(folder))
        return [(await handler.deliver([parcel(event_at(url))]))["dlv_1"] for _ in range(times)]

    return asyncio.run(main())


def waits(outcome: Outcome, folder: Path) -> bool:
    """Whether a delivery waits for room at a folder."""
    return isinstance(outcome, TryLater) and outcome.no_room_at == str(folder / "clips")


def left(folder: Path) -> set[str]:
    """The files there, hidden ones too, but for the event and the ballast."""
    return {path.name for path in folder.rglob("*") if path.is_file()} - {f"{JOB}.json", "ballast"}


def test_nothing_is_fetched_while_less_than_the_floor_is_free(tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        (outcome,) = deliver(tmp_path, server.url, keep_free="900000TiB")
        assert server.seen == []
    assert waits(outcome, tmp_path)
    assert isinstance(outcome, TryLater)
    assert "must stay so (keep_free = 900000TiB)" in outcome.reason
    assert outcome.reason.startswith(f"{tmp_path}/clips cannot be written: ")
    assert left(tmp_path) == set()


def test_a_clip_whose_declared_size_would_pass_the_floor_is_not_begun(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    assert free is not None
    half = free // 2
    with serving(Reply(200, CLIP, {"content-length": str(half)}, cut=1000)) as server:
        (outcome,) = deliver(tmp_path, server.url, keep_free=f"{half // MIB + 2048}MiB", max_size="900000TiB")
    assert waits(outcome, tmp_path)
    assert isinstance(outcome, TryLater)
    assert "are to come" in outcome.reason
    assert left(tmp_path) == set()


def test_a_clip_of_unknown_size_stops_at_the_floor(disk: Path) -> None:
    with serving(Reply(200, mp4(7 * MIB), unsized=True)) as server:
        (outcome,) = deliver(disk, server.url, keep_free="4MiB")
    assert waits(outcome, disk)
    assert left(disk) == set()


def test_a_disk_that_is_full_in_the_middle_is_waited_for_and_then_the_clip_is_saved(disk: Path) -> None:
    with serving(Reply(200, mp4(900_000), unsized=True)) as server:
        fill(disk / "ballast", but=300_000)
        (outcome,) = deliver(disk, server.url, keep_free="0B")
        assert len(server.seen) == 1
        assert waits(outcome, disk)
        assert isinstance(outcome, TryLater)
        assert outcome.reason == f"{disk}/clips cannot be written: no space left on device"
        assert left(disk) == set()
        (disk / "ballast").unlink()
        (outcome,) = deliver(disk, server.url, keep_free="0B")
    assert isinstance(outcome, Done)
    assert left(disk) == {f"{JOB}-1.mp4"}


def test_a_disk_without_room_for_an_event_is_waited_for(disk: Path) -> None:
    fill(disk / "ballast")
    with serving(Reply(200, CLIP)) as server:
        (outcome,) = deliver(disk, server.url, keep_free="0B")
        assert server.seen == []
    assert waits(outcome, disk)


def test_what_a_broken_download_left_makes_room_for_its_own(disk: Path) -> None:
    """Else it would wait for the room that it takes up itself."""

    def answer(_: Seen) -> Reply:
        cut = None if len(server.seen) > 1 else MIB + MIB // 2
        return Reply(200, CLIP, {"etag": '"v1"'}, cut=cut)

    server: Server
    with serving() as server:
        server.answer(answer)
        fill(disk / "ballast", but=3 * MIB)
        outcomes = deliver(disk, server.url, 2, keep_free="900KiB")
    assert [type(outcome) for outcome in outcomes] == [TryLater, Done]
    assert left(disk) == {f"{JOB}-1.mp4"}


def test_a_resumed_download_needs_room_for_its_rest_alone(disk: Path) -> None:
    clip = mp4(4 * MIB)

    def answer(seen: Seen) -> Reply:
        start = int(seen.headers.get("range", "bytes=0-")[6:-1])
        head = {"etag": '"v1"', "content-range": f"bytes {start}-{len(clip) - 1}/{len(clip)}"}
        return Reply(206 if start else 200, clip[start:], head, cut=None if start else 2 * MIB)

    with serving() as server:
        server.answer(answer)
        fill(disk / "ballast", but=5 * MIB)
        outcomes = deliver(disk, server.url, 2, keep_free="512KiB")
        assert [seen.headers.get("range") for seen in server.seen] == [None, f"bytes={2 * MIB}-"]
    assert [type(outcome) for outcome in outcomes] == [TryLater, Done]


def test_a_bucket_needs_room_on_this_disk_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with serving(Reply(200, CLIP)) as server:
        (outcome,) = deliver(tmp_path, server.url, target="s3://clips", keep_free="900000TiB")
        assert server.seen == []
    assert isinstance(outcome, TryLater)
    assert outcome.no_room_at == str(tmp_path / ".clipbell-partials")


def test_what_else_goes_wrong_on_a_disk_is_no_want_of_room(tmp_path: Path) -> None:
    (tmp_path / "clips").write_bytes(b"a file")
    with serving(Reply(200, CLIP)) as server:
        (outcome,) = deliver(tmp_path, server.url, keep_free="0B")
    assert isinstance(outcome, TryLater)
    assert outcome.no_room_at is None
    assert [is_full(OSError(number, "")) for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO)] == [True, True, False]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that has no size")
def test_a_disk_that_does_not_say_what_is_free_has_no_floor() -> None:
    assert free_bytes(Path("/proc")) is None
    asyncio.run(Room(Path("/proc"), 2**60).hold())


def test_a_folder_that_is_not_made_yet_is_judged_by_where_it_will_be(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    free = free_bytes(Path("not/yet"))
    assert free is not None
    assert abs(free - os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize) < 2**30


def test_a_floor_is_a_size() -> None:
    with pytest.raises(ValidationError, match="must be a number with B, KiB"):
        DownloaderOptions.model_validate({"target": "clips", "keep_free": "1 GB"})
    assert DownloaderOptions(target="clips").keep_free == "1GiB"
