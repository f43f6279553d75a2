"""A sample event for trying a handler, marked as such. Pure."""

from datetime import timedelta
from decimal import Decimal

from receiver.routing import Mint
from schemas.event import Event, EventType, Money, Source, Trust, Video, at


def sample_event(now: int, mint: Mint) -> Event:
    """A finished clip that never was; its file is nobody's."""
    moment = at(now)
    return Event(
        id=mint("evt_"),
        type=EventType.COMPLETED,
        vendor="vrex",
        account="vrex",
        job_id=mint("job_"),
        vendor_job_id="vg_sample",
        occurred_at=moment,
        received_at=moment,
        source=Source.CLIPBELL,
        trust=Trust.OWN,
        prompt="This is a test from clipbell: no clip was made",
        model="veo-3.1-lite",
        duration_seconds=8,
        videos=(Video("https://example.com/sample.mp4", "video/mp4", moment + timedelta(hours=1)),),
        cost=Money(Decimal("0.136"), "USD"),
        tags=("test",),
        metadata={"test": True},
    )
