"""The names of saved files: an operator's template, filled with values that cannot lead anywhere else. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC
from pathlib import PurePosixPath
from string import Formatter

from schemas.event import Event

FIELDS = ("vendor", "account", "job_id", "n", "date", "slug", "batch")
_LONGEST = 120
#: What makes a name one of one job, or of one of its files.
_TELLING = {"job_id", "n"}
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_template(template: str) -> None:
    """Refuse a template that would not give a name under its folder.

    Raises: ValueError.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise ValueError("has a brace too many or too few; fields are " + _listed()) from None
    for text, field, spec, conversion in parts:
        if field is not None and (field not in FIELDS or spec or conversion):
            raise ValueError(f"knows no {{{field}}}; fields are {_listed()}")
        if "\\" in text or any(unicodedata.category(c).startswith("C") for c in text):
            raise ValueError("must not hold backslashes or control characters")
    for piece in template.split("/"):
        shape = 'must be a relative path such as "{vendor}/{job_id}-{n}", its parts neither empty nor with a dot first'
        if not piece or piece.startswith(".") or piece != piece.strip():
            raise ValueError(shape)
        if len(piece.encode()) > _LONGEST:
            raise ValueError(f"has a part of more than {_LONGEST} bytes; make it shorter")


def file_name(template: str, event: Event, number: int, suffix: str, *, apart: bool = False) -> PurePosixPath:
    """Name the n-th file of a job, relative to the folder. `apart`: add the job's id, since the name is taken."""
    values = _values(event, number)
    if number > 1 and "n" not in _fields(template):
        template += "-{n}"
    if apart:
        template += "-{job_id}"
    *folders, last = template.split("/")
    # what a cut takes away must not be what tells files apart
    tail = "-{job_id}-{n}".format_map(values)
    pieces = [_piece(each.format_map(values), tail if _fields(each) & _TELLING else "") for each in folders]
    return PurePosixPath(*pieces, _piece(last.format_map(values), tail) + suffix)


def belongs_to_job(template: str) -> bool:
    """Whether a name tells the job: then a file of that name is that job's."""
    return "job_id" in _fields(template)


def _fields(template: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(template) if field}


def slug(prompt: str | None) -> str:
    """Make a prompt's words fit for a file name."""
    kept = "".join(c if c.isalnum() else " " for c in unicodedata.normalize("NFKC", prompt or "").lower())
    return _cut("-".join(kept.split()), 60).strip("-") or "clip"


def _values(event: Event, number: int) -> Mapping[str, str]:
    return {
        "vendor": _word(event.vendor),
        "account": _word(event.account),
        "job_id": _word(event.job_id or event.id),
        "n": str(number),
        "date": event.occurred_at.astimezone(UTC).date().isoformat(),
        "slug": slug(event.prompt),
        "batch": _word(event.batch),
    }


def _word(value: str | None) -> str:
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", value or "")
    return _cut(re.sub(r"\.{2,}", ".", word).strip(".-"), 64) or "none"


def _piece(piece: str, tail: str) -> str:
    if len(piece.encode()) > _LONGEST:
        piece = _cut(piece, _LONGEST - len(tail)).rstrip("-") + tail
    # once more for the whole, since a value beside literal text may make what neither is
    piece = piece.strip(" ").lstrip(".") or "none"
    return f"_{piece}" if _RESERVED.fullmatch(piece) else piece


def _cut(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore")


def _listed() -> str:
    return " ".join(f"{{{name}}}" for name in FIELDS)
