"""Checks that several vendors make of an order's fields. Pure; each vendor turns a problem into its own error body."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import SplitResult, urlsplit

DATA_URL = re.compile(r"data:image/(jpeg|png|webp);base64,")
INNER_NAMES = ("localhost", ".localhost", ".local", ".internal")


def split(url: Any) -> SplitResult | None:
    """Take a URL apart, or give None if it is none."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.hostname else None


def is_private(host: str) -> bool:
    """Whether a host is one's own or an address that the internet does not reach."""
    if host.lower().rstrip(".").endswith(INNER_NAMES):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def callback_problem(url: Any) -> str | None:
    """Say what is wrong with a callback URL: it must be https, but for this machine's own addresses."""
    parts = split(url)
    if parts is None:
        return "must be a valid URL"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return None
    return "must be an HTTPS URL"


def image_problem(image: Any, max_bytes: int) -> str | None:
    """Say what is wrong with an image given as a data URL or an https URL of a public host."""
    if not isinstance(image, str):
        return "must be a string"
    if image.startswith("data:"):
        return _data_problem(image, max_bytes)
    parts = split(image)
    if parts is None or parts.scheme != "https":
        return "must be a data URL (JPEG, PNG, WebP) or an HTTPS URL"
    return "must not point to a private address" if is_private(parts.hostname or "") else None


def _data_problem(image: str, max_bytes: int) -> str | None:
    found = DATA_URL.match(image)
    if found is None:
        return "must be a base64 data URL of a JPEG, PNG or WebP image"
    try:
        size = len(base64.b64decode(image[found.end() :], validate=True))
    except (binascii.Error, ValueError):
        return "is not valid base64"
    if size > max_bytes:
        return f"must be at most {max_bytes // 2**20} MB"
    return None if size else "is empty"


def choice_problem(value: Any, choices: Collection[Any]) -> str | None:
    """Say what is wrong with a value that must be one of a few; `true` is no number."""
    if not isinstance(value, bool) and isinstance(value, (str, int, float)) and value in choices:
        return None
    return f"must be one of: {', '.join(str(choice) for choice in choices)}"


def text_problem(value: Any, most: int | None = None) -> str | None:
    """Say what is wrong with a text that must not be empty."""
    if not isinstance(value, str):
        return "must be a string"
    if not value.strip():
        return "must not be empty"
    if most is not None and len(value) > most:
        return f"must be at most {most} characters"
    return None
