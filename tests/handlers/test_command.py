"""Command: what the program gets, what its end means, and that nothing of it outlives its deadline."""

import asyncio
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop
from pydantic import ValidationError

from handlers.command import HANDLER, CommandOptions
from handlers.program import Program
from handlers.protocol import Done, GiveUp, Outcome, Parcel, TryLater
from schemas.values import replace
from tests.support.parcels import READY, parcel, tools

PYTHON = sys.executable


def deliver(folder: Path, code: str, *arguments: str, given: Parcel | None = None, timeout: str = "20s") -> Outcome:
    """Run a Python program for one parcel."""
    return deliver_argv(folder, [PYTHON, "-c", code, *arguments], given=given, timeout=timeout)


def deliver_argv(folder: Path, argv: Sequence[str], *, given: Parcel | None = None, timeout: str = "20s") -> Outcome:
    """Run a program for one parcel."""

    async def main() -> Mapping[str, Outcome]:
        handler = HANDLER.make(CommandOptions(argv=tuple(argv), timeout=timeout), tools(folder))
        return await handler.deliver([given or parcel()])

    return asyncio.run(main())["dlv_1"]


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(true: Callable[[], bool]) -> bool:
    """Wait up to five seconds for something to be true."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return false_at_last(true)


def false_at_last(true: Callable[[], bool]) -> bool:
    """Look once more."""
    return true()


def test_the_program_gets_the_event_on_its_standard_input(tmp_path: Path) -> None:
    assert deliver(tmp_path, "import sys; open('got.json', 'w').write(sys.stdin.read()); print('kept')") == Done("kept")
    assert json.loads((tmp_path / "got.json").read_text()) == READY.to_json()


def test_the_environment_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPBELL_API_TOKEN", "secret")
    outcome = deliver(tmp_path, "import os, json; print(json.dumps(dict(os.environ)))")
    assert isinstance(outcome, Done)
    found = json.loads(outcome.answer or "")
    assert set(found) - {"LC_CTYPE"} == {"PATH", "HOME", "LANG"}
    assert found["LANG"] == "C.UTF-8"


def test_nothing_of_an_event_reaches_a_shell(tmp_path: Path) -> None:
    hostile = "$(touch pwned); `touch pwned` --flag \n && touch pwned \0"
    event = replace(READY, prompt=hostile, vendor_job_id=hostile)
    outcome = deliver_argv(tmp_path, ["/bin/sh", "-c", "cat > got.json", hostile[:20]], given=parcel(event))
    assert outcome == Done("")
    assert {path.name for path in tmp_path.iterdir()} == {"got.json"}
    assert json.loads((tmp_path / "got.json").read_text())["prompt"] == hostile


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("print('ok')", Done("ok")),
        ("import sys; print('busy'); sys.exit(75)", None),
        ("import sys; print('no', file=sys.stderr); sys.exit(1)", GiveUp("the program failed with exit code 1", "no")),
        ("import os; os.kill(os.getpid(), 9)", TryLater("the program was ended by signal 9", answer="")),
    ],
)
def test_its_exit_code_decides(tmp_path: Path, code: str, outcome: Outcome | None) -> None:
    later = TryLater("the program asked to be tried later (exit code 75)", answer="busy")
    assert deliver(tmp_path, code) == (outcome or later)


@pytest.mark.parametrize("argv", [["./nowhere.sh"], ["no-such-program-anywhere"], ["/"]])
def test_a_program_that_cannot_be_started_waits_for_a_person(tmp_path: Path, argv: list[str]) -> None:
    outcome = deliver_argv(tmp_path, argv)
    assert isinstance(outcome, TryLater)
    assert "cannot be started" in outcome.reason


def test_a_program_in_the_configurations_folder_can_be_named(tmp_path: Path) -> None:
    script = tmp_path / "notify.sh"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    assert deliver_argv(tmp_path, ["./notify.sh"]) == Done(str(tmp_path.resolve()))


def test_a_program_that_runs_too_long_dies_with_all_that_it_started(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "open('pids', 'a').write(f'{os.getpid()}\\n')\n"
        "time.sleep(60)\n"
    )
    begin = time.monotonic()
    outcome = deliver(tmp_path, code, timeout="0.7s")
    assert isinstance(outcome, TryLater)
    assert "ran longer than 0.7 s" in outcome.reason
    assert time.monotonic() - begin < 10
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert until(lambda: not any(is_alive(pid) for pid in pids))


def test_what_a_program_leaves_behind_does_not_hold_it_up_and_ends_with_it(tmp_path: Path) -> None:
    begin = time.monotonic()
    assert deliver_argv(tmp_path, ["/bin/sh", "-c", "sleep 60 & echo $! > pid; echo done"]) == Done("done")
    assert time.monotonic() - begin < 5
    pid = int((tmp_path / "pid").read_text())
    assert until(lambda: not is_alive(pid))


def test_a_flood_of_words_neither_stops_the_program_nor_fills_the_memory(tmp_path: Path) -> None:
    outcome = deliver(
        tmp_path, "import sys\nfor _ in range(3000): sys.stdout.write('x' * 1000)\nsys.stderr.write('end')"
    )
    assert outcome == Done("x" * 500)


@pytest.mark.parametrize("pause", [0, 0.01], ids=["flooding", "dripping"])
def test_a_program_that_never_comes_to_an_end_is_ended_in_time_and_takes_no_memory(
    tmp_path: Path, pause: float
) -> None:
    code = f"import sys, time\nwhile True: sys.stdout.write('x' * 1000); sys.stdout.flush(); time.sleep({pause})"
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    outcome = deliver(tmp_path, code, timeout="1s")
    assert time.monotonic() - begin < 8
    assert outcome == TryLater("the program ran longer than 1 s and was ended", answer="x" * 500)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_program_that_says_nothing_is_ended_in_time(tmp_path: Path) -> None:
    outcome = deliver(tmp_path, "import time; time.sleep(60)", timeout="0.5s")
    assert outcome == TryLater("the program ran longer than 0.5 s and was ended", answer="")


def test_it_is_a_process_group_of_its_own(tmp_path: Path) -> None:
    outcome = deliver(tmp_path, "import os; print(os.getpgid(0) == os.getpid() == os.getsid(0))")
    assert outcome == Done("True")


def test_a_program_that_does_not_read_its_input_is_free_to(tmp_path: Path) -> None:
    big = replace(READY, raw={"x": "y" * 1_000_000})
    assert deliver(tmp_path, "print('ok')", given=parcel(big)) == Done("ok")


def test_a_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    async def main() -> None:
        options = CommandOptions(argv=("/bin/sh", "-c", "echo $$ > pid; sleep 60"))
        task = asyncio.ensure_future(_as_task(HANDLER.make(options, tools(tmp_path)).deliver([parcel()])))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not is_alive(int((tmp_path / "pid").read_text()))


async def _as_task(awaitable: Any) -> Any:
    return await awaitable


def test_it_runs_on_the_fast_loop_of_another_thread(tmp_path: Path) -> None:
    found: list[Mapping[str, Outcome]] = []

    def work() -> None:
        handler = HANDLER.make(CommandOptions(argv=("/bin/echo", "hello")), tools(tmp_path))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found.append(runner.run(_as_task(handler.deliver([parcel()]))))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert found == [{"dlv_1": Done("hello")}]


def test_what_never_began_has_nothing_to_end(tmp_path: Path) -> None:
    async def main() -> int:
        program = Program(["true"], tmp_path)
        code = await program.wait()
        await program.end()
        return code

    assert asyncio.run(main()) == 0


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        deliver_argv(tmp_path, ["/bin/echo", "x"])
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"argv": []}, "at least 1 item"),
        ({"argv": [""]}, "must name a program"),
        ({"argv": ["a\0b"]}, "must name a program"),
        ({"argv": ["x"], "timeout": "1 minute"}, "such as"),
        ({"argv": ["x"], "timeout": "0s"}, "must be between"),
        ({"argv": ["x"], "timeout": "2h"}, "must be between"),
    ],
)
def test_options_that_cannot_work_are_refused_at_the_start(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CommandOptions.model_validate(options)
