"""What `handlers/protocol.py` promises, as checks over one handler type; they are never told which one it is.

Each raises `Broken` with a sentence for the handler's author; its docstring says why the promise matters.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from handlers.protocol import Done, GiveUp, Outcome, Parcel, TryLater
from receiver.clock import monotonic
from receiver.suite.events import EVENTS, FAILED, READY, tools
from receiver.suite.http_server import Reply, serving
from receiver.suite.options import (
    a_missing_option_is_named,
    an_unknown_option_is_refused_by_name,
    it_is_told_of_something_and_has_sound_limits,
    its_example_is_accepted_and_has_targets,
    its_options_are_frozen_and_say_what_they_are,
    its_refusals_of_options_tell_no_secret,
    its_required_options_are_enough_to_make_it,
    named_like_secrets,
    what_is_secret_is_declared_so,
)
from receiver.suite.promises import Broken, hold, said_of, shown
from receiver.suite.stage import NoWay, Trial, echo, in_thread
from schemas.event import Event, EventType
from schemas.values import replace

STATUSES = (
    *(200, 201, 204, 300, 301, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 408, 409, 410, 411, 413, 415, 418),
    *(421, 422, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 511, 599),
)
#: What an operator may not read anywhere.
MASK = "(the secret)"
OUTCOMES = "Done, TryLater or GiveUp"
Check = Callable[[Trial], None]


# --- what it answers ----------------------------------------------------------------------------------------


def every_event_gets_an_outcome(trial: Trial) -> None:
    """Events of every type must go through where the other side takes everything."""
    for event in EVENTS:
        ending = trial.attempt([event])
        hold(
            not ending.strays,
            f"it called {', '.join(ending.strays)} by itself; HTTP must go through tools.http, and for another "
            "protocol a case must lead it to a server of this machine (`--case`)",
        )
        if ending.error:
            raise Broken(f"{event.type.value}: deliver() raised {said_of(ending.error)}; it must answer an outcome")
        _hold_keys(1, ending.outcomes)
        outcome = ending.outcomes["dlv_1"]
        hold(isinstance(outcome, Done), f"{event.type.value} became {shown(outcome)} though the other side said yes")


def a_full_batch_gets_an_outcome_for_each_key(trial: Trial) -> None:
    """A key without an outcome is a delivery of which nobody knows what became of it."""
    count = trial.kind.max_batch
    events = [replace(READY, id=f"evt_{n}", job_id=f"job_{n}") for n in range(count)]
    outcomes = trial.deliver(events)
    _hold_keys(count, outcomes)
    undone = {key: outcome for key, outcome in outcomes.items() if not isinstance(outcome, Done)}
    hold(not undone, f"of {count} parcels these were not done though the other side said yes: {shown(undone)}")


def an_event_that_says_next_to_nothing_gets_an_outcome(trial: Trial) -> None:
    """An alert may have no job, and a vendor may say no more than that a clip is done."""
    bare = Event(
        id="evt_1",
        type=EventType.COMPLETED,
        vendor=None,
        account=None,
        job_id=None,
        vendor_job_id=None,
        occurred_at=READY.occurred_at,
        received_at=READY.received_at,
        source=READY.source,
        trust=READY.trust,
    )
    for kind in EventType:
        _hold_keys(1, trial.deliver([replace(bare, type=kind)]))


def words_that_nobody_should_write_get_an_outcome(trial: Trial) -> None:
    """A prompt is a stranger's text: empty, huge, with control characters, half characters and placeholders."""
    for odd in ("", "\0\ud800\u202e", "x" * 100_000, "{n!r} %s {{", "<!channel>\r\nBcc: x@y.z\r\n"):
        event = replace(READY, prompt=odd, model=odd, tags=(odd,), metadata={"k": odd}, batch=odd, vendor_job_id=odd)
        ending = trial.attempt([event])
        hold(ending.error is None, f"the prompt {shown(odd, 40)} made deliver() raise {_said(ending.error)}")
        _hold_keys(1, ending.outcomes)


# --- what it makes of HTTP ----------------------------------------------------------------------------------


def every_http_status_has_its_verdict(trial: Trial) -> None:
    """2xx is done; 408, 425, 429 and 5xx are for later; every other status is final, or it is tried for days."""
    wrong = []
    for status in STATUSES:
        trial.stage.server.script(Reply(status, b"words"))
        became, wanted = type(trial.one(READY)).__name__, trial.case.verdict(status)
        if became != wanted:
            wrong.append(f"{status} became {became}, must be {wanted}")
    hold(not wrong, f"HTTP {'; '.join(wrong)}: handlers.posting.post and handlers.protocol.outcome_of do it right")


