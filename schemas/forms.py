"""Forms: a request body as parts of multipart/form-data. Fetches nothing: a part may only say where its file is."""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from schemas.order import ImageRule
from schemas.vendor import Part


def fields(body: Mapping[str, Any]) -> tuple[Part, ...]:
    """Each value as a form field: strings as they are, anything else as JSON writes it (`true`, `8`)."""
    return tuple(
        Part(name, (value if isinstance(value, str) else json.dumps(value)).encode()) for name, value in body.items()
    )


def file(name: str, image: str, rule: ImageRule) -> Part:
    """A checked image as a file: out of its data URL, or to be got from its https URL before the call."""
    if image[:5].lower() != "data:":
        return Part(name, b"", filename=name, url=image, max_bytes=rule.max_bytes, types=rule.types)
    head, _, content = image[5:].partition(",")
    media_type = head.split(";")[0].lower()
    return Part(name, b64decode(content), f"{name}.{media_type.partition('/')[2]}", media_type)
