"""Ledger: keeps a SQLite file for people current: every finished or failed clip, and what was charged and refunded.

What is in the file, `handlers/ledger_file.py` says. A file that another program holds is written later; one that was
deleted begins anew (`clipbell ledger --export` brings back the rest).
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence

from pydantic import Field

from handlers.ledger_file import clip_of_event, keep, prepare
from handlers.protocol import VIDEO_EVENTS, Done, HandlerType, Options, Outcome, Parcel, Tools, TryLater


class LedgerOptions(Options):
    """`file`: where the file is, or shall be."""

    file: str = Field(default="ledger.db", min_length=1)


class Ledger:
    """Writes to one file."""

    def __init__(self, options: LedgerOptions, tools: Tools) -> None:
        self._tools = tools
        self._path = tools.folder / options.file

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Write all of these events' jobs and lines in one transaction."""
        clips = {p.event.job_id: clip_of_event(p.event, p.elapsed) for p in parcels if p.event.job_id}
        lines = await self._tools.ledger_lines(*clips)
        outcome: Outcome = Done(f"{_count(len(clips), 'clip')}, {_count(len(lines), 'line')}")
        try:
            await asyncio.to_thread(keep, self._path, list(clips.values()), lines)
        except sqlite3.OperationalError as error:
            outcome = TryLater(f"{self._path} cannot be written now: {error}")
        except sqlite3.DatabaseError as error:
            outcome = TryLater(f"{self._path} is no sound SQLite file ({error}); move it away, it is made anew")
        except OSError as error:
            outcome = TryLater(f"{self._path} cannot be written: {(error.strerror or 'it failed').lower()}")
        return {parcel.key: outcome for parcel in parcels}

    async def close(self) -> None:
        """Nothing is held: the file is opened for each writing, so that it may be moved or deleted."""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


HANDLER = HandlerType(
    name="ledger",
    options=LedgerOptions,
    make=Ledger,
    example={"file": "ledger.db"},
    events=VIDEO_EVENTS,
    max_batch=50,
    # one writer at a time: others would only wait for the file
    concurrency=1,
    prepare=prepare,
)
