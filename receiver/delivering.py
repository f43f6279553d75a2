"""What the outcome of an attempt changes: the delivery's state, its next try, and what follows from it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.protocol import Done, GiveUp, Outcome, Saved, TryLater
from receiver.alerts import Notice
from receiver.footage import differences
from receiver.retry import SCHEDULE, failures_in_a_row, next_perishable_try, next_try, next_try_for_room
from receiver.settle import Rules
from receiver.store.protocol import AlertCleared, AlertRaised, Attempt, Claimed, Clip, Delivery, Finish
from schemas.event import Event, EventType, Source, Trust, at, rfc3339
from schemas.job import Job

#: A download is at risk after so many failures in a row, or with so little of its URL's life left.
RISKY_TRIES, RISKY_REST = 5, 15 * 60 * 1_000_000
CRASHED = "crashed"
#: The alert about a clip that is not as ordered.
MISMATCH = "clip.mismatch"
#: The outcome of an attempt that found no room. Its answer is where: our folder, which no list shows as an answer.
NO_ROOM = "no_room"
#: What is kept of the other side's words.
MAX_WORDS = 1000


@dataclass(frozen=True, slots=True)
class Ending:
    """An attempt as it ended."""

    claimed: Claimed
    outcome: Outcome
    perishable: bool
    now: int
    dice: float
    #: Seconds between the attempts; for what does not perish.
    schedule: Sequence[float] = SCHEDULE
    #: It was to try a handler that is paused.
    is_probe: bool = False
    #: The job of a file that was saved.
    job: Job | None = None


def ending(end: Ending, rules: Rules) -> Finish:
    """Decide what becomes of a delivery."""
    outcome = end.outcome
    if isinstance(outcome, Done):
        return _done(end, outcome, rules)
    if end.is_probe and (isinstance(outcome, TryLater) or outcome.gone):
        # the handler's trouble, not the delivery's: it waits with the others
        return Finish("parked", Attempt(end.now, "later", _cut(outcome.reason), _cut(outcome.answer)))
    if isinstance(outcome, TryLater) and outcome.no_room_at is not None:
        return _waiting(end, outcome, outcome.no_room_at, rules)
    next_at = _next_at(end, outcome) if isinstance(outcome, TryLater) else None
    if next_at is not None:
        attempt = Attempt(end.now, "later", _cut(outcome.reason), _cut(outcome.answer))
        return Finish("pending", attempt, next_at=next_at, raised=_at_risk(end, outcome.reason, rules))
    reason = outcome.reason if isinstance(outcome, GiveUp) else f"{outcome.reason}; no attempts are left"
    attempt = Attempt(end.now, "gave_up", _cut(reason), _cut(outcome.answer))
    return Finish("dead", attempt, raised=(_dead(end, reason, rules),))


def crashed(delivery: Delivery, deaths: int) -> TryLater | GiveUp:
    """The outcome for a delivery whose worker died each time before it could tell.

    A program that is killed takes with it whatever it held, so the first time proves nothing against any of it: it is
    set aside until its next step, away from those it died with. What then comes to the same end is given up.
    """
    reason = f"{CRASHED}: the program ended {deaths} times while this was delivered"
    before = any((each.reason or "").startswith(CRASHED) for each in delivery.attempts[delivery.skipped :])
    return GiveUp(reason) if before else TryLater(reason)


def _next_at(end: Ending, outcome: TryLater) -> int | None:
    delivery = end.claimed.delivery
    failed = failures_in_a_row(delivery.attempts[delivery.skipped :]) + 1
    if end.perishable:
        return next_perishable_try(failed, delivery.created_at, end.now, end.dice, outcome.after)
    return next_try(failed, end.now, end.dice, outcome.after, end.schedule)


def _waiting(end: Ending, outcome: TryLater, where: str, rules: Rules) -> Finish:
    """Waiting for room is one attempt, however often it is looked for, and never the last one."""
    delivery = end.claimed.delivery
    last = delivery.attempts[-1] if delivery.attempts[delivery.skipped :] else None
    waits = last is not None and last.outcome == NO_ROOM and last.answer == where
    began = last.at if last is not None and waits else end.now
    attempt = None if waits else Attempt(end.now, NO_ROOM, _cut(outcome.reason), where)
    facts = {"reason": outcome.reason, "handler": delivery.handler}
    low = rules.alarm.raised(Notice("disk.low", where, end.now), facts, but=delivery.handler)
    next_at = next_try_for_room(began, end.now, end.dice)
    return Finish("pending", attempt, next_at=next_at, raised=(low, *_at_risk(end, outcome.reason, rules)))


def _done(end: Ending, done: Done, rules: Rules) -> Finish:
    delivery, event = end.claimed.delivery, end.claimed.event
    clips = tuple(_clip(end, saved, rules) for saved in done.saved) if event.job_id else ()
    told = tuple(rules.router.told(_saved_event(event, saved, end.now, rules)) for saved in done.saved)
    was_dead = any(attempt.outcome == "gave_up" for attempt in delivery.attempts)
    cleared: tuple[AlertCleared, ...] = ()
    if was_dead:
        text = f"{delivery.id} for {delivery.handler} was delivered after all"
        cleared = (rules.alarm.cleared(Notice("delivery.dead", delivery.id, end.now), text),)
    if end.perishable and delivery.attempts and event.job_id:
        saved = Notice("clip.at_risk", event.job_id, end.now, event)
        cleared = (*cleared, rules.alarm.cleared(saved, f"The clip of {event.job_id} is saved"))
    raised, calmed = _compared(end, done, rules)
    attempt = Attempt(end.now, "done", None, _cut(done.answer))
    return Finish("done", attempt, told=told, clips=clips, raised=raised, cleared=(*cleared, *calmed))


def _compared(end: Ending, done: Done, rules: Rules) -> tuple[tuple[AlertRaised, ...], tuple[AlertCleared, ...]]:
    """Tell of a clip that is not as ordered; of one that is so at last, after it was saved before."""
    event = end.claimed.event
    if event.job_id is None or not done.saved:
        return (), ()
    notice = Notice(MISMATCH, event.job_id, end.now, event)
    several = len(done.saved) > 1
    what = [
        f"file {saved.number}: {each}" if several else each
        for saved in done.saved
        for each in differences(end.job, event, saved)
    ]
    if what:
        facts = {"job": event.job_id, "account": event.account, "what": "; ".join(what)}
        return (rules.alarm.raised(notice, facts, but=end.claimed.delivery.handler),), ()
    if not any(attempt.outcome == "done" for attempt in end.claimed.delivery.attempts):
        return (), ()
    return (), (rules.alarm.cleared(notice, f"The clip of {event.job_id} is as ordered"),)


def _at_risk(end: Ending, reason: str, rules: Rules) -> tuple[AlertRaised, ...]:
    """Warn before the loss: when a download keeps failing, or fails while little of its URL's life is left."""
    delivery, event = end.claimed.delivery, end.claimed.event
    job_id = event.job_id
    tries = failures_in_a_row(delivery.attempts) + 1
    ends_soon = delivery.deadline is not None and delivery.deadline - end.now < RISKY_REST
    if not end.perishable or job_id is None or not (ends_soon or tries >= RISKY_TRIES):
        return ()
    dies = (
        "Its URL has no known end" if delivery.deadline is None else f"Its URL dies at {rfc3339(at(delivery.deadline))}"
    )
    facts = {"job": job_id, "tries": tries, "reason": reason, "end": dies}
    return (rules.alarm.raised(Notice("clip.at_risk", job_id, end.now, event), facts, but=delivery.handler),)


