"""Keeps secrets out of words that others will read: outcomes, logs, the dashboard. Pure."""

from urllib.parse import quote, unquote, urlsplit

_SHORTEST = 6
MASK = "***"


def masked(text: str, *secrets: str) -> str:
    """Replace every secret in a text, also where it stands quoted, unquoted, or as a URL's telling parts."""
    for part in sorted(_parts(secrets), key=len, reverse=True):
        text = text.replace(part, MASK)
    return text


def _parts(secrets: tuple[str, ...]) -> set[str]:
    found = set()
    for secret in secrets:
        try:
            url = urlsplit(secret)
        except ValueError:
            found.add(secret)
            continue
        pieces = [secret]
        if url.scheme and url.netloc:
            userinfo = url.netloc.rpartition("@")[0]
            # a host is no secret, and words such as a port would blot out too much
            pieces += [userinfo, *userinfo.split(":"), url.path, *url.path.split("/"), url.query]
        found.update(pieces)
    spelled = {form for piece in found for form in (piece, quote(piece, safe=""), quote(piece), unquote(piece))}
    return {piece for piece in spelled if len(piece) >= _SHORTEST}
