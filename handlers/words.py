"""Events in plain words: amounts, spans of time, one-line summaries. Pure; every handler for people speaks with it.

Nothing here knows Slack, email or HTML: whoever shows these words escapes and shortens them for its own medium.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from handlers.failures import REPEATABLE, reason_for, refund_words
from handlers.protocol import ClipLink, Parcel, no_link
from schemas.event import Event, EventType, Money

TITLES = {"vrex": "Vrex", "ulazai": "UlazAI", "artnex": "Artnex", "veo3gen": "veo3gen", "aivideoapi": "aivideoapi"}
#: Of one target, more waiting events than this become one digest.
DIGEST_OVER = 5
_LINE_PROMPT = 80
#: A line break, and the two joiners, without which emoji and Persian words fall apart.
_KEPT = frozenset("\n\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Story:
    """One event for people. `line` says it all in one line; the rest says the same with room."""

    title: str
    line: str
    #: The prompt as ordered, or what an alert says.
    text: str
    facts: tuple[tuple[str, str], ...] = ()
    #: Sentences: why, the refund, what to do next.
    notes: tuple[str, ...] = ()
    #: (label, URL); always http or https.
    links: tuple[tuple[str, str], ...] = ()


def money(amount: Money) -> str:
    """Say an amount: `$0.136`, `$3.40`, `-$0.10`, `40 credits`."""
    text = amount.to_json()["amount"].lstrip("-")
    sign = "-" if amount.amount < 0 else ""
    if amount.unit == "USD":
        whole, _, part = text.partition(".")
        return f"{sign}${whole}.{part.ljust(2, '0')}"
    return f"{sign}{text} {'credit' if text == '1' else 'credits'}"


def span(seconds: float) -> str:
    """Say a span of time in its two largest units: `45 s`, `1 min 15 s`, `2 h 3 min`, `1 d 4 h`."""
    rest = round(max(seconds, 0))
    if rest == 0:
        return "less than 1 s"
    parts = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        parts.append((count, unit))
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def size(count: int) -> str:
    """Say a number of bytes: `640 bytes`, `12.3 MB`."""
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} bytes"


def plain(text: str) -> str:
    """Drop what a screen should not act on (control and bidirectional characters); line breaks stay."""
    return "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})


def shortened(text: str, limit: int) -> str:
    """Put a text on one line of at most `limit` characters."""
    seen = text[: limit * 8]
    line = " ".join(plain(seen).split())
    return line if len(line) <= limit and seen == text else line[: limit - 1].rstrip() + "…"


def clipped(text: str, limit: int) -> str:
    """Cut a text to at most `limit` characters; its lines stay."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def vendor_title(event: Event, title: str | None = None) -> str:
    """Name the vendor by its title, as it writes itself, with the account where that has a name of its own."""
    if not event.vendor:
        return event.account or ""
    title = title or TITLES.get(event.vendor, event.vendor)
    return title if event.account in (None, event.vendor) else f"{title} ({event.account})"


def web_link(url: str) -> str | None:
    """Make a URL a link without characters that could end it early; None where it is no web address."""
    if not re.match(r"https?://[^\s/?#]", url):
        return None
    return quote(url, safe=":/?#[]@!$&()*+,;=%~-._", errors="replace")


def story(event: Event, elapsed: float | None = None, link: ClipLink = no_link, *, vendor: str | None = None) -> Story:
    """Tell one event; `link` gives a living link of a clip, better than the vendor's own; `vendor`: its title."""
    maker = vendor_title(event, vendor)
    match event.type:
        case EventType.COMPLETED:
            return _ready(event, elapsed, link, maker)
        case EventType.FAILED:
            return _failed(event, elapsed, maker)
        case EventType.SAVED:
            return _saved(event, link, maker)
        case _:
            return _alert(event, maker)


def _name(event: Event) -> str:
    prompt = shortened(event.prompt or "", _LINE_PROMPT)
    return f"'{prompt}'" if prompt else event.vendor_job_id or event.job_id or "a clip"


def _line(title: str, *parts: str | None) -> str:
    return shortened(f"{title}: " + " · ".join(part for part in parts if part), 600)


def _facts(event: Event, elapsed: float | None, maker: str) -> tuple[tuple[str, str], ...]:
    seconds = event.duration_seconds
    found = (
        ("Vendor", maker),
        ("Model", event.model),
        ("Length", None if seconds is None else f"{seconds:g} s"),
        ("Price", money(event.cost) if event.cost else None),
        ("Took", None if elapsed is None else span(elapsed)),
        ("Tags", ", ".join(event.tags)),
        ("Job", event.job_id),
    )
    return tuple((label, shortened(value, 300)) for label, value in found if value)


