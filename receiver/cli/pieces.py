"""Pieces of an order as people type them: KEY=JSON, K=V, an image's path. Reads image files, nothing else."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from receiver.cli.trouble import WrongUsage

#: Beyond this the server takes no order at all.
MAX_IMAGE = 45 * 2**20
_HEADS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


def params_of(given: Iterable[str]) -> dict[str, Any]:
    """Read `-p KEY=JSON`; what is not JSON is plain text.

    Raises: WrongUsage.
    """
    found: dict[str, Any] = {}
    for name, text in (_halves(each, "-p", "KEY=JSON") for each in given):
        found[name] = _value(text)
    return found


def pairs_of(given: Iterable[str], option: str) -> dict[str, str]:
    """Read `K=V`.

    Raises: WrongUsage.
    """
    return dict(_halves(each, option, "K=V") for each in given)


_EXAMPLES = {"-p": "-p seed=7", "--meta": "--meta client=acme"}


def _halves(text: str, option: str, form: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise WrongUsage(f"{option} {text!r} cannot be read; write {option} {form}, for example {_EXAMPLES[option]}.")
    return name.strip(), value


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def image_of(given: str) -> str:
    """Turn a path into a data URL; a URL stays as it is.

    Raises: WrongUsage.
    """
    if given[:8].lower().startswith(("https://", "http://", "data:")):
        return given
    path = Path(given).expanduser()
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_IMAGE else b""
    except OSError as error:
        raise WrongUsage(f"--image {given}: {error.strerror}; give a file or an https URL.") from error
    if size > MAX_IMAGE:
        raise WrongUsage(f"--image {given}: it has {size / 2**20:.0f} MiB; no vendor takes more than 45.")
    return f"data:{_type_of(content, given)};base64,{base64.b64encode(content).decode()}"


def _type_of(content: bytes, given: str) -> str:
    for head, found in _HEADS:
        if content.startswith(head):
            return found
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    raise WrongUsage(f"--image {given}: this is neither a PNG nor a JPEG nor a WebP image.")
