"""The disk is full, or fails: callbacks are refused so that they come again, and nothing is lost.

Calls of the running program are made to fail from outside; where it is allowed, a small disk is really full. When there
is room again all goes on by itself.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support import serve_hasty
from tests.support.called_back import Acknowledged, body_of, lay_out, lost, path_of
from tests.support.clips import mp4
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.program import Program, program
from tests.support.small_disk import MIB, fill, small_disk
from tests.support.strace import failing

FULL, BROKEN = "pwrite64:error=ENOSPC", "fdatasync:error=EIO"
AT_ONCE = 6
ALERTS = ["alert.raised", "alert.cleared"]


class Caller:
    """Calls back for jobs that were laid out, several at a time, and writes down what was acknowledged."""

    def __init__(self, clipbell: Program, jobs: list[str], files: str) -> None:
        self.acknowledged: list[Acknowledged] = []
        self._clipbell = clipbell
        self._files = files
        self._jobs = iter(jobs)

    def call(self, count: int = AT_ONCE) -> list[httpx.Response]:
        """Call back for so many jobs at once."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._call_about, [next(self._jobs) for _ in range(count)]))

    def _call_about(self, job_id: str) -> httpx.Response:
        body = body_of(job_id, self._files, pad="x" * 3000)
        answer = httpx.post(
            self._clipbell.url + path_of(job_id), content=body, trust_env=False, verify=False, timeout=20
        )
        if answer.status_code == 200:
            self.acknowledged.append(Acknowledged(answer.headers["clipbell-accepted"], job_id, body))
        return answer


@contextmanager
def called(
    folder: Path, jobs: int, *, hasty: bool = False, files: Mapping[str, str] | None = None
) -> Iterator[tuple[Program, Caller, Server]]:
    """A program that runs, its caller, and a server that takes orders and gives clips."""
    with serving() as others, program(folder, {"vrex": others.url}, closed_port()) as clipbell:
        others.answer(
            lambda seen: Reply(body=mp4(2000, seen.path.encode()[-8:]), headers={"content-type": "video/mp4"})
        )
        if hasty:
            clipbell.serve = [sys.executable, str(serve_hasty.__file__)]
        if files:
            clipbell.handlers["files"] |= files
            clipbell.handlers["team"] = {"type": "slack", "url": f"{others.url}/slack", "events": ALERTS}
        laid_out = asyncio.run(lay_out(folder, jobs))
        clipbell.start()
        yield clipbell, Caller(clipbell, laid_out, others.url), others


def statuses(answers: list[httpx.Response]) -> set[int]:
    return {answer.status_code for answer in answers}


def is_ready(clipbell: Program) -> bool:
    return httpx.get(f"{clipbell.url}/readyz", trust_env=False, verify=False, timeout=20).status_code == 200


def is_unready_after_a_rest(clipbell: Program) -> bool:
    """It checkpoints when there is nothing else to do, and whoever asks is something to do."""
    time.sleep(1.5)
    return not is_ready(clipbell)


def assert_refused_until_it_is_mended(clipbell: Program, caller: Caller, inject: str) -> None:
    """While calls fail callbacks are kept or refused, and health says so; afterwards all is as before.

    One call that fails once (no `+`) may be over before anybody asks, or hit nothing that a callback waits for.
    """
    assert statuses(caller.call()) == {200}
    assert clipbell.process is not None
    with failing(clipbell.process.pid, inject):
        answers = [answer for _ in range(3) for answer in caller.call()]
        for _ in range(40 if inject.endswith("+") else 0):
            if 503 in statuses(answers):
                break
            answers += caller.call()  # they may have shared a commit, and the failing call is yet to come
        assert statuses(answers) <= {200, 503}
        if inject.endswith("+"):
            assert 503 in statuses(answers)
            assert not is_ready(clipbell)
        assert {answer.headers.get("retry-after") for answer in answers if answer.status_code == 503} <= {"5"}
    clipbell.eventually(lambda: is_ready(clipbell), "health")
    assert statuses(caller.call()) == {200}


def assert_all_is_there(clipbell: Program, caller: Caller) -> None:
    """What was acknowledged is in the database, now and after a restart."""
    clipbell.eventually(lambda: clipbell.process and clipbell.process.poll() is None, "the program")
    clipbell.kill()
    assert lost(clipbell.folder, caller.acknowledged) == []
    clipbell.start()
    assert clipbell.stop() == 0
    assert lost(clipbell.folder, caller.acknowledged) == []


@pytest.mark.parametrize("error", [FULL, BROKEN])
def test_what_cannot_be_kept_is_refused_and_all_goes_on_when_the_disk_is_mended(error: str, tmp_path: Path) -> None:
    with called(tmp_path, 100) as (clipbell, caller, _):
        for when in ("1+", f"{random.randrange(2, 6)}+"):
            assert_refused_until_it_is_mended(clipbell, caller, f"{error}:when={when}")
        assert_all_is_there(clipbell, caller)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("error", [FULL, BROKEN])
