"""Orders in bulk against a stand-in of the server: what is asked, what is told, and a server that comes and goes."""

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from receiver import clock
from receiver.cli import bulk, meter
from receiver.cli.meter import Meter, costs_of, counted
from receiver.client import Batch
from tests.receiver.cli.conftest import Run
from tests.support.api_stand_in import StandIn, job, problem
from tests.support.http_server import Reply, Seen

LINES = [{"vendor": "vrex", "prompt": f"Take {n}"} for n in range(3)]


def batch(**changes: Any) -> dict[str, Any]:
    return {
        "batch": "spring",
        "jobs": 3,
        "states": {"completed": 2, "queued": 1},
        "done": False,
        "stuck": 0,
        "retaken": 0,
        "failures": [],
        "costs": [{"account": "vrex", "unit": "USD", "total": "0.272", "open_estimate": "0.136"}],
        "began_at": "2026-11-20T12:00:00Z",
        "settled_at": "2026-11-20T12:05:00Z",
        **changes,
    }


DONE = batch(done=True, states={"completed": 3}, costs=[])
LOSS = {"state": "failed", "code": "HATE_SPEECH", "message": "refused", "count": 2}


class Orders:
    """The server's side of a batch: takes orders by their keys, and says how they stand."""

    def __init__(self, server: StandIn) -> None:
        self.server = server
        self.placed: dict[str, dict[str, Any]] = {}
        #: state of the job under a key
        self.states: Callable[[str], str] = lambda _: "queued"
        self.batches: list[dict[str, Any]] = []
        self.before: list[Reply] = []
        self.refusals: dict[str, Reply] = {}
        server.server.answer(self._answer)

    def _answer(self, seen: Seen) -> Reply:
        if self.before:
            return self.before.pop(0)
        if seen.method == "GET":
            return self._batch()
        order = json.loads(seen.body)
        if seen.path == "/v1/jobs/check":
            return Reply(body=b"{}")
        if order["prompt"] in self.refusals:
            return self.refusals[order["prompt"]]
        key = order["idempotency_key"]
        found = self.placed.setdefault(key, job(id=f"job_{len(self.placed)}", prompt=order["prompt"]))
        return Reply(202, json.dumps({**found, "state": self.states(key)}).encode())

    def _batch(self) -> Reply:
        if not self.placed:
            return problem(404, "not_found", "There is no order of this batch.")
        standing = self.batches.pop(0) if len(self.batches) > 1 else (self.batches or [batch()])[0]
        return Reply(body=json.dumps({**standing, "jobs": standing.get("jobs", 0) or len(self.placed)}).encode())


