"""The program that hands one message to Apprise; the message stands as JSON on its standard input.

Run by `handlers/apprise.py` in a process of its own: Apprise reads every answer to its end, so one that never ends
would take all memory, and a thread that waits for one that drips cannot be stopped. Imports nothing of ours and limits
itself first. Exit code 0: sent; 75: not sent, and Apprise's own words on the standard output.

https://github.com/caronc/apprise/wiki/Development_API
"""

import json
import logging
import resource
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

#: Seconds for the whole of it, and the exit code of a message that Apprise could not send.
SECONDS, NOT_SENT = 20, 75
_MEMORY = 512 << 20
_WHY = ("Socket Exception", "Response Details")


def limit() -> None:  # pragma: no cover - of the process that runs this
    """Take so much memory, and no more."""
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def send(message: Mapping[str, Any]) -> str | None:
    """Send a message; answer why it could not be sent, None: it was."""
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
    from apprise.attachment.memory import AttachMemory

    # its log comes back with the result; on the standard error it would come a second time
    log = logging.getLogger("apprise")
    log.addHandler(logging.NullHandler())
    log.setLevel(logging.DEBUG)
    # the message is for whom the operator named: a redirect would take it, and what proves who we are, elsewhere
    asset = AppriseAsset(app_id="Clipbell", http_redirects=False)
    sender = Apprise(asset=asset)
    sender.add(message["url"])
    attached = message.get("attached")
    attach = None
    if attached:
        with open(attached["path"], "rb") as file:
            attach = AttachMemory(file.read(), attached["name"], attached["mime_type"])  # type: ignore[no-untyped-call]
    result = sender.notify(
        message["text"],
        message["title"],
        NotifyType(message["kind"]),
        body_format=NotifyFormat.TEXT,
        attach=attach,
        timeout=SECONDS,
        log_level=logging.DEBUG,
    )
    return None if result else "; ".join(_telling(result.logs()))


def _telling(entries: Iterable[Any]) -> Iterator[str]:
    # why a connection failed, and what the service answered, Apprise only says for debugging
    for entry in entries:
        if entry.level in {"WARNING", "ERROR", "CRITICAL"} or entry.message.startswith(_WHY):
            yield entry.message


if __name__ == "__main__":  # pragma: no cover - in that process
    limit()
    warnings.simplefilter("ignore")
    told = send(json.load(sys.stdin))
    if told is not None:
        sys.stdout.write(told)
        sys.stdout.flush()
        sys.exit(NOT_SENT)
