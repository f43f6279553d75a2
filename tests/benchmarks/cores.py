"""Cores: the server that is measured has one to itself, and whoever calls it stays away from that one.

Otherwise the machine's scheduler decides anew in each run whom the client disturbs. Where a machine has one core only,
or no `taskset`, nothing is kept apart.
"""

import os
import shutil
from collections.abc import Sequence
from functools import cache


def alone(command: Sequence[str]) -> list[str]:
    """How to start a server on the core that is its own."""
    return [*keep_apart(), *command]


@cache
def keep_apart() -> tuple[str, ...]:
    """Keep this process, and what it starts, off one core; answer how a command begins that is to run there."""
    taskset = shutil.which("taskset")
    if taskset is None or not hasattr(os, "sched_getaffinity"):
        return ()
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        return ()
    os.sched_setaffinity(0, others)
    return (taskset, "-c", str(first))