def _dead(end: Ending, reason: str, rules: Rules) -> AlertRaised:
    delivery, event = end.claimed.delivery, end.claimed.event
    about = event.detail.get("code") if event.detail and event.type in (EventType.RAISED, EventType.CLEARED) else None
    what = f"The alert {about}" if about else f"{event.type.value} of {event.job_id}"
    facts = {"event": what, "handler": delivery.handler, "reason": reason, "delivery": delivery.id}
    # two handlers that cannot tell anybody would otherwise tell each other so for ever
    silent = about == "delivery.dead"
    return rules.alarm.raised(Notice("delivery.dead", delivery.id, end.now), facts, but=delivery.handler, silent=silent)


def _clip(end: Ending, saved: Saved, rules: Rules) -> Clip:
    return Clip(
        id=rules.mint("clp_"),
        job_id=end.claimed.event.job_id or "",
        number=saved.number,
        handler=end.claimed.delivery.handler,
        path=saved.path,
        bytes=saved.bytes,
        sha256=saved.sha256,
        mime_type=saved.mime_type,
        poster=saved.poster,
        at=end.now,
    )


def _saved_event(event: Event, saved: Saved, now: int, rules: Rules) -> Event:
    return Event(
        id=rules.mint("evt_"),
        type=EventType.SAVED,
        vendor=event.vendor,
        account=event.account,
        job_id=event.job_id,
        vendor_job_id=event.vendor_job_id,
        occurred_at=at(now),
        received_at=at(now),
        source=Source.CLIPBELL,
        trust=Trust.OWN,
        prompt=event.prompt,
        model=event.model,
        duration_seconds=event.duration_seconds,
        resolution=event.resolution,
        videos=event.videos,
        cost=event.cost,
        tags=event.tags,
        metadata=event.metadata,
        batch=event.batch,
        detail={"path": saved.path, "bytes": saved.bytes, "sha256": saved.sha256, "poster": saved.poster},
    )


def _cut(words: str | None) -> str | None:
    return None if words is None else words[:MAX_WORDS].replace("\0", "")
