"""Whether a saved file is still what it was: its size and its SHA-256. Reads files of this machine only."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.cli.verb import Given
    from receiver.client import Clip


def verified(given: "Given", clip: "Clip") -> str:
    """`ok`, `missing`, `damaged`, or `elsewhere` for what is not on this machine's disks."""
    if "://" in clip.path:
        return "elsewhere"
    path = Path(clip.path)
    if not path.is_absolute():
        path = given.settings().folder / path
    try:
        if path.stat().st_size != clip.bytes:
            return "damaged"
        with path.open("rb") as file:
            return "ok" if hashlib.file_digest(file, "sha256").hexdigest() == clip.sha256 else "damaged"
    except OSError:
        return "missing"
