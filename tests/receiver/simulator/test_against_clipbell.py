"""Clipbell's reading of each vendor's page against the simulator's, which was written without it.

What clipbell lets through the simulated vendor must take; what it answers clipbell must read, for the right price.
"""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from schemas.answers import (
    Busy,
    Missing,
    Refused,
    Unclear,
    read_history,
    read_look,
    read_renewal,
    read_submission,
)
from schemas.errors import InvalidOrder
from schemas.order import Order
from schemas.reading import Reading
from schemas.report import Report, Said
from schemas.vendor import Accepted, Answer, HistoryPage, Request, Submission
from tests.support.http_server import Server
from tests.support.vendors import terms_of, vendor_named
from tests.support.waiting import eventually

NAMES = ("vrex", "aivideoapi", "ulazai", "artnex", "veo3gen")
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
URL = "https://cdn.example.com/frame.jpg"
#: what an order needs besides a prompt
NEEDS: dict[str, dict[str, Any]] = {"artnex": {"model": "veo3-fast"}}


def order_of(vendor: str, **fields: Any) -> Order:
    return Order(vendor=vendor, **{"prompt": "A heron at dawn", **NEEDS.get(vendor, {}), **fields})


class Talk:
    """Clipbell's words for one vendor, said to the simulator."""

    def __init__(self, name: str, client: httpx.Client) -> None:
        self.vendor = vendor_named(name)
        self.terms = terms_of(self.vendor)
        self.client = client

    def say(self, request: Request) -> Answer:
        # an image behind a URL would be fetched by the caller: any picture will do
        picture = b"\x89PNG\r\n\x1a\n1234"
        files = [
            (part.name, (part.filename, part.content or picture, part.content_type or "image/png"))
            for part in request.parts
            if part.filename
        ]
        data = {part.name: part.content.decode() for part in request.parts if not part.filename}
        body: Any = None if request.json is None else dict(request.json)
        answer = self.client.request(request.method, request.path, json=body, data=data, files=files or None)
        return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)

    def submission(self, order: Order, callback_url: str | None = None) -> Submission:
        return self.vendor.submission(order, self.terms, callback_url)

    def order(self, order: Order, callback_url: str | None = None) -> Any:
        return read_submission(self.vendor, self.say(self.submission(order, callback_url).request), datetime.now(UTC))

    def placed(self, **fields: Any) -> str:
        found = self.order(order_of(self.vendor.name, **fields))
        assert isinstance(found, Accepted), found
        return found.vendor_job_id

    def look(self, job: str, model: str | None = None) -> Any:
        answer = self.say(self.vendor.status_request(job, self.terms, model))
        return read_look(self.vendor, answer, self.terms, datetime.now(UTC))

    def report(self, job: str, model: str | None = None) -> Report:
        found = self.look(job, model)
        assert isinstance(found, Report), found
        return found


@pytest.fixture(params=NAMES)
def talk(request: pytest.FixtureRequest, sim: RunningSimulator, clients: dict[str, httpx.Client]) -> Talk:
    assert sim.control.jobs() == []
    return Talk(request.param, clients[request.param])


def test_an_order_is_understood_from_its_first_answer_to_its_file(talk: Talk, sim: RunningSimulator) -> None:
    job = talk.placed()
    assert talk.report(job).said in {Said.PENDING, Said.RUNNING}
    sim.control.advance(30)
    assert talk.report(job).said in {Said.PENDING, Said.RUNNING}
    sim.control.advance(300)
    report = talk.report(job)
    assert (report.said, report.vendor_job_id, len(report.videos)) == (Said.COMPLETED, job, 1)
    assert talk.client.get(report.videos[0].url).headers["content-type"] == "video/mp4"
    assert report.failure is None


def test_a_failure_is_understood_with_its_words(talk: Talk, sim: RunningSimulator) -> None:
    job = talk.placed()
    sim.control.finish(job, "failed", code="too_dark", message="The scene was too dark.")
    report = talk.report(job)
    assert report.said is Said.FAILED
    assert report.videos == ()
    assert report.failure is not None
    assert "too dark" in report.failure.message


