"""Downloader: what lands under a final name, from good, dead, cut, endless and lying hosts."""

import asyncio
import errno
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from handlers import downloader
from handlers.downloader import HANDLER, DownloaderOptions
from handlers.landing import in_thread
from handlers.protocol import Done, GiveUp, Handler, Outcome, Parcel, Saved, TryLater
from schemas.errors import Unanswered
from schemas.event import Event, Video
from schemas.values import replace
from schemas.vendor import Answer
from tests.support.clips import HTML, WEBM, film, mp4, track
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.parcels import NOW, READY, nothing_fresh, parcel, tools

CLIP = mp4()
SHA = hashlib.sha256(CLIP).hexdigest()
JOB = READY.job_id
FINAL = f"clips/vrex/{JOB}-1.mp4"
Fresh = Callable[[str], Awaitable[tuple[Video, ...]]]


def event_at(*urls: str, expires_in: float | None = 3600) -> Event:
    """A completed clip with these URLs."""
    end = None if expires_in is None else NOW + timedelta(seconds=expires_in)
    return replace(READY, videos=tuple(Video(url, "video/mp4", end) for url in urls))


def handler_in(folder: Path, fresh: Fresh = nothing_fresh, **options: Any) -> Handler:
    """Make a downloader into `clips` of this folder."""
    found = DownloaderOptions.model_validate({"target": "clips", **options})
    return HANDLER.make(found, tools(folder, fresh=fresh))


def deliver(folder: Path, event: Event, fresh: Fresh = nothing_fresh, **options: Any) -> Outcome:
    """Deliver one event to a new downloader."""

    async def main() -> Outcome:
        return (await handler_in(folder, fresh, **options).deliver([parcel(event)]))["dlv_1"]

    return asyncio.run(main())


