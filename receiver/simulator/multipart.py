"""Reads a `multipart/form-data` body with the standard library's mail parser. Pure; for small forms held in memory."""

from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP


@dataclass(frozen=True)
class Part:
    """One field of a form."""

    content: bytes
    mime_type: str
    filename: str | None


def form(content_type: str, body: bytes) -> dict[str, Part] | None:
    """Give a form's fields by name, or None if it is no form."""
    if not content_type.lower().startswith("multipart/form-data"):
        return None
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    if not message.is_multipart():
        return None
    found: dict[str, Part] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = Part(content, part.get_content_type(), part.get_filename())
    return found
