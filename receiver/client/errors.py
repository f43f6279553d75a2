"""What can go wrong between this client and the server, as exceptions that carry data.

The text is a sentence for a person; it holds neither the token nor a body.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what was sent: `field` is a dotted path, `problem` a sentence."""

    field: str
    problem: str


class ClipbellError(Exception):
    """The root. `code` is stable, `status` the HTTP status (0: there was no answer), `retry_after` in seconds."""

    def __init__(
        self,
        text: str,
        *,
        code: str,
        status: int = 0,
        problems: Sequence[Problem] = (),
        retry_after: float | None = None,
        raw: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.status = status
        self.problems = tuple(problems)
        self.retry_after = retry_after
        #: The whole problem document, with what a vendor said inside.
        self.raw = dict(raw or {})


class NoToken(ClipbellError):
    """No API token was given, or what was given cannot be one."""


class BadAddress(ClipbellError):
    """The server's address is none."""


class ServerUnreachable(ClipbellError):
    """No usable answer came from the server. `sent`: the request may have reached it all the same."""

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text, code="server_unreachable")
        self.sent = sent


class ServerFailed(ClipbellError):
    """The server answered that it cannot just now (5xx), or something that is not Clipbell answered."""


class Refused(ClipbellError):
    """The server will not do it; `code` says why."""


class Unauthorized(Refused):
    """The token is missing or not the server's."""


class NotFound(Refused):
    """There is nothing under this id."""


class InvalidOrder(Refused):
    """The order cannot be placed as it is; `problems` lists everything that is wrong with it."""


class WaitedTooLong(ClipbellError):
    """The job was not settled in the time given; it goes on all the same."""
