"""Conversations about everything but jobs: lists, deliveries, alerts, clips, money, handlers, vendors."""

from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from .books import Finding, FindingSum, LedgerLine, LedgerSum
from .calls import Call, Conversation, as_object, ask, one_of, page_of
from .models import (
    Alert,
    Clip,
    Delivery,
    Event,
    Evidence,
    Handler,
    Job,
    Page,
    Vendor,
    Wait,
)
from .records import Record

R = TypeVar("R", bound=Record)

#: What the server gives at once, at most.
PAGE = 200
#: A handler under test may take its whole time.
TEST_TIMEOUT = 90.0
EVERYTHING = None


class Part(TypedDict, total=False):
    """Which part of a list: so many items (None: all there are), from the cursor of an earlier part."""

    limit: int | None
    cursor: str | None


class JobFilters(Part, total=False):
    """Which jobs."""

    state: str | None
    vendor: str | None
    account: str | None
    origin: str | None
    batch: str | None
    tag: str | None
    vendor_job_id: str | None
    model: str | None
    settled_by: str | None


class EventFilters(Part, total=False):
    """Which events."""

    type: str | None
    job_id: str | None
    vendor: str | None
    account: str | None
    vendor_job_id: str | None
    source: str | None
    trust: str | None
    model: str | None
    tag: str | None
    batch: str | None


class DeliveryFilters(Part, total=False):
    """Which deliveries."""

    state: str | None
    handler: str | None
    target: str | None
    event_id: str | None
    job_id: str | None


class EvidenceFilters(Part, total=False):
    """Which evidence."""

    job_id: str | None
    account: str | None
    kind: str | None
    verdict: str | None
    status: int | None
    sha256: str | None


class LineFilters(Part, total=False):
    """Which lines of the ledger."""

    job_id: str | None
    vendor: str | None
    account: str | None
    kind: str | None
    basis: str | None
    evidence_id: str | None


class FindingFilters(Part, total=False):
    """Which findings."""

    kind: str | None
    job_id: str | None
    vendor: str | None
    account: str | None


class AlertFilters(Part, total=False):
    """Which alerts; `all`: also those that were cleared."""

    all: bool
    code: str | None
    subject: str | None
    job_id: str | None


class ClipFilters(Part, total=False):
    """Which saved files."""

    job_id: str | None
    handler: str | None
    sha256: str | None


def jobs(**which: Unpack[JobFilters]) -> Conversation[Page[Job]]:
    """List jobs, newest first, 50 unless told otherwise."""
    return _list("/v1/jobs", Job, which)


def waits(job_id: str) -> Conversation[Page[Wait]]:
    """List why a queued order has not gone out yet; nothing where its turn has come, or it is not queued."""
    return ask(Call("GET", f"/v1/jobs/{_id(job_id)}/waits", page_of(Wait)))


def events(**which: Unpack[EventFilters]) -> Conversation[Page[Event]]:
    """List events, newest first."""
    return _list("/v1/events", Event, which)


def deliveries(**which: Unpack[DeliveryFilters]) -> Conversation[Page[Delivery]]:
    """List deliveries, newest first."""
    return _list("/v1/deliveries", Delivery, which)


def evidence(**which: Unpack[EvidenceFilters]) -> Conversation[Page[Evidence]]:
    """List what was sent about jobs, newest first."""
    return _list("/v1/evidence", Evidence, which)


def alerts(**which: Unpack[AlertFilters]) -> Conversation[Page[Alert]]:
    """List alerts that stand, or all that ever stood."""
    return _list("/v1/alerts", Alert, which)


def clips(**which: Unpack[ClipFilters]) -> Conversation[Page[Clip]]:
    """List saved files, newest first."""
    return _list("/v1/clips", Clip, which)


def ledger(**which: Unpack[LineFilters]) -> Conversation[Page[LedgerLine]]:
    """List lines of money, newest first."""
    return _list("/v1/ledger", LedgerLine, which)


def handlers() -> Conversation[Page[Handler]]:
    """List the configured handlers with their health."""
    return ask(Call("GET", "/v1/handlers", page_of(Handler)))


def vendors() -> Conversation[Page[Vendor]]:
    """List the vendors that the server knows."""
    return ask(Call("GET", "/v1/vendors", page_of(Vendor)))


def ledger_summary(by: str = "vendor") -> Conversation[Page[LedgerSum]]:
    """Sum the ledger by vendor, account, day, model or tag."""
    return ask(Call("GET", "/v1/ledger/summary", page_of(LedgerSum), query={"by": by}))


def findings(**which: Unpack[FindingFilters]) -> Conversation[Page[Finding]]:
    """List money that does not add up, the newest job first."""
    return _list("/v1/ledger/findings", Finding, which)


def finding_sums(**which: Unpack[FindingFilters]) -> Conversation[Page[FindingSum]]:
    """Count and sum by kind all money that does not add up."""
    return ask(Call("GET", "/v1/ledger/findings/summary", page_of(FindingSum), query=_query(which)))


def event(event_id: str) -> Conversation[Event]:
    """Read one event."""
    return ask(Call("GET", f"/v1/events/{_id(event_id)}", one_of(Event)))


def replay(event_id: str, *, handler: str | None = None, again: bool = False) -> Conversation[Mapping[str, Any]]:
    """Deliver an event again: only where it has not succeeded, unless `again`. Answers `{"deliveries": [ids]}`."""
    body = {"handler": handler, "again": again}
    return ask(Call("POST", f"/v1/events/{_id(event_id)}/replay", as_object, body=body))


def retry(delivery_id: str) -> Conversation[Delivery]:
    """Try a dead or waiting delivery now."""
    return ask(Call("POST", f"/v1/deliveries/{_id(delivery_id)}/retry", one_of(Delivery)))


def retry_all(**which: Unpack[DeliveryFilters]) -> Conversation[Mapping[str, Any]]:
    """Try every delivery of a filter now, all that are dead unless it says otherwise. Answers their ids."""
    return ask(Call("POST", "/v1/deliveries/retry", as_object, body=_query(which)))


def evidence_body(evidence_id: str) -> Conversation[bytes]:
    """Read the bytes of one piece of evidence as they came."""
    return ask(Call("GET", f"/v1/evidence/{_id(evidence_id)}/body", bytes))


def test_handler(name: str) -> Conversation[Mapping[str, Any]]:
    """Send a sample event through one handler and answer what came of it."""
    return ask(Call("POST", f"/v1/handlers/{_id(name)}/test", as_object, timeout=TEST_TIMEOUT))


def _list(path: str, record: type[R], which: Mapping[str, Any]) -> Conversation[Page[R]]:
    wanted: int | None = which.get("limit", 50)
    query = _query(which)
    items: list[R] = []
    while True:
        size = PAGE if wanted is None else min(PAGE, wanted - len(items))
        page: Page[R] = yield Call("GET", path, page_of(record), query={**query, "limit": str(size)})
        items += page
        if page.next is None or (wanted is not None and len(items) >= wanted):
            return Page(items, page.next)
        query["cursor"] = page.next


def _query(which: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in which.items() if value is not None and name != "limit"}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _id(text: str) -> str:
    return quote(text, safe="")
