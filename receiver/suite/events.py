"""Events as handlers get them, one of each type, and the tools of a handler that is tried."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from handlers.protocol import Http, LedgerLines, Tools
from receiver.net import Net
from schemas.event import Event, EventType, Failure, Money, Source, Trust, Video
from schemas.values import replace

NOW = datetime(2025, 1, 1, 12, 2, tzinfo=UTC)
VIDEO = Video(
    "https://r2.getvrex.com/video-gen/a.mp4?X-Sig=1&b=2", "video/mp4", datetime(2025, 1, 1, 13, 1, 15, tzinfo=UTC)
)
READY = Event(
    id="evt_01jgh0000000000000000000a1",
    type=EventType.COMPLETED,
    vendor="vrex",
    account="vrex",
    job_id="job_01jgh0000000000000000000b1",
    vendor_job_id="vg_a1b2c3d4e5f6",
    occurred_at=datetime(2025, 1, 1, 12, 1, 15, tzinfo=UTC),
    received_at=datetime(2025, 1, 1, 12, 1, 16, tzinfo=UTC),
    source=Source.CALLBACK,
    trust=Trust.TOKEN,
    prompt="A cat rides a bicycle",
    model="veo-3.1-lite",
    duration_seconds=8,
    videos=(VIDEO,),
    cost=Money(Decimal("0.136"), "USD"),
    raw={"event": "video.completed"},
)
FAILED = replace(
    READY,
    id="evt_01jgh0000000000000000000a2",
    type=EventType.FAILED,
    videos=(),
    cost=None,
    failure=Failure("HATE_SPEECH", "Prompt blocked", refunded=True, refund_basis="vendor_policy"),
)
ALERT = replace(
    READY,
    id="evt_01jgh0000000000000000000a3",
    type=EventType.RAISED,
    source=Source.CLIPBELL,
    trust=Trust.OWN,
    prompt=None,
    model=None,
    duration_seconds=None,
    videos=(),
    cost=None,
    detail={
        "code": "job.overdue",
        "subject": "job_01jgh0000000000000000000b1",
        "text": "A clip at Vrex is overdue by 30 min.",
        "next_step": "Look at the vendor's dashboard, or wait: we go on asking.",
    },
    raw={},
)
CLEARED = replace(ALERT, id="evt_01jgh0000000000000000000a4", type=EventType.CLEARED)
SAVED = replace(
    READY,
    id="evt_01jgh0000000000000000000a5",
    type=EventType.SAVED,
    detail={"path": "clips/vrex/job_01-1.mp4", "bytes": 12_300_000, "sha256": "0" * 64, "poster": None},
)
EVENTS = (READY, FAILED, ALERT, CLEARED, SAVED)


async def nothing_fresh(_: str) -> tuple[Video, ...]:
    """A vendor that has no fresh URL."""
    return ()


async def no_lines(*_: str) -> Sequence[Mapping[str, Any]]:
    """A job without ledger lines."""
    return ()


def tools(
    folder: Path,
    *,
    http: Http | None = None,
    fresh: Callable[[str], Awaitable[tuple[Video, ...]]] = nothing_fresh,
    lines: LedgerLines = no_lines,
    now: Callable[[], datetime] = lambda: NOW,
) -> Tools:
    """What a handler is given."""
    http = http or Net(allow=(ip_network("127.0.0.0/8"),))
    return Tools(http=http, folder=folder, now=now, fresh_videos=fresh, ledger_lines=lines)