def _links(event: Event, link: ClipLink) -> tuple[tuple[str, str], ...]:
    found = []
    for number, video in enumerate(event.videos, 1):
        own = link(event, number)
        url = web_link(own or video.url)
        if url:
            # a vendor's address dies, and people should know when
            end = video.expires_at if own is None else None
            found.append((f" (until {end:%Y-%m-%d %H:%M} UTC)" if end else "", url))
    if len(found) == 1:
        return ((f"Open the clip{found[0][0]}", found[0][1]),)
    return tuple((f"Open clip {number}{end}", url) for number, (end, url) in enumerate(found[:10], 1))


def _ready(event: Event, elapsed: float | None, link: ClipLink, maker: str) -> Story:
    facts = dict(_facts(event, elapsed, maker))
    took = f"took {facts['Took']}" if elapsed is not None else None
    line = _line("Ready", _name(event), facts.get("Vendor"), facts.get("Length"), facts.get("Price"), took)
    return Story("Ready", line, plain(event.prompt or ""), tuple(facts.items()), (), _links(event, link))


def _failed(event: Event, elapsed: float | None, maker: str) -> Story:
    if event.failure is None:
        why, refund, advice = "nobody said why", "refund not confirmed", "Trying again once may work."
        said, can_repeat = "", True
    else:
        reason = reason_for(event.failure)
        why, refund, advice = reason.why, refund_words(event.failure), reason.advice.value
        can_repeat = reason.advice in REPEATABLE
        said = shortened(f"{event.failure.code}: {event.failure.message}".strip(": "), 500)
    line = _line("Failed", _name(event), maker, why, refund, advice)
    again = f" Order the same again with: clipbell again {event.job_id}" if event.job_id and can_repeat else ""
    notes = [f"Why: {why}.", f"Money: {refund}.", f"{advice}{again}"]
    if said:
        notes.append(f"The vendor's words: {said}")
    return Story("Failed", line, plain(event.prompt or ""), _facts(event, elapsed, maker), tuple(notes))


def _saved(event: Event, link: ClipLink, maker: str) -> Story:
    detail = event.detail or {}
    path, count = str(detail.get("path", "")), detail.get("bytes")
    how_much = size(count) if isinstance(count, int) else None
    facts = [("File", shortened(path, 300)), ("Size", how_much or ""), *_facts(event, None, maker)]
    line = _line("Saved", _name(event), path, how_much)
    known = tuple((label, value) for label, value in facts if value)
    return Story("Saved", line, plain(event.prompt or ""), known, (), _links(event, link))


def _alert(event: Event, maker: str) -> Story:
    detail = event.detail or {}
    text, step = (plain(str(detail.get(name) or "")) for name in ("text", "next_step"))
    text = text or shortened(f"{detail.get('code', 'alert')} {detail.get('subject', '')}", 300)
    about = (("Clip", shortened(event.prompt, _LINE_PROMPT)),) if event.prompt else ()
    facts = (*about, *_facts(event, None, maker))
    if event.type is EventType.CLEARED:
        return Story("Solved", _line("Solved", text), text, facts)
    notes = (f"What to do: {step}",) if step else ()
    return Story("Attention", _line("Attention", text, *notes), text, facts, notes)


def urgent_first(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Put what somebody has to do something about before what went well; else as they came."""
    rank = {EventType.RAISED: 0, EventType.FAILED: 1}
    return sorted(parcels, key=lambda parcel: rank.get(parcel.event.type, 2))


def digest(events: Sequence[Event]) -> str:
    """Sum up many events in one line: `12 clips done, 1 failed, $3.40`."""
    kinds = Counter(event.type for event in events)
    done, failed = kinds[EventType.COMPLETED], kinds[EventType.FAILED]
    alerts, solved, saved = kinds[EventType.RAISED], kinds[EventType.CLEARED], kinds[EventType.SAVED]
    parts = [_count(done, "clip", "done")] if done else []
    if failed:
        parts.append(f"{failed} failed" if done else _count(failed, "clip", "failed"))
    if saved:
        parts.append(_count(saved, "file", "saved"))
    if alerts:
        parts.append(_count(alerts, "alert", "raised"))
    if solved:
        parts.append(_count(solved, "alert", "solved"))
    return ", ".join([*parts, *_spent(events)])


def _count(number: int, noun: str, verb: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {verb}"


def _spent(events: Sequence[Event]) -> list[str]:
    # an event of a saved clip repeats the price of its completion
    told = (e for e in events if e.type in (EventType.COMPLETED, EventType.FAILED))
    costs = [e.cost for e in told if e.cost and not (e.failure and e.failure.refunded)]
    kept: dict[str, Money] = {}
    for cost in costs:
        before = kept.get(cost.unit)
        kept[cost.unit] = Money((before.amount if before else Decimal(0)) + cost.amount, cost.unit)
    return [money(kept[unit]) for unit in sorted(kept) if kept[unit].amount]
