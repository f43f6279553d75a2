"""Every other route of the client: what is asked, how pages are put together, what a strange answer becomes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from receiver.client import AsyncClipbell, Clipbell, Money, NotFound, ServerFailed
from tests.support.api_stand_in import (
    DELIVERY_ID,
    EVENT_ID,
    JOB_ID,
    TOKEN,
    StandIn,
    delivery,
    event,
    evidence,
    job,
    line,
)
from tests.support.http_server import Reply

ROUTES: list[tuple[Callable[[Clipbell], Any], str, str, Any]] = [
    (lambda bell: bell.refresh(JOB_ID), "POST", f"/v1/jobs/{JOB_ID}/refresh", None),
    (lambda bell: bell.again(JOB_ID), "POST", f"/v1/jobs/{JOB_ID}/again", None),
    (
        lambda bell: bell.resolve(JOB_ID, vendor_job_id="vg_7"),
        "POST",
        f"/v1/jobs/{JOB_ID}/resolve",
        {"resolution": "sent", "vendor_job_id": "vg_7"},
    ),
    (
        lambda bell: bell.resolve(JOB_ID, vendor_job_id=None),
        "POST",
        f"/v1/jobs/{JOB_ID}/resolve",
        {"resolution": "not-sent"},
    ),
    (lambda bell: bell.revoke_link(JOB_ID), "POST", f"/v1/jobs/{JOB_ID}/revoke-link", None),
    (
        lambda bell: bell.adopt("vrex", "vg_7", tags=["t"]),
        "POST",
        "/v1/jobs/adopt",
        {"vendor": "vrex", "vendor_job_id": "vg_7", "tags": ["t"]},
    ),
    (lambda bell: bell.expect("vrex"), "POST", "/v1/jobs/expect", {"vendor": "vrex"}),
    (lambda bell: bell.retry(DELIVERY_ID), "POST", f"/v1/deliveries/{DELIVERY_ID}/retry", None),
    (
        lambda bell: bell.replay(EVENT_ID, handler="team", again=True),
        "POST",
        f"/v1/events/{EVENT_ID}/replay",
        {"handler": "team", "again": True},
    ),
    (lambda bell: bell.retry_all(), "POST", "/v1/deliveries/retry", {}),
    (
        lambda bell: bell.retry_all(handler="team", state="pending", job_id=None),
        "POST",
        "/v1/deliveries/retry",
        {"handler": "team", "state": "pending"},
    ),
    (lambda bell: bell.test_handler("team"), "POST", "/v1/handlers/team/test", None),
    (lambda bell: bell.ready(), "GET", "/readyz", None),
]


@pytest.mark.parametrize(("ask", "method", "path", "body"), ROUTES)
def test_a_route_asks_for_what_the_contract_says(
    server: StandIn, bell: Clipbell, ask: Callable[[Clipbell], Any], method: str, path: str, body: Any
) -> None:
    server.says(method, path, job())
    ask(bell)
    (seen,) = server.requests(method, path)
    assert (server.bodies(method, path)[0] if seen.body else None) == body


def test_an_id_cannot_lead_to_another_route(server: StandIn, bell: Clipbell) -> None:
    with pytest.raises(NotFound):
        bell.job("../alerts?all=true#")
    assert [seen.path for seen in server.server.seen] == ["/v1/jobs/..%2Falerts%3Fall%3Dtrue%23"]


@pytest.mark.parametrize(("limit", "sizes"), [(450, ["200", "200", "50"]), (None, ["200", "200", "200"]), (3, ["3"])])
def test_a_long_list_comes_in_parts(server: StandIn, bell: Clipbell, limit: int | None, sizes: list[str]) -> None:
    server.lists["/v1/jobs"] = [job(id=f"job_{n}") for n in range(500)]
    found = bell.jobs(limit=limit)
    assert [each.id for each in found] == [f"job_{n}" for n in range(limit or 500)]
    asked = [seen.path.partition("limit=")[2].split("&")[0] for seen in server.server.seen]
    assert asked == sizes
    assert (found.next is None) == (limit is None)


def test_the_next_part_begins_where_the_last_ended(server: StandIn, bell: Clipbell) -> None:
    server.lists["/v1/jobs"] = [job(id=f"job_{n}") for n in range(5)]
    first = bell.jobs(limit=3)
    assert [each.id for each in bell.jobs(limit=3, cursor=first.next)] == ["job_3", "job_4"]


def test_filters_are_passed_on_and_empty_ones_are_not(server: StandIn, bell: Clipbell) -> None:
    bell.jobs(state="failed", vendor=None, tag="a&b", limit=1)
    bell.alerts(all=True)
    assert [seen.path for seen in server.server.seen] == [
        "/v1/jobs?state=failed&tag=a%26b&limit=1",
        "/v1/alerts?all=true&limit=50",
    ]


def test_what_is_listed_is_typed(server: StandIn, bell: Clipbell) -> None:
    server.lists["/v1/events"], server.lists["/v1/deliveries"] = [event()], [delivery()]
    server.lists["/v1/evidence"], server.lists["/v1/ledger"] = [evidence()], [line()]
    assert bell.event(EVENT_ID).videos[0].mime_type == "video/mp4"
    assert bell.deliveries()[0].attempts[0].outcome == "done"
    assert bell.evidence()[0].size == 211
    assert str(bell.ledger()[0].amount) == "$0.136"


def test_findings_their_sums_and_reasons_to_wait_are_typed(server: StandIn, bell: Clipbell) -> None:
    amount = {"amount": "0.136", "unit": "USD"}
    server.lists["/v1/ledger/findings"] = [
        {"id": "ref_1", "kind": "not_refunded", "at": line()["at"], "amount": amount}
    ]
    server.says(
        "GET",
        "/v1/ledger/findings/summary",
        {"items": [{"kind": "not_refunded", "vendor": None, "count": 2, "amount": None}], "next": None},
    )
    waits = [{"code": "line", "text": "3 orders are before it", "until": "2026-11-20T12:30:00Z"}]
    server.says("GET", f"/v1/jobs/{JOB_ID}/waits", {"items": waits, "next": None})
    (found,) = bell.findings(kind="not_refunded")
    assert (str(found.amount), found.other_job_id) == ("$0.136", None)
    (summed,) = bell.finding_sums(kind="not_refunded", vendor=None)
    assert (summed.count, summed.amount) == (2, None)
    (seen,) = server.requests("GET", "/v1/ledger/findings/summary")
    assert seen.path.endswith("?kind=not_refunded")
    (wait,) = bell.waits(JOB_ID)
    assert wait.until is not None
    assert wait.until.year == 2026


def test_evidence_comes_as_the_bytes_that_it_is(server: StandIn, bell: Clipbell) -> None:
    server.single["GET", "/v1/evidence/evd_1/body"] = Reply(body=b"\x00\xff{not json")
    assert bell.evidence_body("evd_1") == b"\x00\xff{not json"


def test_what_is_new_in_an_answer_is_in_raw_and_what_is_missing_is_none(server: StandIn, bell: Clipbell) -> None:
    changed = job(colour="red")
    del changed["batch"]
    server.lists["/v1/jobs"] = [changed]
    found = bell.job(JOB_ID)
    assert (found.raw["colour"], found.batch) == ("red", None)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(body=b"<html>hello</html>"), 200),
        (Reply(body=b"[]"), 200),
        (Reply(body=b'{"id": 7}'), 200),
        (Reply(502, b"<html>Bad Gateway</html>"), 502),
        (Reply(302, b"", {"location": "https://elsewhere.example/"}), 302),
    ],
)
def test_what_is_no_clipbell_is_told_as_that(server: StandIn, bell: Clipbell, reply: Reply, status: int) -> None:
    server.single["GET", f"/v1/jobs/{JOB_ID}"] = reply
    with pytest.raises(ServerFailed) as caught:
        bell.job(JOB_ID)
    assert (caught.value.code, caught.value.status) == ("not_clipbell", status)
    assert len(server.server.seen) == 1


def test_the_asynchronous_client_does_the_same(server: StandIn) -> None:
    server.says("POST", "/v1/jobs", job(), 202)
    server.lists["/v1/jobs"] = [job(state="completed"), *(job(id=f"job_{n}") for n in range(300))]

    async def main() -> None:
        async with AsyncClipbell(server.url, token=TOKEN) as bell:
            made = await bell.submit("vrex", "a kite")
            assert (await bell.wait(made.id)).state == "completed"
            assert len(await bell.jobs(limit=None)) == 301
            with pytest.raises(NotFound):
                await bell.event("evt_none")

    asyncio.run(main())


STREAM = b"""\
: hello

