"""Which part of a file a request gets, and what is no file."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from receiver.web.files import OpenFile, open_file, opened, part_of

FILE = OpenFile(-1, 1000, 0.0, '"tag"')
WHOLE, NOTHING = (200, 0, 1000), (416, 0, 0)

RANGES: list[tuple[str, tuple[int, int, int]]] = [
    ("bytes=0-0", (206, 0, 1)),
    ("bytes=0-999", (206, 0, 1000)),
    ("bytes=0-", (206, 0, 1000)),
    ("bytes=500-", (206, 500, 1000)),
    ("bytes=100-199", (206, 100, 200)),
    ("bytes=900-5000", (206, 900, 1000)),
    ("bytes=-1", (206, 999, 1000)),
    ("bytes=-5000", (206, 0, 1000)),
    (" bytes=1-2 ", (206, 1, 3)),
    ("bytes=1000-", NOTHING),
    ("bytes=5000-6000", NOTHING),
    ("bytes=-0", NOTHING),
    # what is no range of ours is as if it were not there
    ("bytes=5-2", WHOLE),
    ("bytes=0-1,5-6", WHOLE),
    ("bytes=-", WHOLE),
    ("bytes=", WHOLE),
    ("items=0-1", WHOLE),
    ("bytes=0x1-2", WHOLE),
    ("bytes=" + "9" * 30 + "-", WHOLE),
    ("bytes=" + ",".join(["0-"] * 5000), WHOLE),
]


@pytest.mark.parametrize(("asked", "part"), RANGES)
def test_a_range_gives_a_part(asked: str, part: tuple[int, int, int]) -> None:
    assert part_of(FILE, {}, {"range": asked}) == part


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({"if-range": '"tag"'}, (206, 0, 10)),
        ({"if-range": '"other"'}, WHOLE),
        ({"if-range": 'W/"tag"'}, WHOLE),
        ({"if-range": "Wed, 01 Jan 2025 12:00:00 GMT"}, WHOLE),
        ({"if-none-match": '"tag"'}, (304, 0, 0)),
        ({"if-none-match": 'W/"tag"'}, (304, 0, 0)),
        ({"if-none-match": '"a", "tag"'}, (304, 0, 0)),
        ({"if-none-match": "*"}, (304, 0, 0)),
        ({"if-none-match": '"other"'}, (206, 0, 10)),
    ],
)
def test_conditions_are_held(headers: dict[str, str], part: tuple[int, int, int]) -> None:
    assert part_of(FILE, headers, {"range": "bytes=0-9"}) == part


def test_an_empty_file_has_no_part() -> None:
    empty = OpenFile(-1, 0, 0.0, '"tag"')
    assert part_of(empty, {}, {}) == (200, 0, 0)
    assert part_of(empty, {}, {"range": "bytes=0-"}) == NOTHING


def test_only_a_regular_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "pipe", tmp_path / "folder", tmp_path / "none", "/dev/zero", "a\0b", "x" * 5000):
        assert open_file(str(path)) is None


async def cancelled(pool: ThreadPoolExecutor, opening: Callable[[], OpenFile | None]) -> None:
    """Give up waiting for a file while it is being opened."""
    begun, go = threading.Event(), threading.Event()

    def slowly() -> OpenFile | None:
        begun.set()
        go.wait(10)
        return opening()

    task = asyncio.ensure_future(opened(pool, slowly))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_file_that_nobody_waits_for_any_more_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"one")
    found: list[OpenFile] = []

    def opening() -> OpenFile | None:
        file = open_file(str(path))
        found.extend([file] if file else [])
        return file

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(cancelled(pool, opening))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(found[0].descriptor)


def test_a_file_that_could_not_be_opened_has_nothing_to_close() -> None:
    def opening() -> OpenFile | None:
        raise OSError("the bucket is silent")

    async def main(pool: ThreadPoolExecutor) -> None:
        with pytest.raises(OSError, match="silent"):
            await opened(pool, opening)
        await cancelled(pool, opening)

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(main(pool))


def test_another_content_has_another_etag(tmp_path: Path) -> None:
    tags = []
    for number, content in enumerate((b"one", b"two", b"three")):
        path = tmp_path / "clip.mp4"
        path.write_bytes(content)
        os.utime(path, ns=(number, number))
        found = open_file(str(path), "ab")
        assert found is not None
        assert found.read(1, 2) == content[1:3]
        found.close()
        tags.append(found.etag)
    assert len(set(tags)) == 3