def a_retry_after_is_passed_on_within_bounds(trial: Trial) -> None:
    """Who says when to come again is heard: within a second and an hour, and never past a word that is no number."""
    for said, after in (("7", 7), ("0", 1), ("-5", 1), ("1000000", 3600), ("soon", None)):
        trial.stage.server.script(Reply(503, b"", {"retry-after": said}))
        outcome = trial.one(READY)
        wanted = f"after={after}: schemas.answers.retry_after reads it"
        found = outcome.after if isinstance(outcome, TryLater) else -1
        hold(found == after, f"HTTP 503 with Retry-After: {said} became {shown(outcome)}; must be TryLater, {wanted}")


def a_retry_after_counts_with_every_status_that_is_for_later(trial: Trial) -> None:
    """Some say it with a 503, some with a 429, in seconds or as a date."""
    for status in (408, 425, 429, 500, 502, 503, 504):
        for said, after in (("11", 11), ("Wed, 01 Jan 2025 12:02:45 GMT", 45)):
            trial.stage.server.script(Reply(status, b"", {"retry-after": said}))
            outcome = trial.one(READY)
            heard = isinstance(outcome, TryLater) and outcome.after == after
            hold(
                heard,
                f"HTTP {status} with Retry-After: {said} became {shown(outcome)}; must be TryLater, after={after}",
            )


def no_whole_answer_is_for_later_and_in_time(trial: Trial) -> None:
    """A server that is silent, drips or hangs up says neither yes nor no, and must not hold up the others."""
    for what, reply in (
        ("no answer", Reply(silent=True)),
        ("an answer that drips", Reply(200, b"x" * 1000, pause=0.02)),
        ("an answer that is cut", Reply(200, b"x" * 100, {"content-length": "900"})),
    ):
        trial.stage.server.script(reply)
        begun = monotonic()
        outcome = trial.one(READY, seconds=0.4)
        took = monotonic() - begun
        hold(isinstance(outcome, TryLater), f"{what} became {shown(outcome)}; it must be TryLater")
        hold(took < 4, f"{what} held it up for {took:.1f} s, though tools.http ends after 0.4 s")


def an_endless_answer_ends(trial: Trial) -> None:
    """An answer without an end must not fill the memory, nor the database with what was said."""
    trial.stage.server.script(Reply(500, b"x" * 10_000, endless=True))
    outcome = trial.one(READY)
    hold(isinstance(outcome, TryLater), f"HTTP 500 with an endless answer became {shown(outcome)}; must be TryLater")
    trial.stage.server.script(Reply(200, b"x" * 10_000, endless=True))
    outcome = trial.one(READY)
    became, wanted = type(outcome).__name__, trial.case.endless
    hold(became == wanted, f"HTTP 200 with an endless answer became {shown(outcome)}; must be {wanted}")
    hold(len(repr(outcome)) < 2000, f"the outcome keeps {len(repr(outcome))} characters of an answer; cut its words")


def an_endless_head_ends(trial: Trial) -> None:
    """Nor may headers without an end."""
    trial.stage.server.script(Reply(200, b"", {f"x-{n}": "y" * 1000 for n in range(2000)}))
    outcome = trial.one(READY)
    hold(isinstance(outcome, TryLater), f"an answer with 2 MB of headers became {shown(outcome)}; must be TryLater")


def a_server_that_is_not_there_is_for_later(trial: Trial) -> None:
    """A restart on the other side must cost nothing but time."""
    with serving() as gone:
        pass
    outcome = replace(trial, stage=replace(trial.stage, server=gone)).one(READY)
    hold(isinstance(outcome, TryLater), f"a refused connection became {shown(outcome)}; it must be TryLater")


def a_redirect_takes_nothing_to_another_place(trial: Trial) -> None:
    """Whoever can make the other side redirect must not be handed events, or secrets."""
    secrets = trial.secrets()
    with serving() as elsewhere:
        trial.stage.server.script(Reply(307, b"", {"location": f"{elsewhere.url}/x"}))
        trial.one(READY)
        taken = [seen for seen in elsewhere.seen if seen.method != "GET" or _leaks(secrets, seen)]
    hold(not taken, f"it followed a redirect with {[seen.method for seen in taken]}; a redirect is GiveUp")


def it_calls_out_only_through_its_tools(trial: Trial) -> None:
    """tools.http has the deadlines, the caps and the ban on private addresses; another way out has none of them."""
    ending = trial.attempt([READY], http=NoWay())
    outcome = ending.outcomes.get("dlv_1")
    hold(not ending.strays, f"it called {', '.join(ending.strays)} by itself; HTTP must go through tools.http")
    hold(not trial.stage.server.seen, "it reached the server though tools.http refused: it has a way out of its own")
    hold(ending.error is None, f"an address that is refused made it raise {_said(ending.error)}; it must be GiveUp")
    hold(not isinstance(outcome, Done | None), f"it says {shown(outcome)} though tools.http let no call through")


