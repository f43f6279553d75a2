"""The Python client of a Clipbell server, installed as the import package `clipbell`. It imports nothing else of ours.

from clipbell import Clipbell

with Clipbell(token="…") as bell:
    job = bell.submit("vrex", "a paper boat on a rainy street", seconds=8)
    print(bell.wait(job.id).videos)
"""

from .client import AsyncClipbell, Clipbell
from .errors import (
    ClipbellError,
    InvalidOrder,
    NotFound,
    NoToken,
    Problem,
    Refused,
    ServerFailed,
    ServerUnreachable,
    Unauthorized,
    WaitedTooLong,
)
from .models import (
    Alert,
    Attempt,
    Changed,
    Clip,
    Delivery,
    Event,
    Evidence,
    Failure,
    Handler,
    Job,
    LedgerLine,
    LedgerSum,
    Money,
    Page,
    Vendor,
    Video,
)

__all__ = [
    "Alert",
    "AsyncClipbell",
    "Attempt",
    "Changed",
    "Clip",
    "Clipbell",
    "ClipbellError",
    "Delivery",
    "Event",
    "Evidence",
    "Failure",
    "Handler",
    "InvalidOrder",
    "Job",
    "LedgerLine",
    "LedgerSum",
    "Money",
    "NoToken",
    "NotFound",
    "Page",
    "Problem",
    "Refused",
    "ServerFailed",
    "ServerUnreachable",
    "Unauthorized",
    "Vendor",
    "Video",
    "WaitedTooLong",
]
