"""Callbacks behind the hatch, over a real store: what a vendor's file gets wrong, and what is counted."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from receiver.kit import Kit
from receiver.settings import load
from receiver.share import Share
from receiver.store.opening import open_store
from receiver.store.protocol import Query, Store
from receiver.web.callbacks import Callbacks
from receiver.web.hatch import Reply
from receiver.work import make_kit
from schemas.job import Job, JobState
from schemas.reading import Reading
from schemas.report import Report
from schemas.values import replace
from schemas.vendor import Terms

CONFIGURATION = f"""
secret_keys = ["{"k" * 32}"]
api_token = "{"t" * 32}"
[vendors.vrex]
api_key = "sk-x"
"""
BODY = b'{"event": "video.completed", "video_gen_id": "vg_1", "video_url": "https://e.com/1.mp4"}'


def broken(payload: Reading, terms: Terms) -> Report:
    raise ZeroDivisionError


def with_broken_vendor(kit: Kit) -> Kit:
    account = kit.settings.accounts["vrex"]
    account = replace(account, vendor=replace(account.vendor, report_from_callback=broken))
    accounts: Mapping[str, Any] = {"vrex": account}
    return replace(kit, settings=replace(kit.settings, accounts=accounts))


def called(folder: Path, change: Callable[[Kit], Kit] = lambda kit: kit, *, gone: bool = False) -> tuple[Any, ...]:
    """Call back once through the hatch; the reply, what was counted, the evidence kept."""
    (folder / "clipbell.toml").write_text(CONFIGURATION)

    async def scenario(store: Store) -> tuple[Any, ...]:
        kit = change(make_kit(load(folder / "clipbell.toml", {}), store))
        job = Job("job_1", "vrex", "vrex", JobState.RUNNING, kit.now(), vendor_job_id="vg_1", prompt="A coast")
        await store.place(job, b"{}")
        counted: list[str] = []
        callbacks = Callbacks(kit, count=counted.append)
        guest = callbacks.admit(kit.tokens.path("vrex", "job_1").encode())
        assert guest is not None
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def reply(said: Reply) -> bool:
            if not answered.done():
                answered.set_result(said)
                return not gone
            return False

        callbacks.take(guest, [(b"user-agent", b"vrex")], BODY, reply)
        said = await asyncio.wait_for(answered, 10)
        return said, counted, await store.evidence(Query({"job_id": "job_1"}))

    async def main() -> tuple[Any, ...]:
        async with open_store(f"sqlite:///{folder}/clipbell.db") as store:
            return await scenario(store)

    return asyncio.run(main())


def test_deliveries_are_told_of_a_callback(tmp_path: Path) -> None:
    noted: list[str] = []

    class Listening(Share):
        def note_callback(self) -> None:
            noted.append("called")

    called(tmp_path, lambda kit: replace(kit, share=Listening()))
    assert noted == ["called"]


def test_a_callback_is_kept_and_counted_once(tmp_path: Path) -> None:
    said, counted, (evidence,) = called(tmp_path)
    assert said.status == 200
    assert dict(said.headers)[b"clipbell-accepted"].decode() == evidence["id"]
    assert counted == ["accepted"]
    assert (evidence["verdict"], evidence["headers"]) == ("accepted", {"user-agent": "vrex"})


def test_who_was_answered_already_is_not_counted_again(tmp_path: Path) -> None:
    _, counted, (evidence,) = called(tmp_path, gone=True)
    assert counted == []
    assert evidence["verdict"] == "accepted"


def test_a_mistake_in_a_vendors_file_costs_nothing_of_what_was_sent(tmp_path: Path) -> None:
    said, counted, (evidence,) = called(tmp_path, with_broken_vendor)
    assert said.status == 200
    assert counted == ["unreadable"]
    assert (evidence["verdict"], evidence["size"]) == ("unreadable", len(BODY))
