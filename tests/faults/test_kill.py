"""The program is killed at random moments, again and again, while callbacks come in: what got its 200 is there.

A kill leaves what the kernel has, so it proves that the order of commit and answer is right and that a restart finds
its way, not that the disk has it: that is `test_power_cut.py`. The control answers before it commits, and loses rows.
"""

import asyncio
import hashlib
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import serve_hasty
from tests.support.called_back import PRICE, Acknowledged, body_of, lay_out, lost, path_of, rows, rows_of_a_running_one
from tests.support.clips import mp4
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.program import Program, program

CONNECTIONS = 8
JOBS_A_ROUND = 60
HANDLERS = ("books", "files", "team")


@dataclass
class Driver:
    """Calls back for jobs that it knows, as fast as answers come, and writes down what was acknowledged."""

    port: int
    files: str
    jobs: list[str]
    chance: random.Random
    acknowledged: list[Acknowledged] = field(default_factory=list)
    _fresh: Iterator[str] = field(init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._fresh = iter(self.jobs)

    async def call_until_killed(self, program: Program, seconds: float) -> None:
        """Call back over several connections; kill the program after so many seconds."""
        workers = [asyncio.ensure_future(self._work()) for _ in range(CONNECTIONS)]
        await asyncio.sleep(seconds)
        await asyncio.to_thread(program.kill)
        await asyncio.gather(*workers)

    async def _work(self) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return
        try:
            while True:
                await self._call(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()  # it was killed, and this one was not answered

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # news, or something that was told before, whether it was acknowledged or not
        job_id = next(self._fresh, None) if self.chance.random() < 0.6 else None
        job_id = job_id or self.chance.choice(self.jobs)
        pad = "x" * self.chance.randrange(0, 3000)
        body = body_of(job_id, self.files, call=next(self._numbers), pad=pad)
        head = f"POST {path_of(job_id)} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert answer.startswith("HTTP/1.1 200"), answer
        headers = dict(line.split(": ", 1) for line in answer.lower().split("\r\n")[1:] if line)
        await reader.readexactly(int(headers["content-length"]))
        self.acknowledged.append(Acknowledged(headers["clipbell-accepted"], job_id, body))


def gives_clips(seen: Seen) -> Reply:
    if seen.method == "POST":
        return Reply(body=b"ok")
    return Reply(body=mp4(500, seen.path.encode()[-8:]), headers={"content-type": "video/mp4"})


@contextmanager
def killed(folder: Path, rounds: int, seed: int, *, hasty: bool = False) -> Iterator[tuple[Program, Driver, Server]]:
    """A program after so many rounds, and who called it."""
    with serving() as others, program(folder, {"vrex": "http://127.0.0.1:9"}, closed_port()) as clipbell:
        others.answer(gives_clips)
        clipbell.handlers["team"] = {"type": "slack", "url": f"{others.url}/services/T0/B0/x"}
        clipbell.handlers["books"] = {"type": "ledger"}
        if hasty:
            clipbell.serve = [sys.executable, str(serve_hasty.__file__)]
        chance = random.Random(seed)
        jobs = asyncio.run(lay_out(folder, rounds * JOBS_A_ROUND))
        driver = Driver(clipbell.port, others.url, jobs, chance)
        for _ in range(rounds):
            if chance.random() < 0.2:
                clipbell.begin()
                time.sleep(chance.uniform(0, 0.6))
                clipbell.kill()
            clipbell.start()
            checked = len(driver.acknowledged)
            asyncio.run(driver.call_until_killed(clipbell, chance.uniform(0.05, 1.5)))
            if not hasty:
                assert lost(folder, driver.acknowledged[checked:]) == []
        yield clipbell, driver, others


def wrong_with_the_books(folder: Path, driver: Driver) -> list[str]:
    """What does not fit together: verdicts, events, deliveries, money."""
    told = Counter(job_id for (job_id,) in rows(folder, "SELECT job_id FROM events WHERE type = 'video.completed'"))
    settled = Counter(id_ for (id_,) in rows(folder, "SELECT id FROM jobs WHERE state = 'completed'"))
    called = {each.job_id for each in driver.acknowledged}
    deliveries = rows(folder, _DELIVERIES)
    dead = rows(folder, "SELECT subject FROM alerts WHERE code = 'delivery.dead' AND cleared_at IS NULL")
    lines = rows(folder, "SELECT job_id, kind, micros FROM ledger")
    whole = {
        "one event for each verdict": told == settled,
        "a verdict for each job that was called for": called <= settled.keys(),
        "a delivery for each handler": sorted((each[0], each[1]) for each in deliveries)
        == sorted((job_id, handler) for job_id in settled for handler in HANDLERS),
        # one that was in hand at eight ends in a row is given up, and somebody is told
        "no delivery lost": {each[2] for each in deliveries} <= {"pending", "running", "done", "dead"},
        "an alert for each that is dead": {(each[3],) for each in deliveries if each[2] == "dead"} == set(dead),
        "one charge for each": sorted(lines) == sorted((job_id, "charge", PRICE) for job_id in settled),
    }
    return [name for name, holds in whole.items() if not holds]


_DELIVERIES = (
    "SELECT events.job_id, handler, state, deliveries.id FROM deliveries JOIN events ON events.id = event_id "
    "WHERE type = 'video.completed'"
)


def all_is_there(folder: Path, rounds: int, seed: int) -> int:
    """Kill it so often, let it finish at last, and look at everything."""
    with killed(folder, rounds, seed) as (clipbell, driver, _):
        assert wrong_with_the_books(folder, driver) == []
        clipbell.start()
        for (delivery_id,) in rows_of_a_running_one(folder, "SELECT id FROM deliveries WHERE state = 'dead'"):
            assert clipbell.client.post(f"/v1/deliveries/{delivery_id}/retry").status_code == 200
        waiting = "SELECT id FROM deliveries WHERE state <> 'done' LIMIT 1"
        clipbell.eventually(lambda: not rows_of_a_running_one(folder, waiting), "deliveries", 120)
        assert clipbell.stop() == 0
        assert lost(folder, driver.acknowledged) == []
        assert wrong_with_the_books(folder, driver) == []
        saved = rows(folder, "SELECT path, sha256, job_id FROM clips")
        # a kill between the commit and the answer keeps what was not acknowledged
        assert {each.job_id for each in driver.acknowledged} <= {str(job_id) for *_, job_id in saved}
        assert len(saved) == len({job_id for *_, job_id in saved}) > 0
        for path, sha256, _ in saved:
            assert hashlib.sha256(Path(str(path)).read_bytes()).hexdigest() == sha256
        return len(driver.acknowledged)


def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    assert all_is_there(tmp_path, 3, seed=random.randrange(2**32)) > 50


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_what_was_acknowledged_survives_a_hundred_kills(tmp_path: Path) -> None:
    print(f"acknowledged: {all_is_there(tmp_path, 100, seed=1)}")


def test_who_answers_before_the_commit_loses_what_was_acknowledged(tmp_path: Path) -> None:
    with killed(tmp_path, 1, seed=1, hasty=True) as (_, driver, _):
        assert len(lost(tmp_path, driver.acknowledged)) > 0
