"""The Python client of a Clipbell server, installed as the import package `clipbell`. It imports nothing else of ours.

from clipbell import Clipbell

with Clipbell(token="…") as bell:
    job = bell.submit("vrex", "a paper boat on a rainy street", seconds=8)
    print(bell.wait(job.id).videos)
"""

from .books import Finding, FindingSum, LedgerLine, LedgerSum
from .client import AsyncClipbell, Clipbell
from .errors import (
    BadAddress,
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
    Batch,
    Changed,
    Clip,
    Cost,
    Delivery,
    Event,
    Evidence,
    Failure,
    Handler,
    Job,
    Loss,
    Money,
    Page,
    Seen,
    Vendor,
    Video,
    Wait,
)

__all__ = [
    "Alert",
    "AsyncClipbell",
    "Attempt",
    "BadAddress",
    "Batch",
    "Changed",
    "Clip",
    "Clipbell",
    "ClipbellError",
    "Cost",
    "Delivery",
    "Event",
    "Evidence",
    "Failure",
    "Finding",
    "FindingSum",
    "Handler",
    "InvalidOrder",
    "Job",
    "LedgerLine",
    "LedgerSum",
    "Loss",
    "Money",
    "NoToken",
    "NotFound",
    "Page",
    "Problem",
    "Refused",
    "Seen",
    "ServerFailed",
    "ServerUnreachable",
    "Unauthorized",
    "Vendor",
    "Video",
    "Wait",
    "WaitedTooLong",
]
