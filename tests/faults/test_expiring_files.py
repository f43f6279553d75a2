"""Files whose URLs die at any moment, sooner than was said, on hosts that cut, refuse, drip and lie: all are saved.

The real program over the simulated vendors. Whatever a vendor still gives a fresh URL for can be saved, and has to be;
what is under a final name has to be the vendor's file, byte for byte. The control takes the fresh URLs away.
"""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from receiver.simulator.files import LENGTHS, film
from tests.support.faults import plant
from tests.support.http_server import closed_port
from tests.support.program import Program, program

#: kind -> of how many requests it strikes one, and its parameters
HARM: dict[str, tuple[float, dict[str, Any]]] = {
    "download.403": (0.10, {}),
    "download.404": (0.03, {}),
    "download.500": (0.04, {}),
    "download.cut": (0.15, {"fraction": 0.6}),
    "download.no_answer": (0.03, {}),
    "download.slow_answer": (0.04, {"seconds": 0.4}),
    "download.drip": (0.02, {"bytes": 1024, "seconds": 0.05}),
    "download.html": (0.03, {}),
    "download.truncated_container": (0.03, {}),
    "download.changed": (0.02, {}),
    "look.500": (0.05, {}),
    "look.cut_answer": (0.03, {}),
    "callback.lost": (0.10, {}),
}
ORDERS: tuple[dict[str, Any], ...] = (
    {"vendor": "vrex"},
    {"vendor": "vrex", "seconds": 4},
    {"vendor": "aivideoapi"},
    {"vendor": "ulazai"},
    {"vendor": "artnex", "model": "veo3-fast"},
    {"vendor": "veo3gen"},
    {"vendor": "veo3gen", "params": {"sampleCount": 3}},
)
#: An account without limits that matter, and with looks every second.
FREE = {
    "limits": ["1000000/minute"],
    "order_limits": [],
    "max_open": 1_000_000,
    "poll_after": "1s",
    "poll_every": "1s",
}


@contextmanager
def stage(folder: Path, dies_within: float, seed: int) -> Iterator[tuple[Program, RunningSimulator]]:
    """A running program with a downloader, and vendors whose URLs die within so many seconds."""
    rich = dict.fromkeys(("vrex", "aivideoapi", "ulazai", "artnex", "veo3gen"), Decimal(10**9))
    settings = SimulatorSettings(duration=0.3, url_dies_within=dies_within, seed=seed, balances=rich)
    with RunningSimulator(settings) as vendors, program(folder, vendors.base_urls, closed_port()) as clipbell:
        clipbell.account_options = {name: dict(FREE) for name in vendors.base_urls}
        clipbell.account_options["veo3gen"]["api_key"] = "veo3_" + "x" * 32
        clipbell.start()
        yield clipbell, vendors


def ordered(clipbell: Program, count: int, orders: tuple[dict[str, Any], ...] = ORDERS) -> None:
    """Place so many orders."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: clipbell.order(prompt=f"Clip {n}", **orders[n % len(orders)]), range(count)))


def counts(clipbell: Program) -> dict[str, int]:
    found: dict[str, int] = clipbell.get("/readyz")["counts"]
    return found


def wait_until_saved(clipbell: Program, count: int, seconds: float) -> None:
    """Until every job is completed and nothing waits to be delivered any more."""

    def is_over() -> bool:
        rows = counts(clipbell)
        waiting = ("jobs.running", "jobs.submitting", "jobs.unknown", "deliveries.pending", "deliveries.running")
        return rows.get("jobs.completed") == count and not any(rows.get(name) for name in waiting)

    end = time.monotonic() + seconds
    while not is_over():
        assert time.monotonic() < end, counts(clipbell)
        time.sleep(0.5)


def all_items(clipbell: Program, path: str) -> Iterator[dict[str, Any]]:
    """Every row of a list."""
    cursor: dict[str, str] = {}
    while True:
        page = clipbell.get(path, limit=200, **cursor)
        yield from page["items"]
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def unsaved(clipbell: Program) -> list[str]:
    """Files of completed jobs that are not there, or not what the vendor has."""
    saved = {(clip["job_id"], clip["number"]): Path(clip["path"]) for clip in all_items(clipbell, "/v1/clips")}
    # of these orders each has a wide picture, whichever its length
    films = [film(seconds, 1280, 720) for seconds in LENGTHS]
    found = []
    for job in all_items(clipbell, "/v1/jobs"):
        for number in range(1, max(len(job["videos"]), 1) + 1):
            path = saved.get((job["id"], number))
            if path is None or not is_the_vendors(path.read_bytes(), job, number, films):
                found.append(f"{job['vendor']} {job['id']} {number}")
    return found


def is_the_vendors(content: bytes, job: dict[str, Any], number: int, films: list[bytes]) -> bool:
    """Whether a file is one of the simulator's films with the label of this job behind it."""
    label = f"{job['vendor']} {job['vendor_job_id']} {number} ".encode()
    beginning, _, rest = content.rpartition(b"free" + label)
    return rest.isdigit() and beginning[:-4] in films


def all_are_saved(folder: Path, count: int, seconds: float, seed: int, *, mildly: float = 1) -> None:
    with stage(folder, 3, seed) as (clipbell, vendors):
        for number, (kind, (often, parameters)) in enumerate(HARM.items()):
            plant(vendors, kind=kind, times=None, probability=often * mildly, seed=seed + number, **parameters)
        ordered(clipbell, count)
        wait_until_saved(clipbell, count, seconds)
        assert unsaved(clipbell) == []
        left = [
            path for path in (folder / "clips").rglob("*") if path.is_file() and path.suffix not in (".mp4", ".json")
        ]
        assert left == []
        attempts = [len(each["attempts"]) for each in all_items(clipbell, "/v1/deliveries")]
        print(f"{count} jobs, {sum(attempts)} attempts, at most {max(attempts)} for one")
        assert sum(attempts) > count


@pytest.mark.timeout(120)
def test_whatever_becomes_of_urls_and_hosts_every_file_is_saved(tmp_path: Path) -> None:
    # each wait is twice as long as the one before, so a quick run is a milder one
    all_are_saved(tmp_path, 150, 90, random.randrange(2**32), mildly=0.4)


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_of_ten_thousand_clips_none_is_lost(tmp_path: Path) -> None:
    all_are_saved(tmp_path, 10_000, 3000, seed=1, mildly=0.5)


def test_without_fresh_urls_clips_are_lost_and_with_them_they_come_after_all(tmp_path: Path) -> None:
    with stage(tmp_path, 0.15, seed=1) as (clipbell, vendors):
        plant(vendors, kind="look.500", times=None)
        ordered(clipbell, 30, ORDERS[:1])
        clipbell.eventually(lambda: counts(clipbell).get("jobs.completed") == 30, "the callbacks")
        time.sleep(1)
        lost = unsaved(clipbell)
        assert 0 < len(lost) <= 30
        vendors.control.clear_faults()
        wait_until_saved(clipbell, 30, 40)
        assert unsaved(clipbell) == []
