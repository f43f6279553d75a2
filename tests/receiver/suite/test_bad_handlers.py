"""Negative controls: a handler with one fault makes the check of that promise go red, with a sentence that says which.

Each is the sound one with one change, as a hurried author would make it.
"""

import asyncio
import logging
import sqlite3
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ConfigDict, SecretStr

from handlers.posting import post
from handlers.protocol import Done, GiveUp, HandlerType, Options, Outcome, Parcel, Tools, TryLater
from handlers.words import story
from receiver.suite import stage
from receiver.suite.checks import checks_of, result_of
from schemas.values import replace

SECRET = "my-secret-topic"


class Topic(Options):
    """`url`: the topic's address, a secret."""

    url: SecretStr


class Sound:
    """Posts each event, as the page of handlers teaches it."""

    def __init__(self, options: Any, tools: Tools) -> None:
        self.url, self.tools = options.url.get_secret_value(), tools

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        return {parcel.key: await self.send(parcel) for parcel in parcels}

    async def send(self, parcel: Parcel) -> Outcome:
        return await post(self.tools.http, self.url, self.text(parcel), {}, now=self.tools.now())

    def text(self, parcel: Parcel) -> bytes:
        return f"{parcel.key} {story(parcel.event, parcel.elapsed).line}".encode()

    async def close(self) -> None:
        return None


SOUND = HandlerType(name="ntfy", options=Topic, make=Sound, example={"url": f"https://ntfy.sh/{SECRET}"}, max_batch=3)