@pytest.fixture
def orders(server: StandIn, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    (folder / "spring.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    monkeypatch.setattr(bulk, "LOOK", 0.01)
    return Orders(server)


def submit(run: Run, *arguments: str) -> Any:
    return run("submit", "--batch", "spring.jsonl", *arguments)


def test_every_line_is_checked_and_queued_under_one_batch_with_a_key(orders: Orders, run: Run) -> None:
    ended = submit(run, "--batch-id", "spring")
    assert ended.code == 0
    sent = orders.server.bodies("POST", "/v1/jobs")
    assert {(each["queue"], each["batch"]) for each in sent} == {(True, "spring")}
    assert sorted(each["prompt"] for each in sent) == ["Take 0", "Take 1", "Take 2"]
    assert len({each["idempotency_key"] for each in sent}) == 3
    assert len(orders.server.bodies("POST", "/v1/jobs/check")) == 3
    assert ended.out.splitlines()[:4] == [
        "batch  spring",
        "lines  3: 3 queued now",
        "jobs   3: 2 completed, 1 queued",
        "cost   $0.272",
    ]
    assert "open   $0.136" in ended.out
    assert "look with: clipbell jobs --batch spring" in ended.err


def test_with_wait_it_is_followed_to_its_end(orders: Orders, run: Run) -> None:
    orders.batches = [batch(), batch(), batch(states={"completed": 3, "unknown": 1}, stuck=1, done=False)]
    ended = submit(run, "--wait")
    # an order of unknown fate that is overdue is not waited for, and no success
    assert ended.code == 1
    assert "done 2 of 3: 2 completed, 1 queued; $0.272" in ended.err


def test_all_done_is_a_success_with_its_time(orders: Orders, run: Run) -> None:
    orders.batches = [DONE]
    ended = submit(run, "--wait", "--json")
    assert ended.code == 0
    said = json.loads(ended.out)
    assert (said["done"], said["lines"], said["new"], said["refused"]) == (True, 3, 3, [])
    assert "after 5 min" in submit(run, "--wait").out


def test_losses_are_told_by_reason(orders: Orders, run: Run) -> None:
    orders.batches = [batch(done=True, states={"completed": 1, "failed": 2}, failures=[LOSS], retaken=1)]
    ended = submit(run, "--wait")
    assert ended.code == 1
    assert "(1 of the failed ordered again)" in ended.out
    assert ended.out.splitlines()[-1].split() == ["failed", "HATE_SPEECH", "2", "refused"]
    assert "clipbell submit --batch spring.jsonl --retry-failed" in ended.err
    # without --wait it is no failure of this run
    assert submit(run).code == 0


def test_failed_takes_are_followed_by_others_only_on_demand(orders: Orders, run: Run) -> None:
    orders.batches = [DONE]
    orders.states = lambda key: "failed" if key.endswith(("-1", "~2")) else "queued"
    assert submit(run).code == 0
    assert len(orders.placed) == 3
    assert submit(run, "--retry-failed").code == 0
    takes = sorted(key.partition("~")[2] for key in orders.placed)
    assert takes == ["", "", "", "2", "2", "2", "3", "3", "3"]
    assert submit(run, "--retry-failed").code == 0
    assert len(orders.placed) == 9


def test_what_the_server_refuses_while_it_is_queued_is_told_by_line(orders: Orders, run: Run) -> None:
    orders.refusals["Take 1"] = problem(409, "idempotency_mismatch", "The key belongs to another order.")
    ended = submit(run)
    assert ended.code == 1
    assert "line 2 was not queued: The key belongs to another order." in ended.err
    assert "2 queued now" not in ended.out or "lines  3" in ended.out


def test_what_the_server_would_refuse_is_told_before_anything_is_ordered(orders: Orders, run: Run) -> None:
    wrong = [{"field": "seconds", "problem": "must be one of 4, 6, 8"}]
    orders.before = [problem(422, "invalid_order", "…", errors=wrong)] * 3
    ended = submit(run)
    assert ended.code == 2
    assert ended.err.splitlines()[-3:] == [f"  line {n}: seconds: must be one of 4, 6, 8" for n in (1, 2, 3)]
    assert orders.placed == {}


def test_a_server_that_restarts_is_waited_for_and_nothing_is_ordered_twice(orders: Orders, run: Run) -> None:
    orders.batches = [DONE]
    assert submit(run).code == 0
    cut = Reply(202, b'{"id": ', {"content-length": "900"})
    busy = problem(503, "store_unavailable", "The store cannot commit now.")
    checks = [Reply(body=b"{}")] * 3
    orders.before = [*checks, Reply(body=json.dumps(DONE).encode()), busy, busy, busy]
    assert submit(run).code == 0
    assert len(orders.placed) == 3
    orders.before = [*checks, busy, Reply(body=json.dumps(DONE).encode()), busy, cut]
    assert submit(run, "--wait").code == 0
    assert len(orders.placed) == 3


def test_a_server_that_stays_away_is_told_with_how_to_go_on(
    orders: Orders, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AWAY", 0.05)
    busy = problem(503, "store_unavailable", "The store cannot commit now.")
    orders.before = [*[Reply(body=b"{}")] * 3, problem(404, "not_found", "No."), *[busy] * 100]
    ended = submit(run)
    assert ended.code == 1
    assert "The store cannot commit now." in ended.err
    assert "The same command again queues only what is missing." in ended.err
    assert "goes on in the server: clipbell jobs --batch spring-" in ended.err


def test_what_is_no_clipbell_is_not_asked_again(orders: Orders, run: Run) -> None:
    orders.before = [Reply(500, b"oops")] * 100
    ended = submit(run)
    assert ended.code == 1
    assert "Nothing was ordered by this run." in ended.err
    assert len(orders.before) > 90


@pytest.mark.parametrize("stage", ["check", "queue"])
def test_an_interruption_says_how_to_go_on(
    orders: Orders, run: Run, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Meter, "queued", lambda _, what, *__: interrupted() if what.startswith(stage) else None)
    ended = submit(run)
    assert ended.code == 130
    says = "goes on in the server" if stage == "queue" else "Nothing was ordered by this run."
    assert says in ended.err


def test_a_list_of_a_batch_has_its_facts_above(orders: Orders, run: Run, server: StandIn) -> None:
    server.server.answer(
        lambda seen: Reply(
            body=json.dumps(
                batch(failures=[LOSS]) if "batches" in seen.path else {"items": [job(batch="spring")], "next": None}
            ).encode()
        )
    )
    ended = run("jobs", "--batch", "spring")
    assert ended.out.splitlines()[:2] == ["batch  spring", "jobs   3: 2 completed, 1 queued"]
    assert "HATE_SPEECH" in ended.out
    assert "a red kite over the sea" in ended.out
    assert [each["id"] for each in json.loads(run("jobs", "--batch", "spring", "--json").out)] == [job()["id"]]


# --- the meter ---------------------------------------------------------------------------------------------


def test_dollars_are_one_sum_and_credits_are_told_by_account() -> None:
    costs = [
        {"account": "vrex", "unit": "USD", "total": "1.2", "open_estimate": "0"},
        {"account": "second", "unit": "USD", "total": "0.16", "open_estimate": "0.3"},
        {"account": "ulazai", "unit": "credits", "total": "240", "open_estimate": "0"},
        {"account": "artnex", "unit": "credits", "total": "0", "open_estimate": "2000"},
    ]
    found = Batch.from_json(batch(costs=costs)).costs
    assert costs_of(found) == "$1.36 + 240 credits at ulazai"
    assert costs_of(found, open_=True) == "$0.3 + 2000 credits at artnex"
    assert costs_of(()) == ""
    assert sum((each.total for each in found), Decimal()) == Decimal("241.36")


def test_states_are_told_in_one_order_and_only_where_there_are_any() -> None:
    assert counted({"queued": 2, "completed": 1, "failed": 0}) == "1 completed, 2 queued"


def test_the_time_left_goes_by_the_pace_so_far(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    made = Meter(None)
    for seconds, ended in ((0, 0), (10, 0), (20, 2), (21, 3), (40, 4)):
        now[0] = 100.0 + seconds
        made.stands(Batch.from_json(batch(jobs=4, states={"completed": ended, "queued": 4 - ended}, costs=[])))
    assert capfd.readouterr().err.splitlines() == [
        "done 0 of 4: 4 queued",
        "done 2 of 4: 2 completed, 2 queued; about 20 s left",
        "done 4 of 4: 4 completed",
    ]


def test_a_bar_shows_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    paid = [
        {"account": name, "unit": "credits", "total": "3500", "open_estimate": "0"} for name in ("artnex", "veo3gen")
    ]
    with meter.metering() as made:
        made.queued("queued", 3, 3)
        made.stands(Batch.from_json({**batch(), "costs": [*batch()["costs"], *paid]}))
    shown = capsys.readouterr().err
    assert "3/3" in shown
    # on a narrow terminal the bar stays, and what was paid is whole below it
    last = shown[shown.rindex("done ") :]
    assert "━" in last
    told = "2 completed, 1 queued; $0.272 + 3500 credits at artnex + 3500 credits at veo3gen"
    assert told in " ".join(last.split())
