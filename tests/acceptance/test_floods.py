"""Many clips at once, and everything that can go wrong with them: no clip missed, none paid twice, books that agree.

The real program, all five vendors, real sockets. Which orders are struck by what is drawn by seed. The sizes here fit
beside the other tests; the same at full size is marked `faults`.
"""

import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import command, control, plant
from tests.support.program import Program

FIELDS: dict[str, dict[str, Any]] = {
    "vrex": {"seconds": 4},
    "ulazai": {},
    "artnex": {"model": "veo3-fast"},
    "veo3gen": {},
    "aivideoapi": {},
}
CALLED_BACK = ("vrex", "aivideoapi")
OPTIONS = {"poll_after": "1s", "poll_every": "1s", "limits": ["100000/minute"], "order_limits": ["100000/minute"]}
SEED = 20_251_120
HANDS = 8

Jobs = dict[str, dict[str, Any]]


@pytest.fixture
def bell(clipbell: Program) -> Program:
    """The program with all five vendors, looked at often; only the downloader is told."""
    for vendor in FIELDS:
        key = f"{'veo3_' if vendor == 'veo3gen' else 'sk-'}{'k' * 32}"
        clipbell.account_options[vendor] = {**OPTIONS, "api_key": key, "max_open": 100_000}
    clipbell.handlers = {"files": {"type": "downloader", "target": "clips"}}
    return clipbell


def ordered(bell: Program, count: int, vendors: Iterable[str] = FIELDS) -> list[str]:
    """Place so many orders, each with a prompt of its own, on the vendors in turn; answer what became of each."""
    names = list(vendors)

    def place(number: int) -> str:
        vendor = names[number % len(names)]
        body = {"vendor": vendor, "prompt": f"Clip {number:05d}", **FIELDS[vendor]}
        answer = bell.client.post("/v1/jobs", json=body, timeout=60)
        found: dict[str, Any] = answer.json()
        return str(found["state"] if answer.status_code == 202 else found["code"])

    with ThreadPoolExecutor(HANDS) as pool:
        return list(pool.map(place, range(count)))


