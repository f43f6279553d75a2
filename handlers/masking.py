"""Keeps secrets out of words that others will read: outcomes, logs, the dashboard. Pure."""

from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

#: Shorter pieces would blot out ordinary words.
_SHORTEST = 6
#: Only here is the host a host; Apprise puts tokens there.
_HOSTED = frozenset({"http", "https", "smtp", "smtps", "smtp+starttls"})
MASK = "***"


def masked(text: str, *secrets: str) -> str:
    """Replace every secret in a text, also where it stands quoted, unquoted, or as a URL's telling parts."""
    pieces = {form for secret in secrets for piece in _pieces(secret) for form in _forms(piece)}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= _SHORTEST:
            text = text.replace(piece, MASK)
    return text


def _pieces(secret: str) -> Iterator[str]:
    yield secret
    try:
        url = urlsplit(secret)
    except ValueError:
        return
    if url.scheme and url.netloc:
        yield from _telling(url)


def _telling(url: SplitResult) -> Iterator[str]:
    userinfo, _, host = url.netloc.rpartition("@")
    yield from (userinfo, *userinfo.split(":"))
    if url.scheme not in _HOSTED:
        yield from (host, host.partition(":")[0])
    yield from (url.path, *url.path.split("/"), url.query, url.fragment)
    yield from (value for _, value in parse_qsl(url.query))


def _forms(piece: str) -> tuple[str, ...]:
    return (piece, quote(piece, safe=""), quote(piece), unquote(piece))
