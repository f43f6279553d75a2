"""Showing: the file and the poster that a message may carry, over a real store, and how long one waits for them."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from handlers.protocol import Saved
from receiver import showing
from receiver.kit import Kit
from receiver.posts import routes_of
from receiver.showing import Showing
from receiver.store.opening import open_store
from receiver.store.protocol import Clip, Store
from receiver.work import make_kit
from schemas.event import Event, EventType, at
from schemas.values import replace
from tests.support.configuration import TEAM, TOP, VREX, configured
from tests.support.parcels import ALERT, FAILED, READY, SAVED
from tests.support.stored import NOON, SECOND, a_job, delivery, finished, placed, taken, tell, told

FILES = '\n[handlers.files]\ntype = "downloader"\ntarget = "clips"\nposters = true\n'
BARE = '\n[handlers.bare]\ntype = "downloader"\ntarget = "other"\n'
EVENT = replace(READY, job_id="job_0001", received_at=at(NOON))
CLIP = Clip("clp_1", "job_0001", 1, "files", "/clips/a.mp4", 9, "0" * 64, "video/mp4", "/clips/a.jpg", NOON)


def shown(
    folder: Path, sections: str, scenario: Callable[[Showing, Store], Coroutine[Any, Any, Any]], now: int = NOON
) -> Any:
    """Play a scenario on a store with one job, at noon."""

    async def main() -> Any:
        settings = configured(folder, TOP + VREX + TEAM + sections)
        async with open_store(f"sqlite:///{folder}/clipbell.db") as store:
            await placed(store, a_job())
            kit: Kit = replace(make_kit(settings, store), now=lambda: now)
            return await scenario(Showing(kit, routes_of(settings)), store)

    return asyncio.run(main())


async def save(store: Store, *clips: Clip) -> None:
    """Note saved files as a delivery of their handler does."""
    for clip in clips:
        number = int(clip.id[-1])
        await tell(store, told(number, delivery(number, clip.handler)))
        [claimed] = await taken(store, clip.handler)
        await finished(store, claimed, clips=(clip,))


def test_a_saved_clip_is_found_at_once(tmp_path: Path) -> None:
    async def scenario(find: Showing, store: Store) -> list[Saved | None]:
        await save(store, CLIP)
        return [await find(EVENT), await find(EVENT, with_poster=True)]

    saved = Saved(1, "/clips/a.mp4", 9, "0" * 64, poster="/clips/a.jpg")
    assert shown(tmp_path, FILES, scenario) == [saved, saved]


def test_one_that_is_on_its_way_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "LOOK", 0.02)

    async def scenario(find: Showing, store: Store) -> tuple[bool, Saved | None]:
        await tell(store, told(1, delivery(1, "files")))
        [claimed] = await taken(store, "files")
        waiting = asyncio.ensure_future(find(EVENT, with_poster=True))
        await asyncio.sleep(0.2)
        was_waiting = not waiting.done()
        await finished(store, claimed, clips=(CLIP,))
        return was_waiting, await asyncio.wait_for(waiting, 10)

    was_waiting, saved = shown(tmp_path, FILES, scenario)
    assert was_waiting
    assert saved is not None
    assert saved.poster == "/clips/a.jpg"


@pytest.mark.parametrize(
    "sections",
    [FILES, FILES.replace('"clips"', '"s3://bucket/clips"')],
    ids=["nothing is to save it", "the clip is saved in a bucket"],
)
def test_who_has_nothing_to_wait_for_does_not_wait(tmp_path: Path, sections: str) -> None:
    async def scenario(find: Showing, store: Store) -> tuple[Saved | None, float]:
        if "s3://" in sections:
            await tell(store, told(1, delivery(1, "files")))
        began = time.monotonic()
        return await find(EVENT, with_poster="s3://" not in sections), time.monotonic() - began

    saved, took = shown(tmp_path, sections, scenario)
    assert saved is None
    assert took < 5


def test_a_poster_in_a_bucket_is_waited_for_and_found_and_one_on_this_disk_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "LOOK", 0.02)
    far = replace(CLIP, id="clp_4", handler="far", path="s3://bucket/a.mp4", poster="s3://bucket/a.jpg", at=NOON - 1)

    async def scenario(find: Showing, store: Store) -> list[str | None]:
        await tell(store, told(4, delivery(4, "far")))
        [claimed] = await taken(store, "far")
        waiting = asyncio.ensure_future(find(EVENT, with_poster=True))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await finished(store, claimed, clips=(far,))
        first = await asyncio.wait_for(waiting, 10)
        bare = await find(EVENT)
        await save(store, CLIP)
        second = await find(EVENT, with_poster=True)
        return [each.poster if each else None for each in (first, bare, second)]

    sections = FILES + FILES.replace("handlers.files", "handlers.far").replace('"clips"', '"s3://bucket/clips"')
    assert shown(tmp_path, sections, scenario) == ["s3://bucket/a.jpg", None, "/clips/a.jpg"]


@pytest.mark.parametrize(
    ("sections", "event", "now"),
    [
        ("", EVENT, NOON),
        (BARE, EVENT, NOON),
        (FILES + 'tags = ["other"]\n', EVENT, NOON),
        (FILES, EVENT, NOON + 11 * SECOND),
        (FILES, replace(FAILED, job_id="job_0001", received_at=at(NOON)), NOON),
        (FILES, replace(ALERT, received_at=at(NOON)), NOON),
        (FILES, replace(EVENT, job_id=None), NOON),
    ],
    ids=["nobody saves", "nobody draws", "not this clip", "too late", "no clip", "an alert", "no job"],
)
def test_what_will_not_come_is_not_waited_for(tmp_path: Path, sections: str, event: Event, now: int) -> None:
    async def scenario(find: Showing, store: Store) -> tuple[Saved | None, float]:
        begin = time.monotonic()
        return await find(event, with_poster=True), time.monotonic() - begin

    saved, seconds = shown(tmp_path, sections, scenario, now)
    assert saved is None
    assert seconds < 2


def test_the_first_file_on_this_disk_counts_best_one_with_a_poster(tmp_path: Path) -> None:
    second = replace(CLIP, id="clp_2", number=2, path="/clips/b.mp4")
    bare = replace(CLIP, id="clp_3", handler="bare", path="/other/a.mp4", poster=None)
    far = replace(CLIP, id="clp_4", handler="far", path="s3://bucket/a.mp4", poster="s3://bucket/a.jpg")

    async def scenario(find: Showing, store: Store) -> list[str]:
        await save(store, second, bare, far)
        first = await find(EVENT)
        await save(store, replace(CLIP, id="clp_5"))
        about = replace(EVENT, type=EventType.SAVED, detail={**(SAVED.detail or {}), "path": "/clips/b.mp4"})
        return [found.path for found in (first, await find(EVENT), await find(about)) if found]

    assert shown(tmp_path, FILES + BARE, scenario) == ["/other/a.mp4", "/clips/a.mp4", "/clips/b.mp4"]


def test_a_store_that_cannot_be_asked_holds_no_message_back(tmp_path: Path) -> None:
    async def scenario(find: Showing, store: Store) -> Saved | None:
        await store.close()
        return await find(EVENT)

    assert shown(tmp_path, FILES, scenario) is None
