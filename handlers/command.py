"""Command: runs a program for each event, which gets the event as JSON on its standard input.

The program's words are fixed in the configuration: nothing from outside becomes an argument, a variable or a part of
a shell's line. It starts in the configuration's folder with only PATH, HOME and LANG, in a process group of its own,
all of which ends with it. Exit code 0: done; 75 (EX_TEMPFAIL), a signal or too long a run: later; any other: given up.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, field_validator

from handlers.landing import in_thread
from handlers.preview import of_text
from handlers.program import Program
from handlers.protocol import (
    VIDEO_EVENTS,
    Done,
    GiveUp,
    HandlerType,
    Options,
    Outcome,
    Parcel,
    Tools,
    TryLater,
)
from schemas.units import parse_duration

TEMPORARY = 75
_LONGEST = 3600


class CommandOptions(Options):
    """`argv`: the program and its arguments; `timeout`: how long it may run, such as `"60s"`."""

    argv: Annotated[tuple[str, ...], Field(min_length=1)]
    timeout: str = Field("60s", examples=["60s"])

    @field_validator("argv")
    @classmethod
    def _names_a_program(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value[0].strip() or any("\0" in word for word in value):
            raise ValueError('must name a program and its arguments, such as ["./notify.sh", "--quiet"]')
        return value

    @field_validator("timeout")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        if not 0 < parse_duration(value) <= _LONGEST:
            raise ValueError('must be between "1s" and "1h"')
        return value


class Command:
    """Runs one program."""

    def __init__(self, options: CommandOptions, tools: Tools) -> None:
        self._argv, self._folder = options.argv, tools.folder
        self._seconds = parse_duration(options.timeout)

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Run the program for each event."""
        return {parcel.key: await self._run(json.dumps(parcel.event.to_json()).encode()) for parcel in parcels}

    async def _run(self, content: bytes) -> Outcome:
        running = Program(self._argv, self._folder)
        try:
            await in_thread(running.start, content)
            async with asyncio.timeout(self._seconds):
                code = await running.wait()
        except TimeoutError:
            return TryLater(f"the program ran longer than {self._seconds:g} s and was ended", answer=running.said)
        except OSError as error:
            return TryLater(f"the program of argv cannot be started: {(error.strerror or 'it failed').lower()}")
        finally:
            await running.end()
        return _verdict(code, running.said)

    async def close(self) -> None:
        """Nothing is held."""


def _verdict(code: int, said: str) -> Outcome:
    if code == 0:
        return Done(said)
    if code == TEMPORARY:
        return TryLater(f"the program asked to be tried later (exit code {TEMPORARY})", answer=said)
    if code < 0:
        return TryLater(f"the program was ended by signal {-code}", answer=said)
    return GiveUp(f"the program failed with exit code {code}", answer=said)


def preview(_: CommandOptions, tools: Tools, parcels: Sequence[Parcel], picture: bytes | None) -> str:
    """Show what the program reads."""
    return "\n".join(of_text(json.dumps(p.event.to_json(), indent=2, ensure_ascii=False)) for p in parcels)


HANDLER = HandlerType(
    name="command",
    options=CommandOptions,
    make=Command,
    example={"argv": ["./notify.sh"]},
    events=VIDEO_EVENTS,
    concurrency=4,
    # each run has the deadline of its options
    timeout=_LONGEST + 60,
    preview=preview,
)