def test_the_estimate_is_what_the_vendor_takes(talk: Talk, sim: RunningSimulator) -> None:
    estimate = talk.submission(order_of(talk.vendor.name)).estimate
    job = talk.placed()
    sim.control.finish(job)
    cost = talk.report(job).cost
    [account] = sim.control.books()[talk.vendor.name].values()
    assert estimate is not None
    assert estimate.amount == Decimal(account["net"])
    assert estimate.unit == account["unit"]
    assert cost is None or cost == estimate


def test_a_failed_job_is_refunded_where_clipbell_says_so(talk: Talk, sim: RunningSimulator) -> None:
    sim.control.finish(talk.placed(), "failed")
    [account] = sim.control.books()[talk.vendor.name].values()
    assert Decimal(account["net"]) == 0


def test_refusals_are_told_apart(talk: Talk, sim: RunningSimulator) -> None:
    name = talk.vendor.name
    for status in (400, 401, 402, 429, 500):
        sim.control.fault(f"submit.{status}", name, retry_after=17 if status == 429 else None)
    outcomes = [talk.order(order_of(name)) for _ in range(5)]
    assert [type(outcome) for outcome in outcomes] == [Refused, Refused, Refused, Busy, Unclear]
    assert (outcomes[2].balance, outcomes[3].retry_after) == (True, 17)
    assert [outcome.error.message != "" for outcome in outcomes[:4]] == [True] * 4
    assert sim.control.jobs() == []


@pytest.mark.parametrize("kind", ["500_after", "garbage_answer", "no_id"])
def test_an_answer_that_went_wrong_after_acceptance_is_unclear(talk: Talk, sim: RunningSimulator, kind: str) -> None:
    sim.control.fault(f"submit.{kind}", talk.vendor.name)
    assert isinstance(talk.order(order_of(talk.vendor.name)), Unclear)
    assert len(sim.control.jobs()) == 1


def test_looks_that_tell_nothing_are_told_apart(talk: Talk, sim: RunningSimulator) -> None:
    job = talk.placed()
    for kind in ("look.404", "look.429", "look.500", "look.401", "look.garbage_answer"):
        sim.control.fault(kind, talk.vendor.name)
    outcomes = [type(talk.look(job)) for _ in range(5)]
    assert outcomes == [Missing, Busy, Unclear, Refused, Unclear]
    assert isinstance(talk.look("nobody-knows-1"), Missing)


@pytest.mark.parametrize("name", ["vrex", "aivideoapi"])
@pytest.mark.parametrize("state", ["completed", "failed"])
def test_a_callback_says_what_a_look_says(
    sim: RunningSimulator, clients: dict[str, httpx.Client], hook: Server, name: str, state: str
) -> None:
    talk = Talk(name, clients[name])
    found = talk.order(order_of(name), f"{hook.url}/cb")
    sim.control.finish(found.vendor_job_id, state)
    eventually(lambda: len(hook.seen) == 1)
    read = talk.vendor.report_from_callback
    assert read is not None
    told, asked = read(Reading.parse(hook.seen[0].body), talk.terms), talk.report(found.vendor_job_id)
    assert (told.said, told.vendor_job_id) == (asked.said, asked.vendor_job_id)
    assert told.failure == asked.failure
    assert len(told.videos) == len(asked.videos)


@pytest.mark.parametrize("name", [name for name in NAMES if vendor_named(name).key_check])
@pytest.mark.usefixtures("sim")
def test_a_free_call_tells_a_good_key_from_a_bad_one(clients: dict[str, httpx.Client], name: str) -> None:
    talk = Talk(name, clients[name])
    assert talk.vendor.key_check is not None
    assert talk.say(talk.vendor.key_check).status == 200
    talk.client = httpx.Client(base_url=talk.client.base_url, verify=False, trust_env=False)
    with talk.client:
        assert talk.say(talk.vendor.key_check).status == 401


