"""Sample events: one for trying a handler, marked as such, and many for looking at its messages. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from receiver.alerts import WORDS, Word
from receiver.routing import Mint
from receiver.sample_file import SAMPLE_URL
from schemas.event import Event, EventType, Failure, Money, Source, Trust, Video, at
from schemas.values import replace

_BLOCKED = Failure("CONTENT_FILTER", "Prompt violates content policy", refunded=True, refund_basis="vendor_policy")
_ENGINE = Failure("GENERATION_FAILED", "Engine returned no frames", refunded=False, refund_basis="vendor_figure")
_DOWN = Failure("SERVICE_UNAVAILABLE", "Upstream is overloaded, try again later")
_LATE = WORDS["job.overdue"]
_LONG = "A slow drone shot along a rocky coast at golden hour, waves breaking white far below, gulls wheeling. " * 40
_MARKUP = """<b>Neon</b> & <script>alert("1")</script> <!channel> @here *bold* _it_ `code` <https://evil.example|pay> #1
Second line: {{ 7 * 7 }} %s ${HOME} &amp; \\n"""
_SCRIPTS = "قطة تركب دراجة في شارع مضيء ليلاً 🎬👩‍👩‍👧‍👦 · חתול רוכב על אופניים · 自転車に乗る猫 · Ein Bär fährt Rad"


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
        videos=(Video(SAMPLE_URL, "video/mp4", moment + timedelta(hours=1)),),
        cost=Money(Decimal("0.136"), "USD"),
        tags=("test",),
        metadata={"test": True},
    )


def sample_messages(now: int, mint: Mint) -> Sequence[tuple[str, Sequence[Event]]]:
    """What a message can be about: in words, and the events that go into one."""
    ready = replace(sample_event(now, mint), prompt="A drone shot of a coastal city at golden hour", tags=("acme",))
    failed = replace(ready, type=EventType.FAILED, videos=(), cost=None)
    lost = replace(failed, failure=_ENGINE, cost=ready.cost)
    many = [replace(ready, id=mint("evt_"), prompt=f"{ready.prompt}, take {number}") for number in range(1, 13)]
    return [
        ("A finished clip", [ready]),
        ("A failed clip, refunded by the vendor's policy", [replace(failed, failure=_BLOCKED)]),
        ("A failed clip, not refunded", [lost]),
        ("A failed clip, whether refunded is not known", [replace(failed, failure=_DOWN)]),
        ("An alert", [_alert(ready, EventType.RAISED, _LATE)]),
        ("An alert that is solved", [_alert(ready, EventType.CLEARED, Word("{job} at {account} is completed", ""))]),
        ("12 done and 1 failed, in one message", [*many, replace(failed, failure=_BLOCKED)]),
        (
            "A saved clip",
            [replace(ready, type=EventType.SAVED, detail={"path": "clips/vrex/a.mp4", "bytes": 7_340_000})],
        ),
        ("A very long prompt", [replace(ready, prompt=_LONG)]),
        ("Markup in a prompt", [replace(ready, prompt=_MARKUP)]),
        ("Emoji and right-to-left words", [replace(ready, prompt=_SCRIPTS)]),
    ]


def _alert(event: Event, kind: EventType, word: Word) -> Event:
    facts = {"job": event.job_id, "account": event.account, "age": "31 min"}
    text, step = word.text.format(**facts), word.next_step.format(**facts)
    detail = {"code": "job.overdue", "subject": event.job_id, "text": text, "next_step": step}
    return replace(event, type=kind, duration_seconds=None, videos=(), cost=None, detail=detail)
