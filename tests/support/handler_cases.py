"""How the contract suite tries each handler type: its options at a test's servers, its secrets, its visible effects.

A handler type without a case here fails the suite. Expectations are written by hand, not asked of the handlers.
"""

import json
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.http_server import Server
from tests.support.mail_server import Mailbox

SECRET = "Tr0ub4dor-hunter2"
WHSEC = "whsec_VHIwdWI0ZG9yLWh1bnRlcjItVHIwdWI0ZG9yLWh1bnRlcjI="
#: status -> what the usual rules make of it
LATER = frozenset({408, 425, 429, 500, 501, 502, 503, 504, 511, 599})


@dataclass(frozen=True)
class Stage:
    """Where a handler is tried."""

    folder: Path
    server: Server
    mail: Mailbox


@dataclass(frozen=True)
class Case:
    """One handler type on a stage."""

    options: Callable[[Stage], Mapping[str, Any]]
    #: What can be seen of its work; None: each delivery is one more effect, by nature.
    effects: Callable[[Stage], Any] | None = None
    #: Whether it talks to the stage's HTTP server through its tools.
    http: bool = False
    #: From an HTTP status to the name of the outcome; for `http`.
    verdict: Callable[[int], str] = lambda _: ""
    #: What becomes of an answer of 200 that never ends; for `http`.
    endless: str = "Done"
    secrets: tuple[str, ...] = ()


def usual(status: int) -> str:
    """What the contract says of an answer."""
    return "Done" if status < 300 else "TryLater" if status in LATER else "GiveUp"


def of_a_file(status: int) -> str:
    """What it says of a download whose body is no video: only a later try may mend a dead URL."""
    return "TryLater" if status < 300 or status in LATER | {401, 403, 404, 410, 416} else "GiveUp"


def _files(stage: Stage) -> Mapping[str, bytes]:
    root = stage.folder / "clips"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _rows(stage: Stage) -> Sequence[Any]:
    with sqlite3.connect(stage.folder / "ledger.db") as file:
        found = file.execute("select * from clips").fetchall(), file.execute("select * from ledger").fetchall()
    file.close()
    return found


def _message_ids(stage: Stage) -> set[str]:
    return {str(message["Message-ID"]) for message in stage.mail.messages}


def _webhook_ids(stage: Stage) -> set[str]:
    return {seen.headers["webhook-id"] + json.loads(seen.body)["id"] for seen in stage.server.seen}


CASES: Mapping[str, Case] = {
    "slack": Case(
        options=lambda stage: {"url": f"{stage.server.url}/services/T000/{SECRET}"},
        http=True,
        verdict=usual,
        secrets=(SECRET,),
    ),
    "webhook": Case(
        options=lambda stage: {"url": f"{stage.server.url}/hook?token={SECRET}", "secret": WHSEC},
        effects=_webhook_ids,
        http=True,
        verdict=usual,
        secrets=(SECRET, WHSEC, WHSEC.removeprefix("whsec_")),
    ),
    "downloader": Case(
        options=lambda _: {"target": "clips", "max_size": "1MiB"},
        effects=_files,
        http=True,
        verdict=of_a_file,
        endless="GiveUp",
    ),
    "email": Case(
        options=lambda stage: {
            "smtp_url": f"smtp://someone:{SECRET}@127.0.0.1:{stage.mail.port}",
            "sender": "clips@example.org",
            "to": ["ada@example.com"],
        },
        effects=_message_ids,
        secrets=(SECRET,),
    ),
    "apprise": Case(
        options=lambda stage: {"urls": [f"json://someone:{SECRET}@127.0.0.1:{stage.server.port}/{SECRET}?rto=0.5"]},
        secrets=(SECRET,),
    ),
    "ledger": Case(options=lambda _: {}, effects=_rows),
    "command": Case(options=lambda _: {"argv": [sys.executable, "-c", "print('done')"]}),
}
