"""Whether handlers hold each other, or the web, up.

Usage: python -m tests.benchmarks.fan_out [ROUNDS].

First six `webhook` handlers at 25 clips a second: how old an event is when it arrives, once with all six well, and once
with one that never answers and one that answers 500. Rounds of both take turns, since machines are noisy. Then 1,000
callbacks a second while a plug-in handler blocks the thread of the work for a second at a time, in turns with the same
plug-in that does not block: the p99 of the 200.
"""

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.callbacks import Paced, Stand, lay_out, load, module, told
from tests.benchmarks.cores import alone, keep_apart
from tests.benchmarks.steady import p99, tail_of, watched
from tests.support.http_server import closed_port
from tests.support.program import CLIPBELL, Program, program

ROUNDS = 3
CLIPS, PACE = 500, 25
BLOCKED, BLOCKED_PACE = 10_000, 1_000
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
WELL = {"a": "/a", "b": "/b", "c": "/c", "d": "/d", "e": "/e", "f": "/f"}
TROUBLED = {**WELL, "e": "/hang", "f": "/fail"}
OTHERS = ("/a", "/b", "/c", "/d")
PLUG_IN = """
import os
import time

from handlers.protocol import Done, HandlerType, Options


class Blocker:
    def __init__(self, options, tools):
        pass

    async def deliver(self, parcels):
        time.sleep(float(os.environ["BLOCKS_FOR"]))
        return {parcel.key: Done("slept") for parcel in parcels}

    async def close(self):
        pass


HANDLER = HandlerType(name="blocker", options=Options, make=Blocker, example={})
"""


@contextmanager
def sink() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The receivers: their port, and their process."""
    arguments = [sys.executable, "-m", "tests.benchmarks.sink"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
        process.terminate()


def arrivals(paths: dict[str, str]) -> list[float]:
    """The ages in milliseconds at which events arrived at the four others, with handlers at these paths."""
    with tempfile.TemporaryDirectory() as name, sink() as (port, process):
        folder = Path(name)
        lines = asyncio.run(lay_out(folder, CLIPS, Stand(port)))
        with program(folder, {"vrex": "http://127.0.0.1:9"}, closed_port()) as server:
            server.handlers = {
                handler: {"type": "webhook", "url": f"http://127.0.0.1:{port}{path}", "secret": SECRET}
                for handler, path in paths.items()
            }
            server.serve = alone(server.serve)
            server.start()
            load(server.port, lines, rate=PACE)
            _drained(server, [handler for handler, path in paths.items() if path in OTHERS])
        ages: dict[str, list[float]] = json.loads(process.communicate()[0])
    found = [age for path in OTHERS for age in ages[path]]
    assert len(found) == CLIPS * len(OTHERS), "an event did not arrive"
    return found


def _drained(server: Program, handlers: list[str]) -> None:
    for handler in handlers:
        server.eventually(
            lambda handler=handler: all(  # type: ignore[misc]
                not server.items("/v1/deliveries", handler=handler, state=state) for state in ("pending", "running")
            ),
            f"{handler} to have nothing left",
        )


def blocked(seconds: int) -> Paced:
    """Have callbacks come at a pace while a plug-in blocks the work's thread for so many seconds at a time."""
    with tempfile.TemporaryDirectory() as name, sink() as (port, _):
        folder = Path(name)
        _install(folder)
        lines = asyncio.run(lay_out(folder, BLOCKED, Stand(port)))
        with program(folder, {"vrex": "http://127.0.0.1:9"}, closed_port()) as server:
            server.serve = alone(["env", f"PYTHONPATH={folder}", CLIPBELL, "serve"])
            server.variables["BLOCKS_FOR"] = str(seconds)
            server.handlers = {"blocker": {"type": "blocker"}, "books": {"type": "ledger"}}
            server.start()
            with watched() as watch:
                found = load(server.port, lines, rate=BLOCKED_PACE)
            assert server.items("/v1/deliveries", handler="blocker", state="done"), "the plug-in was not called"
        with module("bare") as bare:
            yardstick = load(bare, lines, rate=BLOCKED_PACE)
    return Paced(tail_of(found["calls"], watch.spans), found, yardstick)


def _install(folder: Path) -> None:
    (folder / "blocking_plug_in.py").write_text(PLUG_IN)
    facts = folder / "blocking_plug_in-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: blocking-plug-in\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[clipbell.handlers]\nblocker = blocking_plug_in:HANDLER\n")


def main(rounds: int) -> None:
    """Print the figures."""
    keep_apart()
    well: list[float] = []
    troubled: list[float] = []
    for number in range(rounds):
        well += arrivals(WELL)
        troubled += arrivals(TROUBLED)
        print(f"round {number + 1}: p99 so far {p99(well):.1f} ms all well, {p99(troubled):.1f} ms beside trouble")
    print(
        f"six handlers, one hanging and one failing: the other four's p99 is {p99(troubled) / p99(well):.2f} of their "
        f"own when all are well ({p99(troubled):.1f} and {p99(well):.1f} ms, {len(well)} arrivals each; at most 1.20)"
    )
    free, held = zip(*[(blocked(0), blocked(1)) for _ in range(rounds)], strict=True)
    told(f"p99 at {BLOCKED_PACE}/s beside a plug-in that does not block", free)
    told(f"p99 at {BLOCKED_PACE}/s while a plug-in blocks its thread", held)
    each_round = ", ".join(f"{each.tail.p99:.1f} ms ({1 - each.tail.calm:.0%})" for each in held)
    print(f"round by round, with the part of its calls that met a slow moment of the machine: {each_round}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
