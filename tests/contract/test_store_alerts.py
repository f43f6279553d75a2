"""What a store promises of alerts: raised once, cleared once, and told of only then."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from receiver.store.protocol import Change, Query, Store
from tests.support.stored import HOUR, NOON, a_job, changing, cleared, placed, raised

Play = Callable[[Any], Any]


async def told_of(store: Store) -> list[str]:
    """The events, oldest first."""
    return [event.id for event in reversed(await store.events(Query()))]


def test_an_alert_is_listed_as_it_was_raised(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.alert(raised(1, job_id="job_0001"))
        assert await store.alerts(Query()) == [
            {
                "id": "alr_0001",
                "code": "job.overdue",
                "subject": "job_0001",
                "job_id": "job_0001",
                "text": "It is late",
                "next_step": "Look",
                "raised_at": NOON,
                "cleared_at": None,
            }
        ]
        assert await told_of(store) == ["evt_0101"]
        assert [each.id for each in await store.deliveries(Query())] == ["dlv_0101"]

    play(scenario)


def test_an_alert_that_stands_is_not_raised_again_nor_told_of(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.alert(raised(1))
        assert not await store.alert(raised(2))
        assert await store.alert(raised(3, subject="job_0002"))
        assert await store.alert(raised(4, code="job.unknown"))
        assert await told_of(store) == ["evt_0101", "evt_0103", "evt_0104"]

    play(scenario)


def test_an_alert_is_cleared_once(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert not await store.alert(cleared(1))
        await store.alert(raised(1))
        assert not await store.alert(cleared(2, subject="job_0002"))
        assert await store.alert(cleared(3))
        assert not await store.alert(cleared(4))
        assert [each["cleared_at"] for each in await store.alerts(Query())] == [NOON + HOUR]
        assert await told_of(store) == ["evt_0101", "evt_0203"]

    play(scenario)


def test_an_alert_may_be_raised_anew_once_cleared_but_not_by_a_repetition(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.alert(raised(1))
        await store.alert(cleared(1))
        assert not await store.alert(raised(1))
        assert await store.alert(raised(2))
        assert [each["id"] for each in await store.alerts(Query({"standing": True}))] == ["alr_0002"]

    play(scenario)


def test_of_many_at_once_one_raises(play: Play) -> None:
    async def scenario(store: Store) -> None:
        answers = await asyncio.gather(*[store.alert(raised(number)) for number in range(20)])
        assert sum(answers) == 1
        assert len(await store.events(Query())) == 1

    play(scenario)


def test_changes_raise_and_clear_under_the_same_rule(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        for number in (1, 2):
            await store.apply("job_0001", changing(Change(raised=(raised(number),))))
        for number in (1, 2):
            await store.apply("job_0001", changing(Change(cleared=(cleared(number),))))
        assert await told_of(store) == ["evt_0101", "evt_0201"]

    play(scenario)


@pytest.mark.parametrize(
    ("name", "value"), [("id", "alr_0002"), ("code", "disk.low"), ("subject", "disk"), ("job_id", "job_0007")]
)
def test_alerts_are_listed_by(play: Play, name: str, value: str) -> None:
    async def scenario(store: Store) -> None:
        await store.alert(raised(1))
        await store.alert(raised(2, "disk.low", "disk", job_id="job_0007"))
        assert [each["id"] for each in await store.alerts(Query({name: value}))] == ["alr_0002"]

    play(scenario)


def test_standing_alerts_can_be_told_from_past_ones(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.alert(raised(1))
        await store.alert(raised(2, subject="job_0002"))
        await store.alert(cleared(1))
        assert [each["id"] for each in await store.alerts(Query({"standing": True}))] == ["alr_0002"]
        assert [each["id"] for each in await store.alerts(Query({"standing": False}))] == ["alr_0002", "alr_0001"]

    play(scenario)
