"""Who is told of an event: a table of filters, and the deliveries that are made."""

from datetime import timedelta
from typing import Any

import pytest

from receiver.routing import Route, Router, wants
from schemas.event import EventType, Video, micros
from schemas.values import replace
from tests.support.jobs import EVERYTHING, counting
from tests.support.parcels import ALERT, FAILED, READY, VIDEO

CLIP = replace(READY, tags=("spring", "draft"), metadata={"client": "acme", "shot": 7, "final": True, "note": None})
#: About the program itself, as `disk.low` is.
OF_NOBODY = replace(ALERT, vendor=None, account=None, job_id=None)

TABLE: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"events": frozenset({EventType.FAILED})}, False),
    ({"vendors": frozenset({"vrex", "artnex"})}, True),
    ({"vendors": frozenset({"vrex-client"})}, False),
    ({"tags": frozenset({"draft", "other"})}, True),
    ({"tags": frozenset({"other"})}, False),
    ({"where": {"client": "acme"}}, True),
    ({"where": {"client": "acme", "shot": 7}}, True),
    ({"where": {"client": "acme", "shot": 8}}, False),
    ({"where": {"client": "ACME"}}, False),
    ({"where": {"client": "bolt"}}, False),
    ({"where": {"other": "acme"}}, False),
    ({"where": {"shot": 7.0}}, True),
    ({"where": {"shot": "7"}}, False),
    ({"where": {"final": True}}, True),
    ({"where": {"final": 1}}, False),
    ({"where": {"shot": True}}, False),
    ({"vendors": frozenset({"vrex"}), "tags": frozenset({"other"}), "where": {"client": "acme"}}, False),
    ({"vendors": frozenset({"vrex"}), "tags": frozenset({"spring"}), "where": {"client": "acme"}}, True),
]


@pytest.mark.parametrize(("filters", "wanted"), TABLE)
def test_an_event_passes_every_filter_or_is_not_told(filters: dict[str, Any], wanted: bool) -> None:
    assert wants(Route("team", ("",), **{"events": EVERYTHING, **filters}), CLIP) is wanted


@pytest.mark.parametrize(
    "filters",
    [{"vendors": frozenset({"artnex"})}, {"tags": frozenset({"other"})}, {"where": {"client": "bolt"}}],
)
def test_what_belongs_to_nobody_is_told_to_everybody_who_hears_of_alerts(filters: dict[str, Any]) -> None:
    route = Route("team", ("",), EVERYTHING, **filters)
    assert wants(route, OF_NOBODY)
    # the control: the same about a job is held against the filter
    assert not wants(route, ALERT)


def test_each_target_of_each_handler_that_wants_it_gets_a_delivery_but_one_that_is_left_out() -> None:
    team, mail = Route("team", ("",), EVERYTHING), Route("mail", ("a@x.example", "b@x.example"), EVERYTHING)
    deaf = Route("deaf", ("",), frozenset({EventType.COMPLETED}))
    router = Router((team, mail, deaf), counting())
    told = [(new.handler, new.target) for new in router.told(FAILED).deliveries]
    assert told == [("team", ""), ("mail", "a@x.example"), ("mail", "b@x.example")]
    assert [new.handler for new in router.told(FAILED, but="mail").deliveries] == ["team"]


def test_only_what_perishes_has_a_deadline_and_it_is_the_first_end() -> None:
    later = Video(
        "https://x.example/2.mp4", None, None if VIDEO.expires_at is None else VIDEO.expires_at + timedelta(1)
    )
    files, team = Route("files", ("",), EVERYTHING, perishable=True), Route("team", ("",), EVERYTHING)
    told = Router((files, team), counting()).told(replace(READY, videos=(later, VIDEO, Video("https://x.example/3"))))
    assert VIDEO.expires_at is not None
    assert [new.deadline for new in told.deliveries] == [micros(VIDEO.expires_at), None]


def test_a_handler_named_gets_what_it_would_not_want() -> None:
    router = Router((Route("team", ("a", "b"), frozenset()), Route("mail", ("c",), EVERYTHING)), counting())
    assert router.told(READY).deliveries[0].handler == "mail"
    assert [new.target for new in router.to("team", READY)] == ["a", "b"]
