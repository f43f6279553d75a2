"""Every exception that crosses a border, as a tree split by what the reader does next.

Only `RequestRefused` becomes an answer to a caller (4xx, or 502 for a vendor that was not reached). An error
carries data as attributes; its text holds no secret, no URL with a token and no body.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class ClipbellError(Exception):
    """The root of the tree."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where: `field` is a dotted path, `problem` a sentence that says what to do."""

    field: str
    problem: str


# --- answer the caller ---------------------------------------------------------------------------


class RequestRefused(ClipbellError):
    """A request that we refuse; `code` is stable, `status` the HTTP status, the text a sentence for a person."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"


class Unauthorized(RequestRefused):
    """No token, or not ours."""

    status = 401
    code = "unauthorized"


class NotFound(RequestRefused):
    """The thing asked for does not exist."""

    status = 404
    code = "not_found"


class Conflict(RequestRefused):
    """The thing is not in a state that allows what was asked."""

    status = 409
    code = "conflict"


class Taken(Conflict):
    """Another row holds a value that only one may hold (a vendor's job id within an account); nothing was written."""


class IdempotencyMismatch(RequestRefused):
    """The idempotency key was used before, for a different order."""

    status = 409
    code = "idempotency_mismatch"


class TooLarge(RequestRefused):
    """The body is larger than the route takes."""

    status = 413
    code = "too_large"


class InvalidOrder(RequestRefused):
    """An order that we or its vendor would refuse; `problems` lists everything that is wrong with it."""

    status = 422
    code = "invalid_order"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in problems))
        self.problems = tuple(problems)


class InvalidRequest(InvalidOrder):
    """A request other than an order whose fields are wrong."""

    code = "invalid_request"


class BudgetReached(RequestRefused):
    """The order would pass a budget of ours; `for_ever`: it would do so even with nothing spent."""

    status = 402
    code = "budget_reached"

    def __init__(self, text: str, *, for_ever: bool = False) -> None:
        super().__init__(text)
        self.for_ever = for_ever


class VendorSaidNo(RequestRefused):
    """The vendor refused; `vendor_status`, `vendor_code` and `vendor_message` are its words, `job_id` our record."""

    def __init__(self, text: str, *, vendor_status: int, vendor_code: str | None, vendor_message: str | None) -> None:
        super().__init__(text)
        self.vendor_status = vendor_status
        self.vendor_code = vendor_code
        self.vendor_message = vendor_message
        self.job_id: str | None = None


class VendorRefused(VendorSaidNo):
    """The vendor will not make this clip."""

    status = 400
    code = "vendor_refused"


class VendorBalance(VendorSaidNo):
    """The account at the vendor has too little money."""

    status = 402
    code = "vendor_balance"


class VendorBusy(RequestRefused):
    """Too many requests, at the vendor or by our own limit; `retry_after` in seconds."""

    status = 429
    code = "vendor_busy"

    def __init__(self, text: str, *, retry_after: float) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class VendorUnreachable(RequestRefused):
    """The order provably did not reach the vendor."""

    status = 502
    code = "vendor_unreachable"


# --- answer 503: the sender should come again -----------------------------------------------------


class StoreUnavailable(ClipbellError):
    """The store cannot commit; nothing was kept. The text says why in words for a log."""


# --- keep and ask: what others sent cannot be used --------------------------------------------------


class Unreadable(ClipbellError):
    """Bytes from outside that are not what they should be; `path` says where, `problem` what."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'body'}: {problem}")
        self.path = path
        self.problem = problem


class BadToken(ClipbellError):
    """A callback token that does not verify, or belongs elsewhere. Says nothing about why."""


# --- the network ------------------------------------------------------------------------------------


class NetError(ClipbellError):
    """A request of ours that got no usable answer; the text names the reason, never the URL."""


class Unsent(NetError):
    """Provably not sent: the name did not resolve, the connection or TLS handshake failed, the address is banned."""


class AddressRefused(Unsent):
    """The address is private or otherwise banned (`network.allow` lifts it)."""


class Unfit(Unsent):
    """Not sent, because what was to be sent cannot be had; to try again is of no use."""


class Unanswered(NetError):
    """Sent, or perhaps sent, and no whole answer came: the other side may have acted."""


# --- wake a person ----------------------------------------------------------------------------------


class ConfigurationError(ClipbellError):
    """The configuration cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"{p.field}: {p.problem}" for p in problems))
        self.problems = tuple(problems)


class IllegalTransition(ClipbellError):
    """A job was told to go where the table of transitions does not lead: a bug of ours."""