event: job
data: {"kind": "job", "id": "job_1"}

data: no json

event: alert
data: {"id":
data: "alr_1"}

"""


def test_the_stream_gives_notices(server: StandIn, bell: Clipbell) -> None:
    server.single["GET", "/v1/stream"] = Reply(body=STREAM, headers={"content-type": "text/event-stream"})
    assert [(each.kind, each.id) for each in bell.stream()] == [("job", "job_1"), ("alert", "alr_1")]


def test_the_asynchronous_stream_gives_the_same(server: StandIn) -> None:
    server.single["GET", "/v1/stream"] = Reply(body=STREAM, headers={"content-type": "text/event-stream"})

    async def main() -> list[str]:
        async with AsyncClipbell(server.url, token=TOKEN) as bell:
            return [each.id async for each in bell.stream()]

    assert asyncio.run(main()) == ["job_1", "alr_1"]


def test_a_stream_that_is_refused_is_an_exception(bell: Clipbell) -> None:
    with pytest.raises(NotFound):
        list(bell.stream())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"amount": "0.136", "unit": "USD"}, "$0.136"),
        ({"amount": "-0.136", "unit": "USD"}, "-$0.136"),
        ({"amount": "40", "unit": "credits"}, "40 credits"),
    ],
)
def test_money_reads_as_people_write_it(data: dict[str, str], text: str) -> None:
    assert str(Money.from_json(data)) == text