def test_a_history_and_a_renewal_are_understood(sim: RunningSimulator, clients: dict[str, httpx.Client]) -> None:
    talk = Talk("veo3gen", clients["veo3gen"])
    assert talk.vendor.history_request is not None
    assert talk.vendor.renew_request is not None
    job = talk.placed(params={"sampleCount": 2})
    sim.control.finish(job)
    history = read_history(talk.vendor, talk.say(talk.vendor.history_request(20, 0)), talk.terms, datetime.now(UTC))
    assert isinstance(history, HistoryPage)
    assert [(entry.prompt, entry.report.vendor_job_id) for entry in history.entries] == [("A heron at dawn", job)]
    renewed = read_renewal(talk.vendor, talk.say(talk.vendor.renew_request(job, talk.terms)), datetime.now(UTC))
    assert isinstance(renewed, tuple)
    assert [talk.client.get(video.url).status_code for video in renewed] == [200, 200]


def test_video_studio_jobs_are_read_where_they_were_ordered(
    sim: RunningSimulator, clients: dict[str, httpx.Client]
) -> None:
    talk = Talk("ulazai", clients["ulazai"])
    good, bad = talk.placed(model="kling_3_0"), talk.placed(model="wan_2_6", seconds=5)
    sim.control.finish(good)
    sim.control.finish(bad, "failed", message="no")
    assert talk.report(good, "kling_3_0").said is Said.COMPLETED
    assert talk.report(bad, "wan_2_6").said is Said.FAILED


COMMON: dict[str, list[Any]] = {
    "seconds": [None, 4, 5, 6, 8, 10, 12],
    "aspect_ratio": [None, "16:9", "9:16", "1:1", "4:3"],
    "images": [[], [URL], [PNG], [URL, URL], [URL, URL, URL]],
}
PARAMS: dict[str, list[dict[str, Any]]] = {
    "vrex": [
        {},
        {"size": "1920x1080"},
        {"mode": "r2v"},
        {"mode": "i2v"},
        {"output_format": "raw_key"},
        {"mode": "t2v"},
    ],
    "aivideoapi": [
        *({}, {"mode": "quality"}, {"aspect_ratio": "Auto"}, {"seeds": 12345}, {"watermark": "x"}),
        *({"generation_type": kind} for kind in ("TEXT_2_VIDEO", "REFERENCE_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO")),
        {"generation_type": "REFERENCE_2_VIDEO", "mode": "quality"},
    ],
    "ulazai": [{}, {"video_model": "veo3"}, {"model_slug": "veo31_fast", "sound": True}],
    "artnex": [{}, *({"mode": mode} for mode in ("text-to-video", "image-to-video"))],
    "veo3gen": [{}, {"sampleCount": 4}, {"generateAudio": False}, {"seed": 7, "negativePrompt": "blur"}],
}
MODELS: dict[str, list[str | None]] = {
    "artnex": [*vendor_named("artnex").models],
    "veo3gen": [None, *vendor_named("veo3gen").models],
    "aivideoapi": [None, "veo-3"],
    "ulazai": [None, "veo3", "veo3_fast", "kling_3_0"],
}


def every_order(name: str) -> Iterator[Order]:
    rows = itertools.product(*COMMON.values(), PARAMS[name], MODELS.get(name, [None]))
    for seconds, ratio, images, params, model in rows:
        fields = {"seconds": seconds, "aspect_ratio": ratio, "images": images, "params": params, "model": model}
        yield Order(vendor=name, prompt="A heron", **fields)


@pytest.mark.parametrize("name", NAMES)
def test_every_order_that_clipbell_lets_through_is_taken_for_the_estimated_price(
    sim: RunningSimulator, clients: dict[str, httpx.Client], name: str
) -> None:
    talk, calls, wrong = Talk(name, clients[name]), dict[str, Submission](), list[Any]()
    for order in every_order(name):
        try:
            found = talk.submission(order)
        except InvalidOrder:
            continue
        calls[json.dumps([found.request.json, [repr(part) for part in found.request.parts]])] = found
    assert len(calls) > 10
    for found in calls.values():
        answer = talk.say(found.request)
        if not isinstance(read_submission(talk.vendor, answer, datetime.now(UTC)), Accepted):
            wrong.append((found.request, answer.body))
    assert wrong == []
    known = [found.estimate.amount for found in calls.values() if found.estimate]
    jobs = [Decimal(job["cost"]) for job in sim.control.jobs()]
    assert len(jobs) == len(calls)
    if len(known) == len(calls):
        assert jobs == known
