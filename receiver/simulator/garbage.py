"""Hostile and broken callback bodies, each made from the true one. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Body = dict[str, Any]


def _changed(names: tuple[str, ...], value: Any) -> Callable[[Body], bytes]:
    def make(true: Body) -> bytes:
        return json.dumps({name: value if name in names else kept for name, kept in true.items()}).encode()

    return make


#: style -> how the body is made
STYLES: Mapping[str, Callable[[Body], bytes]] = {
    "not_json": lambda _: b"this is not JSON",
    "empty": lambda _: b"",
    "html": lambda _: b"<html><script>alert(1)</script></html>",
    "invalid_utf8": lambda true: json.dumps(true).encode()[:-1] + b',"x":"\xff\xfe"}',
    "array": lambda true: json.dumps([true]).encode(),
    "null": lambda _: b"null",
    "cut": lambda true: json.dumps(true).encode()[:-12],
    "deep": lambda _: b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "huge": lambda true: json.dumps(true | {"padding": "x" * 300_000}).encode(),
    "big_number": lambda true: json.dumps(true).encode()[:-1] + b',"n":' + b"9" * 5000 + b"}",
    "nan": lambda true: json.dumps(true).encode()[:-1] + b',"actual_cost_usd":NaN}',
    "wrong_id": _changed(("id", "video_gen_id"), "vg_someone_elses"),
    "unknown_word": _changed(("status", "event"), "video.teleported"),
    "wrong_types": lambda true: json.dumps({name: [kept] for name, kept in true.items()}).encode(),
    "markup": _changed(("error", "video_url"), "<img src=x onerror=alert(1)>"),
    "private_url": _changed(("video_url", "output"), "http://169.254.169.254/latest/meta-data/"),
}


def garbage(style: str, body: str | None, true: bytes) -> bytes:
    """Make the body of a style, or the one that was given."""
    if body is not None:
        return body.encode()
    return STYLES[style](json.loads(true))
