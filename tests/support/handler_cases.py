"""How the contract suite tries each handler type of ours: its options at a test's servers, its secrets, its effects.

A handler type without a case here fails the suite. Expectations are written by hand, not asked of the handlers.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from receiver.suite.stage import LATER, Case, Stage
from tests.support.clips import mp4
from tests.support.mail_server import Mailbox

SECRET = "Tr0ub4dor-hunter2"
WHSEC = "whsec_VHIwdWI0ZG9yLWh1bnRlcjItVHIwdWI0ZG9yLWh1bnRlcjI="


@dataclass(frozen=True)
class MailStage(Stage):
    """A stage that also has a mail server."""

    mail: Mailbox


def of_a_file(status: int) -> str:
    """What it says of a download whose body is no video: only a later try may mend a dead URL."""
    return "TryLater" if status < 300 or status in LATER | {401, 403, 404, 410, 416} else "GiveUp"


def _files(stage: Stage) -> Mapping[str, bytes]:
    root = stage.folder / "clips"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _message_ids(stage: MailStage) -> set[str]:
    return {str(message["Message-ID"]) for message in stage.mail.messages}


def _refuse_mail(stage: MailStage) -> None:
    stage.mail.login = ("someone", "another password")
    stage.mail.refused = {"ada@example.com": f"550 {SECRET} is wrong"}


def _webhook_ids(stage: Stage) -> set[str]:
    return {seen.headers["webhook-id"] + json.loads(seen.body)["id"] for seen in stage.server.seen}


CASES: Mapping[str, Case] = {
    "slack": Case(
        options=lambda stage: {"url": f"{stage.server.url}/services/T000/{SECRET}"}, http=True, secrets=(SECRET,)
    ),
    "webhook": Case(
        options=lambda stage: {"url": f"{stage.server.url}/hook?token={SECRET}", "secret": WHSEC},
        effects=_webhook_ids,
        http=True,
        secrets=(SECRET, WHSEC, WHSEC.removeprefix("whsec_")),
    ),
    "downloader": Case(
        options=lambda _: {"target": "clips", "max_size": "1MiB"},
        effects=_files,
        http=True,
        verdict=of_a_file,
        endless="GiveUp",
        reply=mp4(),
    ),
    "email": Case(
        options=lambda stage: {
            "smtp_url": f"smtp://someone:{SECRET}@127.0.0.1:{stage.mail.port}",
            "sender": "clips@example.org",
            "to": ["ada@example.com"],
        },
        effects=_message_ids,
        http=False,
        secrets=(SECRET,),
        spoil=_refuse_mail,
    ),
    "apprise": Case(
        options=lambda stage: {"urls": [f"json://someone:{SECRET}@127.0.0.1:{stage.server.port}/{SECRET}?rto=0.5"]},
        effects=None,
        http=False,
        secrets=(SECRET,),
    ),
    "ledger": Case(options=lambda _: {}, http=False, secrets=()),
    "command": Case(
        options=lambda _: {"argv": [sys.executable, "-c", "print('done')"]}, effects=None, http=False, secrets=()
    ),
}
