"""A hundred thousand open jobs: what claiming due ones costs, and what the process holds in memory, beside a thousand.

Usage: python -m tests.benchmarks.open_jobs [FEW] [MANY]. Open jobs are rows, so both stay flat. Each size is measured
in a process of its own: the store as the program opens it, the keeper at work, and a vendor's account that is closed,
so that no call is made. The claims that are timed are of 32 jobs each, out of those that are due.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from receiver import clock
from receiver.keeper import BATCH, Keeper
from receiver.looker import Looker
from receiver.settings import load
from receiver.store.accounts import Gate
from receiver.store.opening import open_store
from receiver.store.protocol import Store
from receiver.work import make_kit
from schemas.job import Job, JobState

FEW, MANY = 1000, 100_000
CLAIMS = 200
SECOND = 1_000_000
HOUR = 3600 * SECOND
CONFIGURATION = f"""
secret_keys = ["{"k" * 32}"]
api_token = "{"t" * 32}"
[vendors.vrex]
api_key = "sk-x"
"""


@dataclass(frozen=True)
class Figures:
    """What was measured with so many open jobs; times in milliseconds, memory in MiB."""

    jobs: int
    claim_p50: float
    claim_p99: float
    #: Of the process while its keeper works through what is due.
    rss: float
    #: Tasks on the keeper's loop, at the most.
    tasks: int


async def fill(store: Store, jobs: int, now: int) -> None:
    """Keep so many running jobs: as many due now as the claims need, the others later, as they are in real life."""
    due_now = CLAIMS * BATCH
    for start in range(0, jobs, 500):
        many = []
        for number in range(start, min(start + 500, jobs)):
            next_at = now - SECOND if number % max(jobs // due_now, 1) == 0 else now + HOUR + number
            many.append(
                Job(
                    id=clock.new_id("job_"),
                    vendor="vrex",
                    account="vrex",
                    state=JobState.RUNNING,
                    created_at=now,
                    submitted_at=now,
                    vendor_job_id=f"vg_{number}",
                    prompt="A coast at dawn, slow pan, mist over the water",
                    model="veo-3.1-lite",
                    next_at=next_at,
                )
            )
        await asyncio.gather(*(store.place(job, b"{}") for job in many))


async def claims(store: Store, now: int) -> list[float]:
    """Claim again and again; answer how long each claim took, in milliseconds."""
    took = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        found = await store.claim_jobs(now, now + 60 * SECOND, BATCH)
        took.append((time.perf_counter() - began) * 1000)
        if not found:  # fewer jobs than claims: begin again
            await store.release_leases(now)
    return took


async def measured(jobs: int, folder: Path) -> Figures:
    """Measure one size in this process."""
    (folder / "clipbell.toml").write_text(CONFIGURATION)
    now = clock.micros()
    async with open_store(f"sqlite:///{folder}/clipbell.db") as store:
        await fill(store, jobs, now)
        took = sorted(await claims(store, now))
    # opened anew: what filling has left behind in memory is not the program's
    async with open_store(f"sqlite:///{folder}/clipbell.db") as store:
        await store.release_leases(clock.micros())
        await store.close_gate(Gate("vrex", "", clock.micros() + HOUR, clock.micros(), "closed for the measurement"))
        kit = make_kit(load(folder / "clipbell.toml", {}), store)
        keeping = asyncio.create_task(Keeper(kit, Looker(kit)).run())
        tasks = 0
        for _ in range(60):
            await asyncio.sleep(0.05)
            tasks = max(tasks, len(asyncio.all_tasks()))
        rss = _rss()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    return Figures(jobs, took[len(took) // 2], took[int(len(took) * 0.99)], rss, tasks)


def _rss() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def in_a_process_of_its_own(jobs: int) -> Figures:
    """Measure one size where nothing else has used memory."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [sys.executable, "-m", "tests.benchmarks.open_jobs", "--one", str(jobs), folder]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=600)
    return Figures(**json.loads(done.stdout))


def main(few: int, many: int) -> tuple[Figures, Figures]:
    """Measure both sizes, and print them."""
    both = in_a_process_of_its_own(few), in_a_process_of_its_own(many)
    for each in both:
        print(
            f"{each.jobs:>7} open jobs: claim of {BATCH} p50 {each.claim_p50:.2f} ms, p99 {each.claim_p99:.2f} ms, "
            f"RSS {each.rss:.0f} MiB, {each.tasks} tasks at the most"
        )
    return both


if __name__ == "__main__":
    if "--one" in sys.argv:
        figures = asyncio.run(measured(int(sys.argv[2]), Path(sys.argv[3])))
        print(json.dumps({name: getattr(figures, name) for name in Figures.__dataclass_fields__}))
    else:
        sizes = [int(text) for text in sys.argv[1:3]]
        main(*sizes) if len(sizes) == 2 else main(FEW, MANY)