def files(folder: Path) -> set[str]:
    """The files under a folder, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def giving(*videos: Video) -> tuple[Fresh, list[str]]:
    """A vendor that gives these videos, and the list of what it was asked for."""
    asked: list[str] = []

    async def fresh(job_id: str) -> tuple[Video, ...]:
        asked.append(job_id)
        return videos

    return fresh, asked


def test_a_clip_is_saved_with_its_event_beside_it(tmp_path: Path) -> None:
    with serving(Reply(200, CLIP, {"content-type": "video/mp4"})) as server:
        event = event_at(f"{server.url}/a.mp4")
        outcome = deliver(tmp_path, event)
    path = tmp_path / FINAL
    assert outcome == Done("1 saved, 5.1 kB", (Saved(1, str(path), len(CLIP), SHA),))
    assert path.read_bytes() == CLIP
    assert files(tmp_path) == {FINAL, f"clips/vrex/{JOB}.json"}
    assert json.loads((path.parent / f"{JOB}.json").read_bytes()) == event.to_json()
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_the_head_of_a_film_says_is_told_with_the_file(tmp_path: Path) -> None:
    with serving(Reply(200, film(8040, 1000, track(1280, 720)))) as server:
        for _ in range(2):  # once loaded, once found there
            outcome = deliver(tmp_path, event_at(server.url))
            assert isinstance(outcome, Done)
            (saved,) = outcome.saved
            assert (saved.seconds, saved.width, saved.height) == (8.04, 1280, 720)


def test_several_videos_are_numbered_and_those_saved_are_not_loaded_again(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        return Reply(200, mp4(100 + int(seen.path[-1]))) if up or seen.path != "/2" else Reply(503)

    up = False
    with serving() as server:
        server.answer(answer)
        event = event_at(*(f"{server.url}/{n}" for n in (1, 2, 3)))
        assert isinstance(deliver(tmp_path, event), TryLater)
        up = True
        outcome = deliver(tmp_path, event)
        assert [seen.path for seen in server.seen] == ["/1", "/2", "/2", "/3"]
    assert isinstance(outcome, Done)
    assert [(s.number, Path(s.path).name) for s in outcome.saved] == [(n, f"{JOB}-{n}.mp4") for n in (1, 2, 3)]
    assert [s.bytes for s in outcome.saved] == [len(mp4(100 + n)) for n in (1, 2, 3)]


def test_a_clip_that_is_there_is_not_loaded_again(tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        event = event_at(server.url)
        assert deliver(tmp_path, event) == deliver(tmp_path, event)
        assert len(server.seen) == 1


def test_an_object_key_is_nothing_to_download(tmp_path: Path) -> None:
    outcome = deliver(tmp_path, event_at("video-gen/raw.mp4"))
    assert outcome == Done("nothing to download: the vendor gave no web address")
    assert files(tmp_path) == set()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_dead_url_is_renewed_at_the_vendor(tmp_path: Path, status: int) -> None:
    with serving(Reply(status), Reply(200, CLIP)) as server:
        fresh, asked = giving(Video(f"{server.url}/fresh"))
        assert isinstance(deliver(tmp_path, event_at(f"{server.url}/old"), fresh), Done)
        assert [seen.path for seen in server.seen] == ["/old", "/fresh"]
    assert asked == [JOB]


def test_a_url_near_its_end_is_renewed_before_it_is_tried(tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        fresh, asked = giving(Video(f"{server.url}/fresh", "video/mp4", NOW + timedelta(hours=1)))
        assert isinstance(deliver(tmp_path, event_at(f"{server.url}/old", expires_in=59), fresh), Done)
        assert [seen.path for seen in server.seen] == ["/fresh"]
    assert asked == [JOB]


def test_a_url_with_time_left_is_not_renewed(tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        fresh, asked = giving(Video(f"{server.url}/fresh"))
        deliver(tmp_path, event_at(f"{server.url}/old", expires_in=61), fresh)
    assert asked == []


def test_a_url_near_its_end_that_nobody_renews_is_tried_all_the_same(tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        assert isinstance(deliver(tmp_path, event_at(server.url, expires_in=-5)), Done)


def test_the_vendor_is_asked_once_an_attempt(tmp_path: Path) -> None:
    with serving(Reply(403)) as server:
        fresh, asked = giving(Video(f"{server.url}/1"), Video(f"{server.url}/2"))
        outcome = deliver(tmp_path, event_at(f"{server.url}/a", f"{server.url}/b"), fresh)
    assert outcome == TryLater("HTTP 403")
    assert len(asked) == 1


def test_an_expired_url_that_nothing_renews_is_given_up(tmp_path: Path) -> None:
    with serving(Reply(403)) as server:
        assert deliver(tmp_path, event_at(server.url, expires_in=-1)) == GiveUp(
            "HTTP 403; the URL has expired and the vendor gives no fresh one"
        )
        assert deliver(tmp_path, event_at(server.url, expires_in=None)) == TryLater("HTTP 403")
    assert files(tmp_path) == {f"clips/vrex/{JOB}.json"}


def test_a_vendor_that_cannot_be_asked_is_asked_later(tmp_path: Path) -> None:
    async def broken(_: str) -> tuple[Video, ...]:
        raise Unanswered("vendor.example: no answer")

    with serving(Reply(410)) as server:
        outcome = deliver(tmp_path, event_at(server.url, expires_in=-1), broken)
    assert outcome == TryLater("HTTP 410; the vendor gave no fresh URL: vendor.example: no answer")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(500), TryLater("HTTP 500", answer="")),
        (Reply(429, b"", {"retry-after": "7"}), TryLater("HTTP 429", after=7, answer="")),
        (Reply(402), GiveUp("HTTP 402", answer="")),
        (Reply(204), TryLater("HTTP 204")),
        (Reply(304), GiveUp("HTTP 304", answer="")),
        (Reply(416), TryLater("HTTP 416: the host's file has changed", after=1)),
        (Reply(206, CLIP), TryLater("the host sent a part of the file, unasked", after=1)),
        (
            Reply(200, HTML, {"content-type": "text/html; charset=utf-8"}),
            TryLater("the host sent a page instead of the video"),
        ),
        (
            Reply(200, HTML, {"content-type": "video/mp4"}),
            TryLater("what the host sent is no whole video: it does not begin as an MP4 file does"),
        ),
        (Reply(200, b""), TryLater("what the host sent is no whole video: it is empty")),
        (
            Reply(200, CLIP[:-10], unsized=True),
            TryLater(
                "what the host sent is no whole video: it is cut short: "
                "the box at byte 132 ends 10 bytes after the file"
            ),
        ),
        (Reply(200, CLIP, {"content-length": "999999"}), None),
        (Reply(200, CLIP, cut=3000), None),
    ],
)
def test_nothing_but_a_whole_video_gets_its_name(tmp_path: Path, reply: Reply, outcome: Outcome | None) -> None:
    with serving(reply) as server:
        got = deliver(tmp_path, event_at(server.url))
    assert got == outcome if outcome else isinstance(got, TryLater)
    assert files(tmp_path) == {f"clips/vrex/{JOB}.json"}


def test_a_host_that_nobody_answers_at_is_tried_later(tmp_path: Path) -> None:
    assert isinstance(deliver(tmp_path, event_at(f"http://127.0.0.1:{closed_port()}/x")), TryLater)


def test_a_private_address_is_given_up(tmp_path: Path) -> None:
    outcome = deliver(tmp_path, event_at("http://10.0.0.1/clip.mp4"))
    assert isinstance(outcome, GiveUp)
    assert "network.allow" in outcome.reason


@pytest.mark.parametrize(
    "reply",
    [Reply(200, mp4(20_000)), Reply(200, mp4(20_000), unsized=True), Reply(200, b"\x22" * 50_000, endless=True)],
)
def test_a_video_over_the_size_is_given_up_and_leaves_nothing(tmp_path: Path, reply: Reply) -> None:
    with serving(reply) as server:
        outcome = deliver(tmp_path, event_at(server.url), max_size="16KiB")
    assert outcome == GiveUp("the video is larger than max_size (16.4 kB)")
    assert files(tmp_path) == {f"clips/vrex/{JOB}.json"}


def test_redirects_are_followed_a_little_way(tmp_path: Path) -> None:
    with serving(Reply(302, b"", {"location": "/b"}), Reply(307, b"", {"location": "/c"}), Reply(200, CLIP)) as server:
        assert isinstance(deliver(tmp_path, event_at(f"{server.url}/a")), Done)
        assert [seen.path for seen in server.seen] == ["/a", "/b", "/c"]
    with serving(Reply(302, b"", {"location": "/loop"})) as server:
        got = deliver(tmp_path / "other", event_at(server.url))
        assert got == GiveUp("the host sent us on more than 3 times")
        assert len(server.seen) == 4


def test_a_redirect_into_the_private_net_is_not_followed(tmp_path: Path) -> None:
    with serving(Reply(302, b"", {"location": "http://169.254.169.254/latest/meta-data"})) as server:
        assert isinstance(deliver(tmp_path, event_at(server.url)), GiveUp)


def ranged(server: Server, content: bytes, etag: str, cuts: list[int]) -> None:
    """Serve ranges of a file, each answer cut after so many bytes."""

    def answer(seen: Seen) -> Reply:
        start = int(seen.headers.get("range", "bytes=0-")[6:-1])
        if start and seen.headers.get("if-range") != etag:
            start = 0
        cut = cuts.pop(0) if cuts else None
        head = {
            "etag": etag,
            **({"content-range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}),
        }
        return Reply(206 if start else 200, content[start:], head, cut=cut)

    server.answer(answer)


def attempts(handler: Handler, event: Event, count: int) -> list[Outcome]:
    """Deliver the same parcel so often."""

    async def main() -> list[Outcome]:
        return [(await handler.deliver([parcel(event)]))["dlv_1"] for _ in range(count)]

    return asyncio.run(main())


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    clip = mp4(300_000)
    with serving() as server:
        ranged(server, clip, '"v1"', [100_000, 50_000])
        outcomes = attempts(handler_in(tmp_path), event_at(server.url), 3)
        starts = [seen.headers.get("range") for seen in server.seen]
    assert [type(outcome) for outcome in outcomes] == [TryLater, TryLater, Done]
    assert starts == [None, "bytes=100000-", "bytes=150000-"]
    assert (tmp_path / FINAL).read_bytes() == clip
    assert files(tmp_path) == {FINAL, f"clips/vrex/{JOB}.json"}


def test_a_file_that_changed_meanwhile_is_loaded_from_its_start(tmp_path: Path) -> None:
    with serving() as server:
        handler = handler_in(tmp_path)
        ranged(server, mp4(300_000), '"v1"', [100_000])
        attempts(handler, event_at(server.url), 1)
        ranged(server, mp4(200_000, b"\x33"), '"v2"', [])
        attempts(handler, event_at(server.url), 1)
    assert (tmp_path / FINAL).read_bytes() == mp4(200_000, b"\x33")


def test_without_a_strong_etag_nothing_is_kept_of_a_broken_download(tmp_path: Path) -> None:
    with serving(Reply(200, CLIP, {"etag": 'W/"v1"'}, cut=3000)) as server:
        attempts(handler_in(tmp_path), event_at(server.url), 1)
    assert files(tmp_path) == {f"clips/vrex/{JOB}.json"}


def test_a_partial_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / "clips" / "vrex" / f".{JOB}-1.mp4.dlv_1.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"rubbish")
    with serving(Reply(200, CLIP)) as server:
        assert isinstance(deliver(tmp_path, event_at(server.url)), Done)
    assert (tmp_path / FINAL).read_bytes() == CLIP
    assert not left.exists()


def test_a_partial_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    left = tmp_path / "clips" / "vrex" / f".{JOB}-1.mp4.dlv_1.partial"
    left.parent.mkdir(parents=True)
    left.symlink_to(victim)
    with serving(Reply(200, CLIP)) as server:
        assert isinstance(deliver(tmp_path, event_at(server.url)), Done)
    assert victim.read_bytes() == b"mine"


def test_a_folder_that_leads_out_of_the_target_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "clips" / "vrex").symlink_to(tmp_path / "elsewhere")
    with serving(Reply(200, CLIP)) as server:
        outcome = deliver(tmp_path, event_at(server.url))
    assert isinstance(outcome, TryLater)
    assert "leads out of" in outcome.reason
    assert files(tmp_path / "elsewhere") == set()


def test_a_target_that_is_a_link_itself_is_the_operators_word(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "clips").symlink_to(tmp_path / "disk")
    with serving(Reply(200, CLIP)) as server:
        assert isinstance(deliver(tmp_path, event_at(server.url)), Done)
    assert f"disk/vrex/{JOB}-1.mp4" in files(tmp_path)


def test_a_file_of_another_job_is_not_overwritten(tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        first = deliver(tmp_path, event_at(server.url), name="{slug}")
        again = deliver(tmp_path, event_at(server.url), name="{slug}")
        assert first == again
        server.script(Reply(200, mp4(9)))
        other = deliver(tmp_path, replace(event_at(server.url), job_id="job_other"), name="{slug}")
        server.script(Reply(200, mp4(10)))
        third = deliver(tmp_path, replace(event_at(server.url), job_id="job_other"), name="{slug}")
    assert (tmp_path / "clips/a-cat-rides-a-bicycle.mp4").read_bytes() == CLIP
    assert isinstance(other, Done)
    assert Path(other.saved[0].path).name == "a-cat-rides-a-bicycle-job_other.mp4"
    assert isinstance(third, GiveUp)
    assert "move it away" in third.reason
    assert not [name for name in files(tmp_path) if name.endswith(".partial")]


def test_a_broken_file_under_the_final_name_is_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "clips/vrex").mkdir(parents=True)
    (tmp_path / FINAL).write_bytes(b"cut")
    with serving(Reply(200, CLIP)) as server:
        outcome = deliver(tmp_path, event_at(server.url))
    assert isinstance(outcome, GiveUp)
    assert (tmp_path / FINAL).read_bytes() == b"cut"


def test_a_webm_file_is_saved_as_one(tmp_path: Path) -> None:
    with serving(Reply(200, WEBM)) as server:
        event = replace(event_at(server.url), videos=(Video(server.url, "video/webm"),))
        outcome = deliver(tmp_path, event)
    assert isinstance(outcome, Done)
    assert outcome.saved[0].mime_type == "video/webm"
    assert Path(outcome.saved[0].path).suffix == ".webm"


def test_a_folder_that_cannot_be_written_is_tried_later(tmp_path: Path) -> None:
    (tmp_path / "clips").write_bytes(b"a file")
    with serving(Reply(200, CLIP)) as server:
        outcome = deliver(tmp_path, event_at(server.url))
    assert isinstance(outcome, TryLater)
    assert "cannot be written" in outcome.reason


def test_a_cancelled_download_leaves_no_file(tmp_path: Path) -> None:
    async def main(server: Server) -> None:
        task = asyncio.ensure_future(handler_in(tmp_path).deliver([parcel(event_at(server.url))]))
        while not any(name.endswith(".mp4.dlv_1.partial") for name in files(tmp_path)):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(Reply(200, CLIP, pause=0.05)) as server:
        asyncio.run(main(server))
    assert files(tmp_path) == {f"clips/vrex/{JOB}.json"}


def test_parcels_are_saved_one_by_one(tmp_path: Path) -> None:
    async def main(given: list[Parcel]) -> dict[str, Outcome]:
        return dict(await handler_in(tmp_path).deliver(given))

    with serving(Reply(200, CLIP)) as server:
        given = [parcel(replace(event_at(server.url), job_id=f"job_{n}"), key=f"dlv_{n}") for n in (1, 2)]
        assert set(asyncio.run(main(given))) == {"dlv_1", "dlv_2"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("max_size", "2 GB", "must be a number with B, KiB"),
        ("max_size", "0B", "must be more than nothing"),
        ("name", "../{n}", "must be a relative path"),
        ("target", " ", "must be a folder"),
    ],
)
def test_options_that_cannot_work_are_refused_at_the_start(key: str, value: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DownloaderOptions.model_validate({"target": "clips", key: value})


def test_posters_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloader, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match="needs the extra video"):
        DownloaderOptions(target="clips", posters=True)


class Short:
    """A way out whose streams end early without saying so, as a careless one would."""

    status = 200
    headers: Mapping[str, str] = MappingProxyType({"content-length": str(len(CLIP))})

    async def chunks(self) -> AsyncIterator[bytes]:
        yield CLIP[:-1]

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float, max_bytes: int
    ) -> AsyncIterator["Short"]:
        yield self

    async def call(self, method: str, url: str, **_: Any) -> Answer:
        raise Unanswered(method + url)


def test_a_length_that_does_not_match_is_seen_whoever_carries_it(tmp_path: Path) -> None:
    handler = HANDLER.make(DownloaderOptions(target="clips"), tools(tmp_path, http=Short()))
    assert attempts(handler, event_at("https://a.b/c"), 1) == [TryLater(f"{len(CLIP) - 1} of {len(CLIP)} bytes came")]


def test_a_disk_without_links_gets_its_files_by_renaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with serving(Reply(200, CLIP)) as server:
        first = deliver(tmp_path, event_at(server.url), name="{slug}")
        assert first == deliver(tmp_path, event_at(server.url), name="{slug}")
        server.script(Reply(200, mp4(9)))
        other = deliver(tmp_path, replace(event_at(server.url), job_id="job_other"), name="{slug}")
    assert isinstance(other, Done)
    assert (tmp_path / "clips/a-cat-rides-a-bicycle.mp4").read_bytes() == CLIP
    assert Path(other.saved[0].path).read_bytes() == mp4(9)


def test_a_disk_that_fails_is_told_and_tried_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving(Reply(200, CLIP)) as server:
        monkeypatch.setattr(os, "link", full)
        outcome = deliver(tmp_path, event_at(server.url))
    where = f"{tmp_path}/clips"
    assert outcome == TryLater(f"{where} cannot be written: no space left on device", no_room_at=where)
    assert files(tmp_path) == {f"clips/vrex/{JOB}.json"}


def test_a_thread_outlives_a_cancellation_and_its_error_is_nobodys() -> None:
    ended: list[str] = []

    def work() -> None:
        time.sleep(0.1)
        ended.append("ended")
        raise OSError("too late")

    async def main() -> None:
        task = asyncio.ensure_future(in_thread(work))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["ended"]

    asyncio.run(main())