def test_the_same_at_every_call_of_many(error: str, tmp_path: Path) -> None:
    with called(tmp_path, 8000) as (clipbell, caller, _):
        for when in range(1, 40):
            assert_refused_until_it_is_mended(clipbell, caller, f"{error}:when={when if when % 2 else f'{when}+'}")
        assert_all_is_there(clipbell, caller)


def test_who_answers_before_the_commit_loses_what_was_acknowledged(tmp_path: Path) -> None:
    with called(tmp_path, 100, hasty=True) as (clipbell, caller, _):
        assert clipbell.process is not None
        with failing(clipbell.process.pid, FULL):
            assert statuses(caller.call()) == {200}
            time.sleep(2 * serve_hasty.LATER)
            # a slow one would still find the disk mended
            clipbell.kill()
        assert lost(tmp_path, caller.acknowledged) == caller.acknowledged


def test_no_order_is_sent_that_could_not_be_written_down(tmp_path: Path) -> None:
    with called(tmp_path, 0) as (clipbell, _, vendor):
        assert clipbell.process is not None
        with failing(clipbell.process.pid, FULL):
            answer = clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": "A coast"})
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert answer.headers["retry-after"] == "5"
        assert [seen.path for seen in vendor.seen if seen.method == "POST"] == []


def test_a_checkpoint_that_fails_shows_in_health_and_loses_nothing(tmp_path: Path) -> None:
    with called(tmp_path, 100) as (clipbell, caller, _):
        assert clipbell.process is not None
        with failing(clipbell.process.pid, BROKEN, path=tmp_path / "clipbell.db"):
            assert statuses(caller.call()) == {200}
            clipbell.eventually(lambda: is_unready_after_a_rest(clipbell), "the checkpoint to fail", 60)
            assert "housekeeping" in clipbell.client.get("/readyz").json()["problems"][0]
            assert statuses(caller.call()) == {200}
        clipbell.eventually(lambda: is_ready(clipbell), "health")
        assert_all_is_there(clipbell, caller)


# --- a disk that is really full ---


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few MiB; skipped where mounting one is not allowed, since the calls above fail just so."""
    with small_disk(tmp_path / "disk") as where:
        yield where


def test_a_disk_that_is_full_is_lived_through(disk: Path) -> None:
    ballast = disk / "ballast"
    with called(disk, 200) as (clipbell, caller, _):
        assert statuses(caller.call()) == {200}
        fill(ballast)
        answers = [answer for _ in range(10) for answer in caller.call()]
        assert 503 in statuses(answers)
        assert statuses(answers) <= {200, 503}
        assert not is_ready(clipbell)
        ballast.unlink()
        clipbell.eventually(lambda: is_ready(clipbell), "health")
        assert statuses(caller.call()) == {200}
        for each in caller.acknowledged:
            clipbell.delivered(each.job_id, "files", seconds=40)
        assert_all_is_there(clipbell, caller)


def test_clips_wait_for_room_on_their_disk_while_callbacks_are_taken(disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    with called(folder, 60, files={"target": str(disk), "keep_free": "2MiB"}) as (clipbell, caller, others):
        assert statuses(caller.call()) == {200}
        eventually_saved(clipbell, caller)
        fill(disk / "ballast", but=MIB)
        fetched = len(others.seen)
        assert statuses([answer for _ in range(8) for answer in caller.call()]) == {200}
        (alert,) = clipbell.eventually(lambda: clipbell.items("/v1/alerts"), "the alert")
        assert (alert["code"], alert["subject"]) == ("disk.low", str(disk))
        for each in caller.acknowledged[AT_ONCE:]:
            waits(clipbell, each.job_id)
        assert [seen for seen in others.seen[fetched:] if seen.path.endswith(".mp4")] == []
        assert is_ready(clipbell)
        said = clipbell.command("alerts").stdout
        assert "disk.low" in said
        assert "2.1 MB must stay so (keep_free = 2MiB)" in said
        assert "less than the 2MiB that must stay free" in clipbell.command("doctor").stdout
        (disk / "ballast").unlink()
        eventually_saved(clipbell, caller)
        clipbell.eventually(lambda: not clipbell.items("/v1/alerts"), "the end of the alert", 30)

        def said_of_room() -> list[str]:
            told = [message for message in map(_text, others.seen) if "saved" in message or "room" in message]
            return [word for message in told for word in ("Attention", "Solved") if word in message]

        clipbell.eventually(lambda: said_of_room() == ["Attention", "Solved"], "the news of both", 30)


def eventually_saved(clipbell: Program, caller: Caller) -> None:
    """Every clip that was called back for is saved."""
    for each in caller.acknowledged:
        clipbell.delivered(each.job_id, "files", seconds=60)


def waits(clipbell: Program, job_id: str) -> None:
    """A download waits for room, after one attempt that says so."""

    def look() -> bool:
        (delivery,) = clipbell.items("/v1/deliveries", job_id=job_id, handler="files")
        return delivery["state"] == "pending" and [each["outcome"] for each in delivery["attempts"]] == ["no_room"]

    clipbell.eventually(look, f"{job_id} to wait for room")


def _text(seen: Seen) -> str:
    return str(json.loads(seen.body).get("text", "")) if seen.path == "/slack" else ""
