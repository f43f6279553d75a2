"""The program that hands one message to Apprise; the message stands as JSON on its standard input.

Run by `handlers/apprise.py` in a process of its own: Apprise reads every answer to its end, so one that never ends
would take all memory, and a thread that waits for one that drips cannot be stopped. Imports nothing of ours and limits
itself first. Exit code 0: sent; 75: not sent; 69: refused for good; with
Apprise's own words on the standard output.

https://github.com/caronc/apprise/wiki/Development_API
"""

import json
import logging
import re
import resource
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

#: Seconds for the whole of it, and the exit code of a message that Apprise could not send.
SECONDS, NOT_SENT, REFUSED = 20, 75, 69
_MEMORY = 512 << 20
#: How its services end the sentence about an answer that they did not like.
_STATUS = re.compile(r"\berror=(\d{3})\.?$")
_LATER = frozenset({408, 425, 429})
_FAILURES = frozenset({"WARNING", "ERROR", "CRITICAL"})
_WHY = ("Socket Exception", "Response Details")


def limit() -> None:  # pragma: no cover - of the process that runs this
    """Take so much memory, and no more."""
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def send(message: Mapping[str, Any]) -> tuple[int, str]:
    """Send a message; answer the exit code, and why it could not be sent."""
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
    if result:
        return 0, ""
    entries = list(result.logs())
    return REFUSED if is_final(entries) else NOT_SENT, "; ".join(_telling(entries))


def is_final(entries: Iterable[Any]) -> bool:
    """Whether a service said no for good: every failure is an HTTP status that a later try does not mend."""
    failures = [entry.message for entry in entries if entry.level in _FAILURES]
    found = [_STATUS.search(message.strip()) for message in failures if not message.startswith(_WHY)]
    statuses = [int(status[1]) if status else 0 for status in found]
    return bool(statuses) and all(400 <= status < 500 and status not in _LATER for status in statuses)


def _telling(entries: Iterable[Any]) -> Iterator[str]:
    # why a connection failed, and what the service answered, Apprise only says for debugging
    for entry in entries:
        if entry.level in _FAILURES or entry.message.startswith(_WHY):
            yield entry.message


if __name__ == "__main__":  # pragma: no cover - in that process
    limit()
    warnings.simplefilter("ignore")
    code, told = send(json.load(sys.stdin))
    sys.stdout.write(told)
    sys.stdout.flush()
    sys.exit(code)
