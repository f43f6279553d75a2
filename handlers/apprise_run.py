"""What Apprise knows of a URL, and one message sent by it in a process of its own, which ends in time in any case.

It needs one: Apprise has no bounds for what a service answers. Writes no messages.
"""

import asyncio
import logging
import sys
from pathlib import Path

from handlers import apprise_program
from handlers.apprise_program import NOT_SENT, REFUSED, SECONDS
from handlers.landing import in_thread
from handlers.masking import masked
from handlers.program import Program
from handlers.protocol import Done, GiveUp, Outcome, TryLater

_SHOWN = 300
#: Seconds for one message: Apprise's own, and some to begin and to end.
LONGEST = SECONDS + 5


def is_known(url: str) -> bool:
    """Whether Apprise can read a URL."""
    from apprise import Apprise

    _hush()
    return Apprise.instantiate(url, suppress_exceptions=True) is not None


def takes_attachments(url: str) -> bool:
    """Whether the service behind a URL takes files."""
    from apprise import Apprise

    _hush()
    return bool(getattr(Apprise.instantiate(url, suppress_exceptions=True), "attachment_support", False))


async def run(message: bytes, url: str, folder: Path) -> Outcome:
    """Send a message, the JSON that `apprise_program.py` reads; the URL never gets into the words."""
    # its surroundings are ours: proxies and authorities that the operator set count for it, too
    program = Program([sys.executable, "-I", apprise_program.__file__], folder, inherits=True)
    try:
        await in_thread(program.start, message)
        async with asyncio.timeout(LONGEST):
            code = await program.wait()
    except TimeoutError:
        return TryLater("Apprise did not come to an end in time")
    except OSError as error:
        return TryLater(f"Apprise cannot be started: {(error.strerror or 'it failed').lower()}")
    finally:
        await program.end()
    # before the words are cut: half a secret is one, too
    told = masked(" ".join(program.written.split()), url)[:_SHOWN]
    if code == 0:
        return Done()
    if code == REFUSED:
        return GiveUp("the service refused it for good", answer=told or None)
    why = "Apprise could not send it" if code == NOT_SENT else "Apprise broke off"
    return TryLater(why, answer=told if code == NOT_SENT and told else None)


def _hush() -> None:
    # what Apprise logs may hold whole URLs, so it goes nowhere; from warnings on it comes back with each result
    log = logging.getLogger("apprise")
    log.setLevel(logging.WARNING)
    log.propagate = False
    log.handlers = log.handlers or [logging.NullHandler()]
