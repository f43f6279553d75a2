"""Pieces of an order as people type them: KEY=JSON, K=V, an image's path. Reads image files, nothing else."""

import base64
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from receiver.cli.trouble import WrongUsage

#: Beyond this the server takes no order at all.
MAX_IMAGE = 45 * 2**20
_HEADS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


def every(*readings: Callable[[], Any]) -> list[Any]:
    """Read several pieces.

    Raises: WrongUsage with what is wrong with all of them, a line for each.
    """
    found, wrong = [], []
    for read in readings:
        try:
            found.append(read())
        except WrongUsage as error:
            wrong.append(str(error))
    if wrong:
        raise WrongUsage("\n".join(wrong))
    return found


def images_of(given: Iterable[str]) -> list[str]:
    """Turn each path into a data URL.

    Raises: WrongUsage.
    """
    return every(*(partial(image_of, each) for each in given))


def params_of(given: Iterable[str]) -> dict[str, Any]:
    """Read `-p KEY=JSON`; what is not JSON is plain text.

    Raises: WrongUsage.
    """
    halves = every(*(partial(_halves, each, "-p", "KEY=JSON") for each in given))
    return {name: _value(text) for name, text in halves}


def pairs_of(given: Iterable[str], option: str) -> dict[str, str]:
    """Read `K=V`.

    Raises: WrongUsage.
    """
    return dict(every(*(partial(_halves, each, option, "K=V") for each in given)))


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
    if not given:
        raise WrongUsage("--image '': there is no path; give a file or an https URL.")
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
