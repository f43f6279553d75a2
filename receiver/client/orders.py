"""Conversations about jobs: order, take over, expect, look, wait.

An order always bears an idempotency key, so that an answer lost between here and the server is asked for again
without paying twice. Nothing else is ever sent twice.
"""

import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack
from urllib.parse import quote

from .calls import Call, Conversation, Pause, as_object, ask, one_of
from .errors import ServerUnreachable, WaitedTooLong
from .models import Batch, Job

#: The server waits up to 10 s for its turn and 30 s for the vendor.
SUBMIT_TIMEOUT = 45.0
#: So many seconds apart is an order whose answer was lost asked for again.
LOST_ANSWER_PAUSES = (1.0, 3.0)
FIRST_LOOK, LATEST_LOOK = 0.25, 3.0
#: So long may the server be away (a restart) before a waiting client gives up, in seconds.
AWAY = 60.0


class KnownFields(TypedDict, total=False):
    """The common fields that one may know of a job that another program ordered."""

    prompt: str
    model: str
    seconds: int
    aspect_ratio: str
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    batch: str


class OrderFields(TypedDict, total=False):
    """The fields of an order beside vendor and prompt. `images`: https or data URLs; `params`: the vendor's own."""

    seconds: int | None
    aspect_ratio: str | None
    images: Sequence[str]
    model: str | None
    params: Mapping[str, Any]
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    idempotency_key: str | None
    queue: bool
    batch: str | None


def submit(vendor: str, prompt: str, **fields: Unpack[OrderFields]) -> Conversation[Job]:
    """Order a clip and answer its job; `vendor` is an account's name. A key used before answers the first job again.

    Raises: Refused (InvalidOrder with every problem), ServerUnreachable.
    """
    body = {"vendor": vendor, "prompt": prompt, **fields}
    body["idempotency_key"] = body.get("idempotency_key") or f"client-{uuid.uuid4().hex}"
    call = Call("POST", "/v1/jobs", one_of(Job), body=body, timeout=SUBMIT_TIMEOUT)
    for pause in LOST_ANSWER_PAUSES:
        try:
            placed: Job = yield call
        except ServerUnreachable as error:
            if not error.sent:
                raise
            yield Pause(pause)
        else:
            return placed
    placed = yield call
    return placed


def check(vendor: str, prompt: str, **fields: Unpack[OrderFields]) -> Conversation[Mapping[str, Any]]:
    """Have an order checked without placing it. Answers `{"account", "model", "seconds", "estimate"}`.

    Raises: Refused (InvalidOrder with every problem).
    """
    body = {"vendor": vendor, "prompt": prompt, **fields}
    return ask(Call("POST", "/v1/jobs/check", as_object, body=body))


def batch(batch_id: str) -> Conversation[Batch]:
    """Read how a batch stands. Raises: NotFound where no order is of it."""
    return ask(Call("GET", f"/v1/batches/{_id(batch_id)}", one_of(Batch)))


def adopt(vendor: str, vendor_job_id: str, **fields: Unpack[KnownFields]) -> Conversation[Job]:
    """Take over a job that was ordered elsewhere; the same id again answers the same job."""
    body = {"vendor": vendor, "vendor_job_id": vendor_job_id, **fields}
    return ask(Call("POST", "/v1/jobs/adopt", one_of(Job), body=body))


def expect(vendor: str, **fields: Unpack[KnownFields]) -> Conversation[Job]:
    """Expect a job that another program will order; its `callback_url` is the address to give to the vendor."""
    return ask(Call("POST", "/v1/jobs/expect", one_of(Job), body={"vendor": vendor, **fields}))


def job(job_id: str) -> Conversation[Job]:
    """Read one job."""
    return ask(Call("GET", f"/v1/jobs/{_id(job_id)}", one_of(Job)))


def refresh(job_id: str) -> Conversation[Job]:
    """Have the server ask the vendor now, and answer the job as it then is."""
    return ask(
        Call(
            "POST",
            f"/v1/jobs/{_id(job_id)}/refresh",
            one_of(Job),
            timeout=SUBMIT_TIMEOUT,
        )
    )


def again(job_id: str) -> Conversation[Job]:
    """Order the same again, as a new job."""
    return ask(Call("POST", f"/v1/jobs/{_id(job_id)}/again", one_of(Job), timeout=SUBMIT_TIMEOUT))


def resolve(job_id: str, *, vendor_job_id: str | None) -> Conversation[Job]:
    """Settle an `unknown` job by a person's word: it was sent, under this id, or (None) it was not."""
    word = (
        {"resolution": "not-sent"} if vendor_job_id is None else {"resolution": "sent", "vendor_job_id": vendor_job_id}
    )
    return ask(Call("POST", f"/v1/jobs/{_id(job_id)}/resolve", one_of(Job), body=word))


def revoke_link(job_id: str) -> Conversation[Mapping[str, Any]]:
    """Let no living link to a job's clips open any more; for good. The files stay."""
    return ask(Call("POST", f"/v1/jobs/{_id(job_id)}/revoke-link", as_object))


def wait(
    job_id: str, *, timeout: float | None = None, on_look: Callable[[Job], object] | None = None
) -> Conversation[Job]:
    """Look until the job has ended (see `Job.has_ended`) and answer it; `on_look` is told of every look.

    A server that is away for less than a minute is waited for.
    Raises: WaitedTooLong after `timeout` seconds, ServerUnreachable, NotFound.
    """
    began = heard = time.monotonic()
    pause = FIRST_LOOK
    while True:
        found = yield from _look(job_id, heard + AWAY)
        if found:
            heard = time.monotonic()
            if on_look:
                on_look(found)
            if found.has_ended:
                return found
        left = math.inf if timeout is None else began + timeout - time.monotonic()
        if left <= 0:
            raise WaitedTooLong(f"{job_id} has not ended after {timeout:g} s; it goes on", code="waited_too_long")
        yield Pause(min(pause, left))
        pause = min(pause * 1.5, LATEST_LOOK)


def _look(job_id: str, patient_until: float) -> Conversation[Job | None]:
    try:
        return (yield from job(job_id))
    except ServerUnreachable:
        if time.monotonic() > patient_until:
            raise
        return None


def ready() -> Conversation[Mapping[str, Any]]:
    """Read the server's readiness in detail."""
    return ask(Call("GET", "/readyz", as_object))


def _id(text: str) -> str:
    return quote(text, safe="")
