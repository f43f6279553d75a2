"""strace for tests: is it there and allowed, what did a program do to its files, and calls that fail on demand."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

_LINE = re.compile(r"(?P<thread>\d+) +(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_UNFINISHED = " <unfinished ...>"
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Call:
    """One system call that succeeded. `begun`, `ended`: places in the order of all that happened."""

    name: str
    arguments: str
    result: int
    begun: int
    ended: int

    def strings(self) -> list[bytes]:
        """The strings among the arguments."""
        return [bytes.fromhex(found.replace("\\x", "")) for found in _STRING.findall(self.arguments)]

    def numbers(self) -> list[int | None]:
        """The arguments that are decimal numbers, in their places; None for any other."""
        plain = _STRING.sub("…", self.arguments)
        return [int(each) if re.fullmatch(r"-?\d+", each.strip()) else None for each in plain.split(",")]


def need_strace() -> str:
    """The path of strace; where it is missing or forbidden the test is skipped, or fails under CI=true."""
    found = _usable()
    if found is None:
        reason = "needs strace and the right to trace; apt install strace"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@cache
def _usable() -> str | None:
    path = shutil.which("strace")
    if path is None:
        return None
    tried = subprocess.run([path, "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return path if tried.returncode == 0 else None


def traced(command: Sequence[str], calls: Sequence[str], output: Path) -> list[Call]:
    """Run a program to its end, which has to be a good one, and answer these calls of all its threads."""
    strace = [need_strace(), "-f", "--seccomp-bpf", "-qq", "-xx", "-s", "4000000", "-e", "trace=" + ",".join(calls)]
    done = subprocess.run(
        [*strace, "-e", "signal=none", "-o", str(output), *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(_calls(output))


def _calls(output: Path) -> Iterator[Call]:
    """The calls in the order of their ends."""
    begun: dict[str, tuple[int, str]] = {}
    with output.open() as lines:
        for number, line in enumerate(lines):
            found = _LINE.match(line)
            assert found is not None, line
            thread, text = found["thread"], found["rest"].rstrip("\n")
            start = number
            if text.endswith(_UNFINISHED):
                begun[thread] = number, text.removesuffix(_UNFINISHED)
                continue
            if resumed := _RESUMED.match(text):
                start, before = begun.pop(thread)
                text = before + resumed["rest"]
            call = _CALL.match(text)
            if call is not None and int(call["result"]) >= 0:
                yield Call(call["name"], call["arguments"], int(call["result"]), start, number)


@contextmanager
def failing(pid: int, inject: str, *, path: Path | None = None) -> Iterator[None]:
    """For the length of a block some calls of a running program fail: `pwrite64:error=ENOSPC:when=3+`."""
    name = inject.partition(":")[0]
    only = [] if path is None else ["-P", str(path)]
    command = [need_strace(), "-f", "-qq", "-o", "/dev/null", *only, "-e", f"trace={name}", "-e", f"inject={inject}"]
    with subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE) as strace:
        try:
            _wait_until_traced(pid)
            yield
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(10)


def _wait_until_traced(pid: int) -> None:
    """Until every thread of a program has a tracer."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        if all("TracerPid:\t0\n" not in (task / "status").read_text() for task in tasks):
            return
        time.sleep(0.01)
    raise AssertionError("strace did not attach")
