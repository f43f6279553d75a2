"""A disk of a few MiB that a test may really fill; where mounting is not allowed the test is skipped."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 2**20


@contextmanager
def small_disk(where: Path, mib: int = 6) -> Iterator[Path]:
    """Mount one at a new folder."""
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "clipbell-test", str(where)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def fill(ballast: Path, but: int = 0) -> None:
    """Write a file that takes all the room there is, or all but so many bytes."""
    with ballast.open("wb", buffering=0) as file:
        for size in (MIB, 4096):
            try:
                while True:
                    file.write(b"\1" * size)
            except OSError:
                continue
        file.truncate(file.tell() - but)
