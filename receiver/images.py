"""Images behind a URL that a vendor wants uploaded: got before its call, so that failing means "not sent".

What an image is, its first bytes say; a host's word for its type is often wrong. Up to three redirects are followed,
each held to the address ban.
"""

from dataclasses import replace
from urllib.parse import urljoin

from receiver.net import Net
from schemas.errors import AddressRefused, NetError, Unfit, Unsent
from schemas.vendor import Answer, Part

#: Bytes where a vendor says nothing of it, and seconds for each call.
MOST, TIMEOUT = 20 * 1024 * 1024, 20.0
REDIRECTS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({408, 425, 429})
_HEADS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


async def with_content(net: Net, part: Part) -> Part:
    """A part with its file, got from where it lies.

    Raises: Unfit where trying again is of no use, Unsent where it may be.
    """
    if part.url is None:
        return part
    answer = await _got(net, part, part.url)
    if len(answer.body) > (part.max_bytes or MOST):
        raise Unfit(f"{_named(part)} is larger than {(part.max_bytes or MOST) / 2**20:g} MB")
    kind = _kind_of(answer)
    if part.types and kind not in part.types:
        raise Unfit(f"{_named(part)} is not one of {', '.join(part.types)}")
    name = f"{part.filename}.{kind.partition('/')[2]}" if part.filename else None
    return replace(part, content=answer.body, content_type=kind, filename=name, url=None)


async def _got(net: Net, part: Part, url: str) -> Answer:
    for _ in range(REDIRECTS + 1):
        answer = await _asked(net, part, url)
        location = answer.headers.get("location")
        if answer.status not in _MOVED or not location:
            break
        url = urljoin(url, location)
    if answer.status == 200:
        return answer
    error = Unsent if answer.status in _LATER or answer.status >= 500 else Unfit
    raise error(f"{_named(part)} could not be fetched: its host answered HTTP {answer.status}")


async def _asked(net: Net, part: Part, url: str) -> Answer:
    try:
        # a byte more than it may have tells that it is too large
        return await net.call("GET", url, timeout=TIMEOUT, max_bytes=(part.max_bytes or MOST) + 1)
    except NetError as reason:
        error = Unfit if isinstance(reason, AddressRefused) else Unsent
        raise error(f"{_named(part)} could not be fetched: {reason}") from reason


def _kind_of(answer: Answer) -> str:
    said = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return next((kind for head, kind in _HEADS if answer.body.startswith(head)), said)


def _named(part: Part) -> str:
    return "the image" if part.name == "image" else f"the image for {part.name}"
