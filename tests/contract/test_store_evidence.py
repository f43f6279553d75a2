"""What a store promises of evidence and events: kept as they came, under their verdict, and found again."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import fields

from receiver.store.protocol import Change, Query, Store, Told
from schemas.event import Event, EventType, Failure, Source, Trust, Video
from tests.support.stored import NOON, a_job, changing, delivery, evidence, placed, tell, told, usd

Play = Callable[[Any], Any]


def test_evidence_is_listed_in_the_contracts_shape(play: Play) -> None:
    async def scenario(store: Store) -> None:
        body = b'{"status": "completed", "odd": "\xff\x00"}'
        sent = evidence(1, kind="status", body=body, status=200, headers={"content-type": "application/json"})
        await store.apply("job_0001", changing(Change(verdict="duplicate")), sent)
        assert await store.evidence(Query()) == [
            {
                "id": "evd_0001",
                "at": "2025-01-01T12:00:00Z",
                "job_id": "job_0001",
                "account": "vrex",
                "kind": "status",
                "verdict": "duplicate",
                "status": 200,
                "headers": {"content-type": "application/json"},
                "size": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
            }
        ]
        assert await store.body(hashlib.sha256(body).hexdigest()) == body

    play(scenario)


def test_any_bytes_are_kept_as_they_came(play: Play) -> None:
    async def scenario(store: Store) -> None:
        bodies = [b"", b"\0", bytes(range(256)), b"x" * 262_144]
        calls = [store.apply("job_x", changing(Change()), evidence(n, body=body)) for n, body in enumerate(bodies)]
        await asyncio.gather(*calls)
        assert [await store.body(hashlib.sha256(body).hexdigest()) for body in bodies] == bodies

    play(scenario)


def test_the_same_bytes_twice_are_two_pieces_of_evidence(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await asyncio.gather(*[store.apply("job_0001", changing(Change()), evidence(n, body=b"same")) for n in (1, 2)])
        assert [each["id"] for each in await store.evidence(Query())] == ["evd_0002", "evd_0001"]

    play(scenario)


def test_evidence_may_belong_to_no_job(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.apply("job_none", changing(Change()), evidence(1, None, kind="history"))
        assert [each["job_id"] for each in await store.evidence(Query())] == [None]

    play(scenario)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "evd_0002"),
        ("job_id", "job_0002"),
        ("account", "other"),
        ("kind", "submit"),
        ("verdict", "mismatch"),
        ("status", 502),
    ],
)
def test_evidence_is_listed_by(play: Play, name: str, value: Any) -> None:
    async def scenario(store: Store) -> None:
        await store.apply("job_0001", changing(Change()), evidence(1))
        second = evidence(2, "job_0002", account="other", kind="submit", status=502)
        await store.apply("job_0002", changing(Change(verdict="mismatch")), second)
        assert [each["id"] for each in await store.evidence(Query({name: value}))] == ["evd_0002"]

    play(scenario)


def test_an_event_is_read_with_every_field_as_it_was(play: Play) -> None:
    event = Event(
        id="evt_0001",
        type=EventType.FAILED,
        vendor="vrex",
        account="vrex-client",
        job_id="job_0001",
        vendor_job_id="vg_1",
        occurred_at=datetime(2025, 1, 1, 12, 1, 15, 123456, tzinfo=UTC),
        received_at=datetime(2025, 1, 1, 12, 1, 16, tzinfo=UTC),
        source=Source.HISTORY,
        trust=Trust.CONFIRMED,
        prompt="Küste \0 \ud800",
        model="veo-3.1-lite",
        duration_seconds=7.5,
        resolution="720p",
        videos=(Video("https://r2.getvrex.com/v.mp4", None, datetime(2025, 1, 1, 13, tzinfo=UTC)),),
        cost=usd("0.1360005"),
        failure=Failure("CODE", "words", refunded=False, refund_basis="vendor_policy"),
        tags=("a", "b"),
        metadata={"k": [1, {"n": None}]},
        batch="spring",
        detail={"path": "/clips/1.mp4"},
        raw={"deep": {"float": 0.1, "big": 2**64 - 1}},
    )
    unset = {"version"}
    assert all(getattr(event, f.name) != f.default for f in fields(Event) if f.name not in unset), "set every field"

    async def scenario(store: Store) -> None:
        await tell(store, Told(event))
        assert await store.events(Query()) == [event]

    play(scenario)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "evt_0002"),
        ("type", "video.completed"),
        ("job_id", "job_0002"),
        ("vendor", "veo3gen"),
        ("account", "other"),
        ("batch", "spring"),
        ("source", "person"),
        ("trust", "confirmed"),
        ("vendor_job_id", "vg_'\"2"),
        ("model", 'veo \\ Ü "lite"'),
        ("tag", "client"),
    ],
)
def test_events_are_listed_by(play: Play, name: str, value: str) -> None:
    async def scenario(store: Store) -> None:
        theirs = {"vendor_job_id": "vg_'\"2", "model": 'veo \\ Ü "lite"', "tags": ("client",)}
        for job in (a_job(1, tags=("other",)), a_job(2, **{**theirs, "model": None})):
            await placed(store, job)
        fields = {
            "vendor": "veo3gen",
            "account": "other",
            "batch": "spring",
            "prompt": "K\0 \\\ud800 \\u0000",
            **theirs,
        }
        whence = {"source": Source.PERSON, "trust": Trust.CONFIRMED}
        raw = {"source": "callback", "model": "veo"}
        second = told(2, type=EventType.COMPLETED, job_id="job_0002", raw=raw, **fields, **whence)
        await tell(store, told(1), second, told(3, raw={"source": "person", "trust": "confirmed"}))
        assert await store.events(Query({name: value})) == [second.event]

    play(scenario)


def test_a_job_has_at_most_one_verdict_event(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        await tell(store, told(1, type=EventType.COMPLETED), told(2), told(3))
        refused = await asyncio.gather(tell(store, told(4, type=EventType.FAILED)), return_exceptions=True)
        assert isinstance(refused[0], Exception)
        assert [event.id for event in await store.events(Query())] == ["evt_0003", "evt_0002", "evt_0001"]

    play(scenario)


def test_an_event_told_twice_is_kept_and_delivered_once(play: Play) -> None:
    async def scenario(store: Store) -> None:
        for number in (1, 2):
            await tell(store, told(1, delivery(number)))
        assert len(await store.events(Query())) == 1
        assert [each.id for each in await store.deliveries(Query())] == ["dlv_0001"]

    play(scenario)


def test_deliveries_of_an_event_are_due_when_it_was_received(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1, "team", "someone@example.com", NOON + 5)))
        [made] = await store.deliveries(Query())
        assert (made.state, made.next_at, made.created_at, made.deadline) == ("pending", NOON, NOON, NOON + 5)
        assert (made.event_id, made.job_id, made.handler) == ("evt_0001", "job_0001", "team")
        assert (made.target, made.fence, made.claims, made.attempts) == ("someone@example.com", 0, 0, ())

    play(scenario)
