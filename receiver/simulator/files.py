"""The finished clips: signed URLs that really expire, and the bytes behind them.

Each job's file is one of a few ready clips with a `free` box at its end that names the job, so no two are alike. Its
head says the length and the size that were ordered: it plays slower or faster, and larger.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any
from urllib.parse import urlencode

from receiver.simulator.clock import Clock
from receiver.simulator.jobs import Job
from receiver.simulator.settings import SimulatorSettings

LENGTHS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 16)


class Signer:
    """Signs file URLs and checks them."""

    def __init__(self, clock: Clock, settings: SimulatorSettings) -> None:
        self.clock = clock
        self.settings = settings
        self._random = Random(settings.seed)  # noqa: S311 - repeatable on purpose, guards nothing
        self._secret = secrets.token_bytes(32)

    def url(self, origin: str, job: Job, number: int, life: float | None) -> str:
        """Give a URL of a job's n-th clip that lives for `life` seconds; None: unsigned, for ever."""
        path = f"files/{job.vendor}/{job.id}/{number}.mp4"
        if life is None:
            return f"{origin}{path}"
        expires = f"{self.clock.now() + self._life(life):.3f}"
        return f"{origin}{path}?{urlencode({'expires': expires, 'sig': self._signature(path, expires)})}"

    def _life(self, usual: float) -> float:
        if self.settings.url_dies_within is not None:
            return self._random.uniform(0, self.settings.url_dies_within)
        return usual if self.settings.url_life is None else self.settings.url_life

    def problem(self, path: str, expires: str, signature: str) -> str | None:
        """Say what is wrong with a signed URL."""
        if not hmac.compare_digest(self._signature(path.lstrip("/"), expires).encode(), signature.encode()):
            return "The request signature we calculated does not match the signature you provided."
        if self.clock.now() >= float(expires):
            return "Request has expired"
        return None

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._secret, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


@cache
def _ready(length: int) -> bytes:
    return (files("receiver.simulator") / "clips" / f"{length}.mp4").read_bytes()


def clip(job: Job, number: int, version: int = 0) -> bytes:
    """Give the bytes of a job's n-th clip."""
    label = f"{job.vendor} {job.id} {number} {version}".encode()
    content = film(job.draft.seconds, *picture(job.draft.fields))
    return content + (8 + len(label)).to_bytes(4, "big") + b"free" + label


def picture(fields: Mapping[str, Any]) -> tuple[int, int]:
    """Give the width and the height that an order's fields mean."""
    said = next((fields[name] for name in ("size", "aspect_ratio", "aspectRatio") if name in fields), None)
    found = re.fullmatch(r"([1-9][0-9]{0,3})([x:])([1-9][0-9]{0,3})", said if isinstance(said, str) else "")
    if found is None:
        return 1280, 720
    width, height = int(found[1]), int(found[3])
    dots = 1 if found[2] == "x" else 720 / min(width, height)
    return min(round(width * dots), 9999), min(round(height * dots), 9999)


@cache
def film(seconds: float, width: int, height: int) -> bytes:
    """Give a clip whose head says this length and this size."""
    length = min(LENGTHS, key=lambda known: abs(known - seconds))
    content = bytearray(_ready(length))
    for clock in (b"mvhd", b"mdhd"):
        at = content.index(clock) + 16  # behind the box's kind, version, flags and two times
        ticks = int.from_bytes(content[at : at + 4], "big")
        content[at : at + 4] = max(round(ticks * length / seconds), 1).to_bytes(4, "big")
    at = content.index(b"tkhd") + 80  # behind kind, version, flags, track, length and matrix
    content[at : at + 8] = (width << 16).to_bytes(4, "big") + (height << 16).to_bytes(4, "big")
    return bytes(content)


def etag(content: bytes) -> str:
    """Give the ETag of some bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