class TellsItsAddress(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        outcome = await super().send(parcel)
        return outcome if isinstance(outcome, Done) else TryLater(f"could not post to {self.url}")


class RaisesItsAddress(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        outcome = await super().send(parcel)
        if isinstance(outcome, Done):
            return outcome
        raise RuntimeError("could not post") from ValueError(f"no luck with {self.url}")


class LogsItsAddress(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        logging.getLogger("ntfy").warning("posting to %s", self.url)
        return await super().send(parcel)


class ShowsItsAddress(Sound):
    def __repr__(self) -> str:
        return f"ShowsItsAddress({self.url})"


class Stubborn(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        outcome = await super().send(parcel)
        return TryLater(outcome.reason) if isinstance(outcome, GiveUp) and outcome.reason == "HTTP 404" else outcome


class Impatient(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        outcome = await super().send(parcel)
        return TryLater(outcome.reason) if isinstance(outcome, TryLater) else outcome


class GivesUpOnSilence(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        outcome = await super().send(parcel)
        return GiveUp(outcome.reason) if isinstance(outcome, TryLater) and "HTTP" not in outcome.reason else outcome


class Forgetful(Sound):
    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        return await super().deliver(parcels[:-1] if len(parcels) > 1 else parcels)


class AnswersTruth(Sound):
    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Any]:
        return {key: isinstance(outcome, Done) for key, outcome in (await super().deliver(parcels)).items()}


class NeverTheSame(Sound):
    def text(self, parcel: Parcel) -> bytes:
        return f"{uuid4()} {story(parcel.event, parcel.elapsed).line}".encode()


class LeavesFiles(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        (self.tools.folder / f"{uuid4()}.txt").write_text("told")
        return await super().send(parcel)


class AddsRows(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        with closing(sqlite3.connect(self.tools.folder / "told.db")) as file, file:
            file.execute("CREATE TABLE IF NOT EXISTS told (event TEXT)")
            file.execute("INSERT INTO told VALUES (?)", (parcel.event.id,))
        return await super().send(parcel)


class AlwaysTheSame(Sound):
    def text(self, parcel: Parcel) -> bytes:
        return b"something happened"


class Fragile(Sound):
    def text(self, parcel: Parcel) -> bytes:
        return (parcel.event.prompt or "").encode()


class NeedsAVideo(Sound):
    def text(self, parcel: Parcel) -> bytes:
        return parcel.event.videos[0].url.encode()


class Blocks(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        time.sleep(1.2)
        return await super().send(parcel)


class GoesItsOwnWay(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        try:
            await asyncio.to_thread(urllib.request.urlopen, self.url, b"x")
        except OSError as error:
            return TryLater(str(error))
        return Done()


class Follows(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        http = self.tools.http
        answer = await http.call("POST", self.url, content=self.text(parcel))
        if place := answer.headers.get("location"):
            answer = await http.call("POST", place, content=self.text(parcel))
        return Done() if answer.status < 300 else GiveUp("no")


class Deaf(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        for _ in range(8):
            try:
                await asyncio.sleep(0.5)
            except asyncio.CancelledError:
                continue
        return await super().send(parcel)


class HalfWritten(Sound):
    async def send(self, parcel: Parcel) -> Outcome:
        (self.tools.folder / "clip.mp4").write_bytes(b"half")
        return await super().send(parcel)


class ClosesOnce(Sound):
    async def close(self) -> None:
        del self.url


class Lenient(Topic):
    """`url`: the topic's address, a secret."""

    model_config = ConfigDict(extra="ignore", frozen=False)


class Vague(Options):
    url: SecretStr | None = None


class Open(Options):
    """`url`: the topic's address, a secret."""

    url: str


class OpenSound(Sound):
    def __init__(self, options: Any, tools: Tools) -> None:
        self.url, self.tools = options.url, tools


def shows_the_prompt(options: Any, tools: Tools, parcels: Sequence[Parcel], poster: bytes | None) -> str:
    return f"<p>{parcels[0].event.prompt}</p>"


def shows_the_address(options: Any, tools: Tools, parcels: Sequence[Parcel], poster: bytes | None) -> str:
    return f"<p>to {options.url.get_secret_value()}</p>"


def needs_what_is_missing() -> None:
    """Stumble over a module."""
    import_module("no_such_module_anywhere")


def gives_something_back() -> int:
    """Take itself for more than it is."""
    return 1


BAD: list[tuple[HandlerType, str, str]] = [
    (replace(SOUND, make=TellsItsAddress), "tells a secret", "the outcome after its own words tells a secret: …"),
    (replace(SOUND, make=RaisesItsAddress), "tells a secret", "the exception after its own words tells a secret"),
    (replace(SOUND, make=LogsItsAddress), "tells a secret", "the log after its own words tells a secret: …"),
    (replace(SOUND, make=ShowsItsAddress), "tells a secret", "the repr of the handler tells a secret: …ShowsItsAddr"),
    (replace(SOUND, make=Stubborn), "HTTP status", "HTTP 404 became TryLater, must be GiveUp: handlers.posting.post"),
    (replace(SOUND, make=Impatient), "within bounds", "HTTP 503 with Retry-After: 7 became TryLater(reason='HTTP 503'"),
    (replace(SOUND, make=GivesUpOnSilence), "no whole answer", "no answer became GiveUp("),
    (replace(SOUND, make=GivesUpOnSilence), "not there", "a refused connection became GiveUp("),
    (replace(SOUND, make=Forgetful), "full batch", "deliver() forgot 1 of 3 keys (dlv_3): each needs an outcome"),
    (replace(SOUND, make=AnswersTruth), "every event", "these are no outcomes (Done, TryLater or GiveUp): {'dlv_1': T"),
    (
        replace(SOUND, make=NeverTheSame),
        "same key twice",
        "the same parcel delivered again with the same key left some",
    ),
    (replace(SOUND, make=LeavesFiles), "same key twice", "left something new: a file, or a request that differs"),
    (replace(SOUND, make=AddsRows), "same key twice", "left something new: a file, or a request that differs"),
    (replace(SOUND, make=AlwaysTheSame), "same key twice", "another event with another key left nothing new"),
    (
        replace(SOUND, make=Fragile),
        "nobody should write",
        "made deliver() raise UnicodeEncodeError: 'utf-8' codec can't",
    ),
    (replace(SOUND, make=NeedsAVideo), "next to nothing", "deliver() raised IndexError: tuple index out of range; it"),
    (replace(SOUND, make=Blocks), "blocks the loop", "the event loop stood still for "),
    (replace(SOUND, make=GoesItsOwnWay), "every event", "it called ntfy.sh:443 by itself; HTTP must go through tools"),
    (replace(SOUND, make=Follows), "redirect", "it followed a redirect with ['POST']; a redirect is GiveUp"),
    (replace(SOUND, make=Deaf), "cancelled", "a cancelled deliver() "),
    (replace(SOUND, make=HalfWritten), "cancelled", "left ['clip.mp4']: give a file its final name when it is whole"),
    (replace(SOUND, make=ClosesOnce), "closed", "close() raised AttributeError"),
    (replace(SOUND, options=Lenient), "unknown option", "an unknown option `colour` is accepted; build the options on"),
    (replace(SOUND, options=Lenient), "frozen", "its options can be changed; build them on handlers.protocol.Options"),
    (
        replace(SOUND, options=Vague),
        "required options",
        "with only its required options (none) it cannot be made: Attr",
    ),
    (replace(SOUND, options=Vague), "say what they are", "Vague has no docstring; say in it what each option is"),
    (replace(SOUND, options=Open, make=OpenSound), "declared so", "declare as SecretStr: url"),
    (replace(SOUND, example={}), "example is accepted", "its own example is refused"),
    (
        replace(SOUND, example={"url": "https://e.com/a"}),
        "tells a secret",
        "are too short to be told apart; use a longer one",
    ),
    (replace(SOUND, targets=lambda _: ()), "has targets", "targets() names none for the example"),
    (replace(SOUND, targets=lambda _: ("a", "a")), "has targets", "targets() names one twice: ('a', 'a')"),
    (replace(SOUND, targets=lambda o: (o.url.get_secret_value(),)), "tells a secret", "a target tells a secret: …"),
    (replace(SOUND, preview=shows_the_prompt), "preview", "video.completed takes HTML from a prompt; use html.escape"),
    (replace(SOUND, preview=shows_the_address), "preview", "the preview of video.completed tells a secret: …"),
    (
        replace(SOUND, prepare=needs_what_is_missing),
        "prepares",
        "prepare() raised ModuleNotFoundError: No module named",
    ),
    (
        replace(SOUND, prepare=gives_something_back),
        "prepares",
        "prepare() gives something back, and nobody takes it; make",
    ),
    (replace(SOUND, max_batch=0), "sound limits", "max_batch is 0; it must be 1 or more"),
    (replace(SOUND, timeout=0), "sound limits", "timeout is 0 s; it must be more than nothing"),
    (replace(SOUND, events=()), "sound limits", "events must name one EventType or more"),
]


@pytest.mark.parametrize(("kind", "promise", "said"), BAD, ids=[f"{k.make.__name__}-{p}"[:60] for k, p, _ in BAD])
def test_a_handler_with_a_fault_is_told_of_it(kind: HandlerType, promise: str, said: str) -> None:
    [check] = [check for check in checks_of(kind) if promise in check.promise]
    found = result_of(check)
    assert found.outcome == "broken"
    assert said in found.said
    assert SECRET not in found.said
    assert check.why


def test_the_sound_one_keeps_every_promise() -> None:
    results = [result_of(check) for check in checks_of(SOUND)]
    assert {str(each.check): each.said for each in results if each.outcome == "broken"} == {}
    assert len(results) >= 24


def test_one_that_never_ends_is_told_of_and_does_not_hold_up_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "LONGEST", 0.5)

    class Stuck(Sound):
        async def send(self, parcel: Parcel) -> Outcome:
            time.sleep(3)
            return Done()

    [check] = [check for check in checks_of(replace(SOUND, make=Stuck)) if "full batch" in check.promise]
    assert result_of(check).said == "it did not end within 0.5 s: it blocks its thread"


def test_one_that_cannot_be_tried_at_all_still_gets_its_checks() -> None:
    def make(options: Any, tools: Tools) -> Sound:
        raise OSError("no such device")

    results = [result_of(check) for check in checks_of(replace(SOUND, make=make))]
    [told] = [each.said for each in results if "every event" in each.check.promise]
    assert told == "video.completed: deliver() raised OSError: no such device; it must answer an outcome"