def it_never_blocks_the_loop(trial: Trial) -> None:
    """All handlers share a thread: one that blocks it delays everybody. `asyncio.to_thread` is for what must wait."""
    trial.stage.server.script(Reply(200, b"okay", pause=0.4))
    # a machine may be busy for a moment: only what happens twice is the handler's
    stood = [trial.attempt([READY]).stood for _ in range(2)]
    hold(min(stood) < 1, f"the event loop stood still for {min(stood):.1f} s while the other side was slow to answer")


# --- what it must not say -----------------------------------------------------------------------------------


def no_outcome_cause_repr_or_log_tells_a_secret(trial: Trial) -> None:
    """Outcomes are shown to operators, kept and told to others; an exception's causes end up in logs."""
    secrets = trial.secrets()
    if trial.case.secrets is None and any(is_secret for _, is_secret in named_like_secrets(trial)):
        hold(bool(secrets), "the secrets of its example are too short to be told apart; use a longer one there")
    trial.case.spoil(trial.stage)
    for what, reply in (("its own words", echo), ("HTTP 500", Reply(500)), ("silence", Reply(silent=True))):
        if callable(reply):
            trial.stage.server.answer(reply)
        else:
            trial.stage.server.script(reply)
        for ending in (trial.attempt([READY, FAILED], seconds=0.4), trial.attempt([READY], http=NoWay())):
            _hold_silence(secrets, f"the outcome after {what}", ending.outcomes)
            _hold_silence(secrets, f"the exception after {what}", *_chain(ending.error))
            _hold_silence(secrets, f"the log after {what}", *ending.log)
    options = trial.options()
    _hold_silence(secrets, "the repr of the handler", trial.make())
    _hold_silence(secrets, "the repr of its options", options)
    _hold_silence(secrets, "a target", trial.kind.targets(options))


def its_preview_tells_no_secret_and_lets_no_prompt_write_html(trial: Trial) -> None:
    """A preview is opened in a browser, from a file that may be passed on; a prompt is a stranger's text."""
    show = trial.kind.preview
    if show is None:
        return
    options, made = trial.options(), tools(trial.stage.folder, http=NoWay())
    for event in EVENTS:
        hostile = replace(event, prompt="<script>alert(1)</script>", model="<script>", tags=("<script>",))
        page = show(options, made, [Parcel("dlv_1", hostile, trial.kind.targets(options)[0], elapsed=75)], None)
        _hold_silence(trial.secrets(), f"the preview of {event.type.value}", page)
        hold("<script" not in page, f"the preview of {event.type.value} takes HTML from a prompt; use html.escape")


# --- how often it acts --------------------------------------------------------------------------------------


def the_same_key_twice_has_one_effect(trial: Trial) -> None:
    """After a crash a parcel may come again with its key: what the other side keeps must not be there twice."""
    effects = trial.case.effects
    if effects is None:
        return
    outcome = trial.one(READY)
    hold(isinstance(outcome, Done), f"a delivery became {shown(outcome)} though the other side said yes")
    once = effects(trial.stage)
    hold(bool(once), "nothing can be seen of its work")
    trial.one(READY)
    hold(
        effects(trial.stage) == once,
        "the same parcel delivered again with the same key left something new: a file, or a request that differs from "
        "the first, so that the other side cannot know it again; take names and ids from parcel.key or the event",
    )
    trial.deliver([replace(READY, id="evt_other", job_id="job_other", prompt="Another clip")], first=2)
    hold(effects(trial.stage) != once, "another event with another key left nothing new: it was taken for the first")


def it_prepares_once_for_all_that_are_configured(trial: Trial) -> None:
    """The program calls prepare() before it takes calls, for however many handlers of the type are configured."""
    prepare: Callable[[], object] | None = trial.kind.prepare
    if prepare is None:
        return
    try:
        returned = prepare()
    except Exception as error:
        raise Broken(f"prepare() raised {said_of(error)}; what is missing is for deliver() to tell") from error
    hold(
        returned is None,
        "prepare() gives something back, and nobody takes it; make it a plain def that returns nothing",
    )


def it_can_be_closed_unused_and_more_than_once(trial: Trial) -> None:
    """The program closes every handler at its end, also one that was never used."""

    async def main() -> None:
        handler = trial.make()
        await handler.close()
        await handler.close()

    try:
        in_thread(main)
    except Exception as error:
        raise Broken(f"close() raised {said_of(error)}") from error