def everything(bell: Program, path: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = bell.get(path, limit=200, **query, **cursor)
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def resolved(bell: Program, seconds: float) -> Counter[str]:
    """Wait until nothing is under way any more; answer how many jobs are in which state."""

    def under_way() -> bool:
        return any(bell.items("/v1/jobs", state=state, limit=1) for state in ("running", "submitting"))

    bell.eventually(lambda: not under_way(), "all jobs to be resolved", seconds)
    return Counter(job["state"] for job in everything(bell, "/v1/jobs"))


def saved(bell: Program, tmp_path: Path, count: int, seconds: float) -> None:
    """Wait until so many files are there, each whole under its final name, and nothing else."""

    def waiting() -> bool:
        time.sleep(0.2)
        states = ("pending", "running")
        return any(bell.items("/v1/deliveries", handler="files", state=state, limit=1) for state in states)

    bell.eventually(lambda: not waiting(), f"{count} downloads", seconds)
    files = list((tmp_path / "clips").rglob("*.mp4"))
    assert len(files) == count
    assert all(file.read_bytes()[4:8] == b"ftyp" for file in files)
    bell.eventually(lambda: len(everything(bell, "/v1/clips")) == count, "the clips to be noted", 20)


def ours(bell: Program) -> dict[str, Decimal]:
    """What our ledger comes to, by account."""
    return {row["key"]: Decimal(row["total"]) for row in bell.get("/v1/ledger/summary", by="account")["items"]}


def theirs(vendors: RunningSimulator, but: Iterable[str] = ()) -> dict[str, Decimal]:
    """What each vendor took, less what it gave back, for all jobs but these."""
    left_out = set(but)
    sums: dict[str, Decimal] = {}
    for vendor, accounts in control(vendors, "books").items():
        lines = [line for account in accounts.values() for line in account["lines"] if line["job_id"] not in left_out]
        signed = (Decimal(line["amount"]) * (1 if line["kind"] == "charge" else -1) for line in lines)
        sums[vendor] = sum(signed, Decimal(0))
    return sums


def vendor_jobs(vendors: RunningSimulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(
        f"{vendors.url}/control/jobs", trust_env=False, verify=False, timeout=60
    ).json()["jobs"]
    return found


def submissions(vendors: RunningSimulator) -> Counter[str]:
    """How often each prompt was accepted by a vendor; each of ours is ordered once."""
    return Counter(job["prompt"] for job in vendor_jobs(vendors))


def verdicts(bell: Program) -> Counter[str]:
    """How many verdict events each job has."""
    return Counter(
        event["job_id"]
        for kind in ("video.completed", "video.failed")
        for event in everything(bell, "/v1/events", type=kind)
    )


# --- every callback lost -------------------------------------------------------------------------------------


def every_callback_lost(bell: Program, vendors: RunningSimulator, tmp_path: Path, count: int, seconds: float) -> None:
    plant(vendors, kind="callback.lost", times=None)
    bell.start()
    assert Counter(ordered(bell, count)) == {"running": count}
    assert resolved(bell, seconds) == {"completed": count}
    assert {job["settled_by"] for job in everything(bell, "/v1/jobs")} == {"poll"}
    assert set(verdicts(bell).values()) == {1}
    assert len(verdicts(bell)) == count
    saved(bell, tmp_path, count, seconds)
    assert ours(bell) == theirs(vendors)
    assert set(submissions(vendors).values()) == {1}


def test_with_every_callback_lost_all_clips_are_found_and_saved(
    bell: Program, vendors: RunningSimulator, tmp_path: Path
) -> None:
    every_callback_lost(bell, vendors, tmp_path, 1000, 45)


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_the_same_with_ten_thousand_clips(bell: Program, vendors: RunningSimulator, tmp_path: Path) -> None:
    for vendor, options in bell.account_options.items():
        command(vendors, "accounts", vendor=vendor, key=options["api_key"], balance="100000000")
    every_callback_lost(bell, vendors, tmp_path, 10_000, 400)


# --- callbacks in every order ----------------------------------------------------------------------------------


#: kind, how often, parameters
DISORDER: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("callback.duplicate", 0.3, {"copies": 4}),
    ("callback.late", 0.2, {"seconds": 0.3}),
    ("callback.late", 0.2, {"seconds": 1.5}),
    ("callback.early", 0.2, {}),
    ("callback.garbage", 0.1, {"style": "wrong_id", "then_true": True}),
    ("callback.garbage", 0.1, {"style": "unknown_word", "then_true": True}),
    ("callback.lost", 0.05, {}),
    ("job.fails", 0.15, {}),
)


def callbacks_in_every_order(bell: Program, vendors: RunningSimulator, count: int, seconds: float) -> None:
    for number, (kind, share, more) in enumerate(DISORDER):
        plant(vendors, kind=kind, times=None, probability=share, seed=SEED + number, **more)
    bell.start()
    # those whose callback was earlier than the answer are settled already
    assert set(ordered(bell, count, CALLED_BACK)) == {"running", "completed"}
    states = resolved(bell, seconds)
    assert (set(states), states.total()) == ({"completed", "failed"}, count)
    told = verdicts(bell)
    assert (len(told), set(told.values())) == (count, {1})
    at_vendors = {job["id"]: job["state"] for job in vendor_jobs(vendors)}
    assert {job["vendor_job_id"]: job["state"] for job in everything(bell, "/v1/jobs")} == at_vendors
    assert ours(bell) == theirs(vendors)


def test_callbacks_duplicated_reordered_and_early_make_one_event_each_and_books_that_agree(
    bell: Program, vendors: RunningSimulator
) -> None:
    for vendor in CALLED_BACK:
        bell.account_options[vendor]["poll_after"] = "4s"
    callbacks_in_every_order(bell, vendors, 240, 45)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_the_same_with_four_thousand_callbacks(bell: Program, vendors: RunningSimulator) -> None:
    for vendor in CALLED_BACK:
        bell.account_options[vendor]["poll_after"] = "4s"
    callbacks_in_every_order(bell, vendors, 4000, 400)


# --- a third of all answers lost or broken -----------------------------------------------------------------------

Faults = tuple[tuple[str, dict[str, Any]], ...]
BROKEN: Faults = (
    ("no_answer", {}),
    ("cut_answer", {}),
    ("garbage_answer", {}),
    ("500", {}),
    ("503", {}),
    ("429", {"retry_after": 1}),
)


def a_third_of_all_answers_fails(bell: Program, vendors: RunningSimulator, count: int, seconds: float) -> None:
    orders: Faults = (*BROKEN, ("500_after", {}), ("no_id", {}), ("slow_answer", {"seconds": 3.0}))
    for stage, kinds in (("submit", orders), ("look", BROKEN)):
        # each of them strikes what the ones before it have spared: together three in ten
        share = 1 - 0.7 ** (1 / len(kinds))
        for number, (what, more) in enumerate(kinds):
            plant(vendors, kind=f"{stage}.{what}", times=None, probability=share, seed=SEED + number, **more)
    for options in bell.account_options.values():
        options["submit_timeout"] = "2s"
    bell.start()
    answers = Counter(ordered(bell, count))
    assert answers["running"] > count // 2
    assert answers["unknown"] > count // 20
    taken = submissions(vendors)
    assert set(taken.values()) == {1}, [prompt for prompt, times in taken.items() if times > 1]
    resolved(bell, seconds)
    jobs = {job["prompt"]: job for job in everything(bell, "/v1/jobs")}
    lost = [job for job in vendor_jobs(vendors) if jobs[job["prompt"]]["state"] == "unknown"]
    # a vendor's callback or its history tells of what was lost; where there is neither, only a person can
    bell.eventually(lambda: not _left(bell, (*CALLED_BACK, "veo3gen"), taken), "what was lost to be found", seconds)
    assert {job["vendor"] for job in lost} <= {"ulazai", "artnex", "veo3gen"}
    settled = [job for job in everything(bell, "/v1/jobs") if job["state"] in ("completed", "failed")]
    assert {job["state"] for job in settled} == {"completed"}
    told = verdicts(bell)
    assert (len(told), set(told.values())) == (len(settled), {1})
    known = {job["vendor_job_id"] for job in settled}
    unknown = [job["id"] for job in vendor_jobs(vendors) if job["id"] not in known]
    assert ours(bell) == theirs(vendors, but=unknown)
    assert submissions(vendors) == taken


def _left(bell: Program, vendors: Iterable[str], taken: Counter[str]) -> list[str]:
    """Prompts that these vendors have taken and that are not settled here."""
    jobs = [job for vendor in vendors for job in everything(bell, "/v1/jobs", vendor=vendor)]
    return [job["prompt"] for job in jobs if job["prompt"] in taken and job["state"] != "completed"]


def test_with_a_third_of_all_answers_failing_no_order_is_sent_twice(bell: Program, vendors: RunningSimulator) -> None:
    a_third_of_all_answers_fails(bell, vendors, 200, 40)


def test_an_order_that_was_sent_twice_would_be_seen(bell: Program, vendors: RunningSimulator) -> None:
    bell.start()
    job = bell.order("vrex", prompt="Clip 00000")
    assert bell.client.post(f"/v1/jobs/{job['id']}/again").status_code == 202
    assert submissions(vendors) == {"Clip 00000": 2}


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_the_same_with_three_thousand_orders(bell: Program, vendors: RunningSimulator) -> None:
    a_third_of_all_answers_fails(bell, vendors, 3000, 400)
