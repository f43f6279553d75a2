"""One HTTP call of a handler, and what its answer means. Knows no medium; the address never gets into the words."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from handlers.masking import masked
from handlers.protocol import GiveUp, Http, Outcome, TryLater, outcome_of
from schemas.errors import AddressRefused, NetError


async def post(
    http: Http, url: str, content: bytes, headers: Mapping[str, str], *, now: datetime, seconds: float = 15
) -> Outcome:
    """POST, and answer the usual outcome; what the other side said is kept without the address in it."""
    try:
        answer = await http.call("POST", url, headers=headers, content=content, timeout=seconds, max_bytes=65_536)
    except AddressRefused as error:
        return GiveUp(masked(str(error), url))
    except NetError as error:
        return TryLater(masked(str(error), url))
    # before the words are cut: half a secret is one, too
    words = masked(answer.body.decode("utf-8", "replace"), url).encode()
    return outcome_of(replace(answer, body=words), now)
