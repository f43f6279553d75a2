"""Reading a request's body piece by piece, with a limit. Never decompresses, never parses."""

from collections.abc import Sequence

from starlette.types import Receive

from schemas.errors import ClipbellError, TooLarge
from schemas.units import say_size

_LONGEST_NUMBER = 18


class Disconnected(ClipbellError):
    """The client went away, or was cut off, before its request was whole: nobody is there to be answered."""


async def read_body(receive: Receive, headers: Sequence[tuple[bytes, bytes]], limit: int) -> bytes:
    """Read the whole body, at most `limit` bytes of it; `headers` are those of the ASGI scope.

    A declared length that is too large is refused before anything is read.
    Raises: TooLarge, Disconnected.
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            _hold(int(value[:_LONGEST_NUMBER]), limit)
    pieces: list[bytes] = []
    seen = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected("the client went away before its request was whole")
        piece: bytes = message.get("body", b"")
        seen += len(piece)
        _hold(seen, limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _hold(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(f"The body is larger than {say_size(limit)}; send less.")
