"""Calls to vendors: a request gets its address and its key, an answer becomes evidence. Decides nothing."""

import hashlib
import json
from collections.abc import Mapping

from receiver.images import with_content
from receiver.kit import Kit
from receiver.net import multipart
from receiver.settings import Account
from receiver.store.protocol import Evidence
from schemas.vendor import Answer, Request

#: No vendor's answer is anywhere near this.
MAX_ANSWER = 1024 * 1024
#: What of an answer's or a callback's headers is kept; a vendor may put a secret into any other.
KEPT_HEADERS = frozenset(
    "content-type content-length content-encoding date user-agent retry-after x-request-id x-event x-task-id "
    "x-timestamp x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset x-ratelimit-retry-after".split()
)


LONGEST_HEADER = 500


async def call(kit: Kit, account: Account, request: Request, timeout: float) -> Answer:
    """Make one call with an account's key, on a connection of its own, so that "not sent" is certain.

    Raises: Unsent (Unfit where an image of the order cannot be had), Unanswered.
    """
    headers = dict(account.vendor.auth(account.api_key.get_secret_value()))
    content = b""
    if request.json is not None:
        headers["content-type"] = "application/json"
        content = json.dumps(request.json, ensure_ascii=False).encode()
    elif request.parts:
        headers["content-type"], content = multipart([await with_content(kit.public, part) for part in request.parts])
    return await kit.net.call(
        request.method,
        account.base_url.rstrip("/") + request.path,
        headers=headers,
        content=content,
        timeout=timeout,
        max_bytes=MAX_ANSWER,
        whole=True,
    )


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are kept, cut to a sane length."""
    return {name: value[:LONGEST_HEADER] for name, value in headers.items() if name in KEPT_HEADERS}


def evidence_of(kit: Kit, account: Account, job_id: str | None, kind: str, answer: Answer) -> Evidence:
    """An answer as evidence of a kind: `submit`, `status` or `history`."""
    return Evidence(
        id=kit.mint("evd_"),
        at=kit.now(),
        job_id=job_id,
        account=account.name,
        kind=kind,
        body=answer.body,
        sha256=hashlib.sha256(answer.body).hexdigest(),
        status=answer.status,
        headers=kept_headers(answer.headers),
    )
