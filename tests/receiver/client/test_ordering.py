"""Orders through the client: typed answers, refusals as exceptions, and never two orders for one."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from receiver.client import (
    Clipbell,
    InvalidOrder,
    Problem,
    Refused,
    ServerUnreachable,
    Unauthorized,
    WaitedTooLong,
    orders,
)
from tests.support.api_stand_in import JOB_ID, StandIn, completed, job, problem
from tests.support.http_server import Reply, closed_port


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "LOST_ANSWER_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(orders, "FIRST_LOOK", 0.01)


def test_an_order_is_sent_and_its_job_read(server: StandIn, bell: Clipbell) -> None:
    server.says("POST", "/v1/jobs", job(cost={"amount": "0.136", "unit": "USD"}), 202)
    made = bell.submit("vrex", "a kite", seconds=8, tags=["spring"], params={"mode": "t2v"})
    (sent,) = server.bodies("POST", "/v1/jobs")
    assert sent.pop("idempotency_key").startswith("client-")
    assert sent == {"vendor": "vrex", "prompt": "a kite", "seconds": 8, "tags": ["spring"], "params": {"mode": "t2v"}}
    assert made.cost is not None
    assert (made.id, made.cost.amount, str(made.cost)) == (JOB_ID, Decimal("0.136"), "$0.136")
    assert made.created_at == datetime(2026, 11, 20, 12, 0, 0, 250_000, UTC)
    assert (made.tags, made.metadata["scene"], made.has_ended) == (("spring",), 4, False)


def test_an_order_whose_answer_was_lost_is_asked_for_again_under_the_same_key(
    server: StandIn, bell: Clipbell, quick: None
) -> None:
    server.says("POST", "/v1/jobs", job())
    server.lost["POST", "/v1/jobs"] = 2
    assert bell.submit("vrex", "a kite").id == JOB_ID
    keys = {sent["idempotency_key"] for sent in server.bodies("POST", "/v1/jobs")}
    assert (len(keys), len(server.requests("POST", "/v1/jobs"))) == (1, 3)


def test_two_orders_have_two_keys(server: StandIn, bell: Clipbell) -> None:
    server.says("POST", "/v1/jobs", job())
    bell.submit("vrex", "a kite")
    bell.submit("vrex", "a kite")
    first, second = server.bodies("POST", "/v1/jobs")
    assert first["idempotency_key"] != second["idempotency_key"]


def test_a_key_of_ones_own_is_kept(server: StandIn, bell: Clipbell) -> None:
    server.says("POST", "/v1/jobs", job())
    bell.submit("vrex", "a kite", idempotency_key="scene-4")
    assert server.bodies("POST", "/v1/jobs")[0]["idempotency_key"] == "scene-4"


def test_an_order_that_stays_lost_may_have_been_sent(server: StandIn, bell: Clipbell, quick: None) -> None:
    server.lost["POST", "/v1/jobs"] = 9
    with pytest.raises(ServerUnreachable) as caught:
        bell.submit("vrex", "a kite")
    assert caught.value.sent
    assert len(server.requests("POST", "/v1/jobs")) == 3


def test_nothing_else_is_ever_sent_twice(server: StandIn, bell: Clipbell) -> None:
    server.single["POST", f"/v1/jobs/{JOB_ID}/again"] = Reply(202, b"{", {"content-length": "90"})
    with pytest.raises(ServerUnreachable):
        bell.again(JOB_ID)
    assert len(server.requests("POST", f"/v1/jobs/{JOB_ID}/again")) == 1


def test_where_nobody_listens_nothing_was_sent() -> None:
    with (
        Clipbell(f"http://127.0.0.1:{closed_port()}", token="t" * 24) as bell,
        pytest.raises(ServerUnreachable) as caught,
    ):
        bell.submit("vrex", "a kite")
    assert not caught.value.sent


def test_a_refused_order_names_every_problem(server: StandIn, bell: Clipbell) -> None:
    errors = [{"field": "seconds", "problem": "must be one of 4, 6, 8"}, {"field": "model", "problem": "is unknown"}]
    server.single["POST", "/v1/jobs"] = problem(422, "invalid_order", "seconds: must be …", errors=errors)
    with pytest.raises(InvalidOrder) as caught:
        bell.submit("vrex", "a kite", seconds=5)
    assert (caught.value.code, caught.value.status) == ("invalid_order", 422)
    assert caught.value.problems == (Problem("seconds", "must be one of 4, 6, 8"), Problem("model", "is unknown"))


def test_a_busy_vendor_says_when_to_come_again(server: StandIn, bell: Clipbell) -> None:
    server.single["POST", "/v1/jobs"] = problem(429, "vendor_busy", "Ten calls a minute.", retry_after=7)
    with pytest.raises(Refused) as caught:
        bell.submit("vrex", "a kite")
    assert (caught.value.code, caught.value.retry_after) == ("vendor_busy", 7.0)


def test_a_wrong_token_is_told_as_that_and_never_shown(server: StandIn) -> None:
    with Clipbell(server.url, token="wrong-token-0123456789abcd") as bell, pytest.raises(Unauthorized) as caught:
        bell.job(JOB_ID)
    assert caught.value.code == "unauthorized"
    assert "wrong-token" not in repr(bell) + str(caught.value) + repr(caught.value)


def test_waiting_looks_until_the_job_has_ended(server: StandIn, bell: Clipbell) -> None:
    seen: list[str] = []

    def on_look(found: object) -> None:
        seen.append(getattr(found, "state", ""))
        server.lists["/v1/jobs"] = [completed()]

    server.lists["/v1/jobs"] = [job()]
    done = bell.wait(JOB_ID, on_look=on_look)
    assert (seen, done.state, done.videos[0].url) == (
        ["running", "completed"],
        "completed",
        "https://files.example/1.mp4",
    )


def test_waiting_ends_in_time(server: StandIn, bell: Clipbell) -> None:
    server.lists["/v1/jobs"] = [job()]
    with pytest.raises(WaitedTooLong):
        bell.wait(JOB_ID, timeout=0.1)


def test_waiting_outlives_a_server_that_restarts(server: StandIn, bell: Clipbell, quick: None) -> None:
    server.lists["/v1/jobs"] = [completed()]
    server.lost["GET", f"/v1/jobs/{JOB_ID}"] = 3
    assert bell.wait(JOB_ID).state == "completed"


def test_waiting_gives_up_on_a_server_that_stays_away(
    server: StandIn, bell: Clipbell, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "AWAY", 0.05)
    server.lost["GET", f"/v1/jobs/{JOB_ID}"] = 999
    with pytest.raises(ServerUnreachable):
        bell.wait(JOB_ID)


@pytest.mark.parametrize("state", ["completed", "failed", "rejected", "abandoned"])
def test_these_states_end_a_wait(server: StandIn, bell: Clipbell, state: str) -> None:
    server.lists["/v1/jobs"] = [job(state=state)]
    assert bell.wait(JOB_ID, timeout=1).state == state


@pytest.mark.parametrize("state", ["queued", "submitting", "running", "unknown"])
def test_these_do_not(server: StandIn, bell: Clipbell, state: str) -> None:
    server.lists["/v1/jobs"] = [job(state=state)]
    with pytest.raises(WaitedTooLong):
        bell.wait(JOB_ID, timeout=0.01)
