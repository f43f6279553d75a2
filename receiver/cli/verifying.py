"""Whether a saved file is still what it was: its size and its SHA-256. Reads whole files, also out of buckets."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.cli.verb import Given
    from receiver.client import Clip

_CHUNK = 8 << 20


class Verifier:
    """Looks at files, and asks no bucket again that did not answer."""

    def __init__(self, given: "Given") -> None:
        self._given = given
        self._silent: set[str] = set()

    def verified(self, clip: "Clip") -> str:
        """`ok`, `missing`, `damaged`, or `elsewhere` for what cannot be looked at from here."""
        if "://" in clip.path:
            return self._in_bucket(clip)
        path = Path(clip.path)
        if not path.is_absolute():
            path = self._given.settings().folder / path
        try:
            if path.stat().st_size != clip.bytes:
                return "damaged"
            with path.open("rb") as file:
                return "ok" if hashlib.file_digest(file, "sha256").hexdigest() == clip.sha256 else "damaged"
        except OSError:
            return "missing"

    def _in_bucket(self, clip: "Clip") -> str:
        bucket = clip.path.partition("://")[2].partition("/")[0]
        if not clip.path.startswith("s3://") or bucket in self._silent or find_spec("obstore") is None:
            return "elsewhere"
        try:
            return _stored(clip)
        except FileNotFoundError:
            return "missing"
        except OSError:
            self._silent.add(bucket)
            return "elsewhere"


def _stored(clip: "Clip") -> str:
    from handlers.buckets import open_stored

    file = open_stored(clip.path)
    if file.size != clip.bytes:
        return "damaged"
    digest = hashlib.sha256()
    for at in range(0, file.size, _CHUNK):
        digest.update(file.read(at, min(_CHUNK, file.size - at)))
    return "ok" if digest.hexdigest() == clip.sha256 else "damaged"
