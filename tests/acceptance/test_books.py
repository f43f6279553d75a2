"""The ledger's lines equal the vendors' own books, whichever way an order goes; with all five vendors at once."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import command, control, plant
from tests.support.program import Program

ORDERS: dict[str, dict[str, Any]] = {
    "vrex": {"seconds": 8},
    "ulazai": {"model": "veo3_fast"},
    "artnex": {"model": "veo3-fast"},
    "veo3gen": {"params": {"sampleCount": 2}},
    "aivideoapi": {"params": {"mode": "fast"}},
}
NOTHING = dict.fromkeys(ORDERS, Decimal(0))
#: What each of these orders costs by the vendors' pages.
PRICES = {
    "vrex": Decimal("0.136"),
    "ulazai": Decimal(240),
    "artnex": Decimal(2000),
    "veo3gen": Decimal(2 * 190),
    "aivideoapi": Decimal(40),
}
Jobs = dict[str, dict[str, Any]]


@pytest.fixture
def bell(clipbell: Program) -> Program:
    """The program with all five vendors, looked at often."""
    for vendor in ORDERS:
        key = f"{'veo3_' if vendor == 'veo3gen' else 'sk-'}{'k' * 32}"
        clipbell.account_options[vendor] = {"poll_after": "1s", "poll_every": "1s", "api_key": key}
    return clipbell


def ordered(bell: Program) -> Jobs:
    """One order at each vendor."""
    return {vendor: bell.order(vendor, **fields) for vendor, fields in ORDERS.items()}


def settled(bell: Program, jobs: Jobs, state: str = "completed") -> Jobs:
    return {vendor: bell.settled(job["id"], state, 40) for vendor, job in jobs.items()}


def ours(bell: Program) -> Mapping[str, Decimal]:
    """What our lines come to; none of them may be of unknown amount."""
    sums = dict(NOTHING)
    for line in bell.items("/v1/ledger"):
        assert line["amount"], line
        sums[line["account"]] += Decimal(line["amount"]["amount"])
    return sums


def theirs(vendors: RunningSimulator) -> Mapping[str, Decimal]:
    """What the vendors took, less what they gave back."""
    found = {name: sum(Decimal(a["net"]) for a in keys.values()) for name, keys in control(vendors, "books").items()}
    return {**NOTHING, **{name: Decimal(net) for name, net in found.items()}}


def finish(vendors: RunningSimulator, jobs: Jobs) -> None:
    for job in jobs.values():
        command(vendors, f"jobs/{job['vendor_job_id']}/finish", state="completed")


def test_completed(bell: Program, vendors: RunningSimulator) -> None:
    bell.start()
    jobs = settled(bell, ordered(bell))
    assert ours(bell) == theirs(vendors)
    assert {vendor: Decimal(job["cost"]["amount"]) for vendor, job in jobs.items()} == theirs(vendors)
    # the control: the vendors did take something, and not the same
    assert theirs(vendors) == PRICES


def test_failed_with_refund(bell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.fails", times=5)
    bell.start()
    jobs = settled(bell, ordered(bell), "failed")
    assert ours(bell) == theirs(vendors) == NOTHING
    assert {job["cost"] for job in jobs.values()} == {None}
    kinds = [(line["account"], line["kind"]) for line in bell.items("/v1/ledger")]
    assert sorted(kinds) == sorted((v, kind) for v in ORDERS if v != "artnex" for kind in ("charge", "refund"))


def test_charged_at_accept_or_at_completion(bell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.stuck", times=5)
    bell.start()
    jobs = ordered(bell)
    assert ours(bell) == theirs(vendors)
    assert [vendor for vendor, net in theirs(vendors).items() if not net] == ["artnex"]
    finish(vendors, jobs)
    settled(bell, jobs)
    assert ours(bell) == theirs(vendors)
    assert all(theirs(vendors).values())


def test_unknown_then_completed(bell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.no_answer", times=5)
    plant(vendors, kind="callback.late", times=5, seconds=2)
    bell.start()
    jobs = ordered(bell)
    assert {job["state"] for job in jobs.values()} == {"unknown"}
    # no callback, no history: a person looks
    for vendor in ("ulazai", "artnex"):
        (found,) = [job for job in control(vendors, "jobs")["jobs"] if job["vendor"] == vendor]
        word = {"resolution": "sent", "vendor_job_id": found["id"]}
        assert bell.client.post(f"/v1/jobs/{jobs[vendor]['id']}/resolve", json=word).status_code == 200
    settled(bell, jobs)
    assert ours(bell) == theirs(vendors)
    assert all(theirs(vendors).values())


def test_abandoned_and_completed_after_all(bell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.stuck", times=5)
    plant(vendors, kind="callback.lost", times=5)
    for options in bell.account_options.values():
        options["give_up_after"] = "2s"
    bell.start()
    jobs = settled(bell, ordered(bell), "abandoned")
    assert ours(bell) == theirs(vendors)
    finish(vendors, jobs)
    for job in jobs.values():
        assert bell.client.post(f"/v1/jobs/{job['id']}/refresh").json()["state"] == "completed"
    assert ours(bell) == theirs(vendors)
    assert all(theirs(vendors).values())


def test_refused(bell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.400", times=5)
    bell.start()
    for vendor, fields in ORDERS.items():
        answer = bell.client.post("/v1/jobs", json={"vendor": vendor, "prompt": "A coast", **fields})
        assert (answer.status_code, answer.json()["code"]) == (400, "vendor_refused")
    assert ours(bell) == theirs(vendors) == NOTHING