def a_cancelled_delivery_ends_soon_and_leaves_no_final_name(trial: Trial) -> None:
    """The program may end, or a timeout pass, at any await; half a file under its final name is taken for a clip."""
    whole = trial.case.reply * (1 + 200 // len(trial.case.reply))
    trial.stage.server.script(Reply(200, whole, pause=0.005))

    async def main() -> float:
        handler = trial.make()
        target = trial.kind.targets(trial.options())[0]
        task = asyncio.ensure_future(_delivering(handler, [Parcel("dlv_1", trial.aimed(READY), target, elapsed=75)]))
        await asyncio.sleep(0.15)
        task.cancel()
        begun = monotonic()
        await asyncio.wait([task], timeout=10)
        hold(task.done(), "a cancelled deliver() did not end within 10 s: do not swallow asyncio.CancelledError")
        return monotonic() - begun

    took = in_thread(main)
    hold(took < 3, f"a cancelled deliver() went on for {took:.1f} s")
    left = [path.name for path in trial.stage.folder.rglob("*.mp4") if not path.name.startswith(".")]
    hold(not left, f"a cancelled deliver() left {shown(left)}: give a file its final name when it is whole")


async def _delivering(handler: Any, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
    found: Mapping[str, Outcome] = await handler.deliver(parcels)
    return found


# --- how it is looked at ------------------------------------------------------------------------------------


def _hold_keys(count: int, outcomes: Mapping[str, Outcome]) -> None:
    keys = {f"dlv_{n}" for n in range(1, count + 1)}
    hold(isinstance(outcomes, Mapping), f"deliver() answered {shown(outcomes)}; it must answer a mapping by key")
    lost, odd = sorted(keys - set(outcomes)), sorted(set(outcomes) - keys)
    hold(not lost, f"deliver() forgot {len(lost)} of {count} keys ({', '.join(lost[:3])}): each needs an outcome")
    hold(not odd, f"deliver() answered keys that it was not given: {shown(odd)}")
    unsound = {key: one for key, one in outcomes.items() if not isinstance(one, Done | TryLater | GiveUp)}
    hold(not unsound, f"these are no outcomes ({OUTCOMES}): {shown(unsound)}")


def _hold_silence(secrets: Sequence[str], where: str, *things: object) -> None:
    text = " ".join(f"{thing!r} {thing!s}" for thing in things)
    if found := _leaks(secrets, text):
        quoted = text[max(0, text.index(found[0]) - 60) :][: 120 + len(found[0])]
        for secret in found:
            quoted = quoted.replace(secret, MASK)
        raise Broken(
            f"{where} tells a secret: …{quoted}…; handlers.masking.masked takes it out of other people's words"
        )


def _leaks(secrets: Sequence[str], thing: object) -> list[str]:
    return [secret for secret in secrets if secret in str(thing)]


def _chain(error: BaseException | None) -> Iterator[object]:
    """An exception and all that caused it, as a log would write them."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield from (found, *found.args, *getattr(found, "__notes__", ()))
            waiting += [found.__cause__, None if found.__suppress_context__ else found.__context__]


def _said(error: Exception | None) -> str:
    return said_of(error) if error else "nothing"


ALWAYS: tuple[Check, ...] = (
    its_example_is_accepted_and_has_targets,
    it_is_told_of_something_and_has_sound_limits,
    a_missing_option_is_named,
    its_required_options_are_enough_to_make_it,
    an_unknown_option_is_refused_by_name,
    its_options_are_frozen_and_say_what_they_are,
    every_event_gets_an_outcome,
    a_full_batch_gets_an_outcome_for_each_key,
    an_event_that_says_next_to_nothing_gets_an_outcome,
    words_that_nobody_should_write_get_an_outcome,
    no_outcome_cause_repr_or_log_tells_a_secret,
    its_preview_tells_no_secret_and_lets_no_prompt_write_html,
    its_refusals_of_options_tell_no_secret,
    what_is_secret_is_declared_so,
    the_same_key_twice_has_one_effect,
    it_prepares_once_for_all_that_are_configured,
    it_can_be_closed_unused_and_more_than_once,
    a_cancelled_delivery_ends_soon_and_leaves_no_final_name,
)
OVER_HTTP: tuple[Check, ...] = (
    every_http_status_has_its_verdict,
    a_retry_after_is_passed_on_within_bounds,
    a_retry_after_counts_with_every_status_that_is_for_later,
    no_whole_answer_is_for_later_and_in_time,
    an_endless_answer_ends,
    an_endless_head_ends,
    a_server_that_is_not_there_is_for_later,
    a_redirect_takes_nothing_to_another_place,
    it_calls_out_only_through_its_tools,
    it_never_blocks_the_loop,
)
