"""Order: what we want made, in the fields that vendors have in common, and the checks that hold for all of them.

What one vendor would refuse is its file's matter. Nothing is looked up: an image's host is judged by its URL alone.
"""

import base64
import binascii
import hashlib
import ipaddress
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from schemas.addresses import is_public
from schemas.errors import InvalidOrder, Problem

MAX_TAGS = 50
MAX_METADATA = 16 * 1024
MAX_URL = 8192
#: A day, which nobody makes; within it the vendor's file judges. A column would not hold every number.
MAX_SECONDS = 86_400

Tag = Annotated[str, Field(min_length=1, max_length=100)]


class Order(BaseModel):
    """An order as its caller gives it; `vendor` is an account; `seconds` of film; `params`: the vendor's own fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    vendor: str = Field(min_length=1)
    prompt: str
    seconds: int | None = None
    aspect_ratio: str | None = None
    images: list[str] = []
    model: str | None = None
    params: dict[str, Any] = {}
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)] = []
    metadata: dict[str, Any] = {}
    idempotency_key: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    queue: bool = False
    batch: Annotated[str, Field(min_length=1, max_length=100)] | None = None

    @field_validator("metadata")
    @classmethod
    def _metadata_is_small(cls, value: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(value)) > MAX_METADATA:
            raise ValueError(f"is larger than {MAX_METADATA} bytes as JSON; keep it short and refer to the rest")
        return value

    def canonical(self) -> bytes:
        """The order as bytes that are equal where the orders are; the key itself is left out."""
        whole = self.model_dump(mode="json", exclude={"idempotency_key"})
        return json.dumps(whole, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

    def fingerprint(self) -> str:
        """SHA-256 of `canonical`, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()


def order_from_json(data: Any) -> Order:
    """Read an order out of parsed JSON.

    Raises: InvalidOrder with every problem.
    """
    if not isinstance(data, dict):
        raise InvalidOrder([Problem("body", 'must be a JSON object such as {"vendor": "vrex", "prompt": "…"}')])
    seconds = data.get("seconds")
    wrong = isinstance(seconds, int) and not 0 <= seconds <= MAX_SECONDS
    problems = [Problem("seconds", f"must be a whole number from 0 to {MAX_SECONDS}")] if wrong else []
    try:
        order = Order.model_validate(data)
    except ValidationError as error:
        raise InvalidOrder([*problems_of(error), *problems]) from error
    if problems:
        raise InvalidOrder(problems)
    return order


def salvaged(data: Any, problems: Iterable[Problem]) -> Order | None:
    """An order of the fields that have no problem, only to look for more: a prompt is made up where there is none.

    None where not even its account can be read.
    """
    if not isinstance(data, dict):
        return None
    wrong = {root_of(problem) for problem in problems}
    sound = {name: value for name, value in data.items() if name not in wrong}
    try:
        return Order.model_validate({"prompt": "A coast", **sound})
    except ValidationError:
        return None


def root_of(problem: Problem) -> str:
    """The field of an order that a problem is in: `params` of `params.seed`."""
    return problem.field.partition(".")[0]


def problems_of(error: ValidationError) -> list[Problem]:
    """Turn pydantic's findings into ours: a dotted path and a sentence, never the value."""
    return [
        Problem(".".join(str(part) for part in found["loc"]) or "body", _sentence(found)) for found in error.errors()
    ]


#: What pydantic finds in the fields above, in our words.
_SENTENCES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} members",
}


def _sentence(found: Any) -> str:
    if found["type"] == "extra_forbidden":
        return "is not a field of an order; a vendor's own fields belong into params"
    if found["type"] == "missing":
        return "is missing"
    if found["type"] in _SENTENCES:
        return _SENTENCES[found["type"]].format_map(found.get("ctx", {}))
    return str(found["msg"]).removeprefix("Value error, ")


# --- images ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageRule:
    """What one vendor takes as an image. `max_bytes` of the decoded image, None: a data URL is not taken at all."""

    max_bytes: int | None
    types: tuple[str, ...] = ("image/jpeg", "image/png", "image/webp")

    def problem(self, image: Any) -> str | None:
        """Say what is wrong with an image, None where nothing is."""
        if not isinstance(image, str):
            return "must be a string: an https URL or a data URL"
        if image[:5].lower() == "data:":
            return self._data_problem(image)
        return _url_problem(image, takes_data=self.max_bytes is not None)

    def _data_problem(self, image: str) -> str | None:
        if self.max_bytes is None:
            return "must be an https URL of a public host; this vendor takes no data URLs"
        head, comma, text = image[5:].partition(",")
        media_type, *options = head.lower().split(";")
        if not comma or "base64" not in options or media_type not in self.types:
            return f"must be a base64 data URL of {', '.join(self.types)}"
        if len(text) // 4 * 3 > self.max_bytes + 2:
            return f"is larger than {self.max_bytes / 2**20:g} MB; make it smaller"
        try:
            size = len(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            return "is not valid base64"
        if not size:
            return "is empty"
        return f"is larger than {self.max_bytes / 2**20:g} MB; make it smaller" if size > self.max_bytes else None


def _url_problem(image: str, *, takes_data: bool) -> str | None:
    wanted = "must be an https URL of a public host" + (" or a data URL" if takes_data else "")
    if len(image) > MAX_URL:
        return f"{wanted}, of at most {MAX_URL} characters"
    if any(c <= " " or c == "\x7f" for c in image):
        return f"{wanted}, without spaces or control characters"
    try:
        url = urlsplit(image)
        host, _ = url.hostname, url.port
    except ValueError:
        return wanted
    if url.scheme.lower() != "https" or not host or url.username is not None or url.password is not None:
        return wanted
    return wanted if is_private_name(host) else None


_PRIVATE_SUFFIXES = tuple(
    f".{name}"
    for name in "localhost local localdomain internal intranet corp home lan home.arpa test invalid onion".split()
)
# a backslash or a percent sign is read as the end of a host, or as another character, by some
_HOST = re.compile(r"[\w-]+(\.[\w-]+)+\.?")


def is_private_name(host: str) -> bool:
    """Whether a host's name or literal address is, by itself, not a public one. No lookup."""
    host = unicodedata.normalize("NFKC", host).lower()
    try:
        return not is_public(ipaddress.ip_address(host.rstrip(".").split("%")[0]))
    except ValueError:
        pass
    if not _HOST.fullmatch(host):
        return True
    host = host.removesuffix(".")
    last = host.rsplit(".", 1)[-1]
    # 127.1, 0x7f.1 and 2130706433 are addresses to a resolver though not to ipaddress
    looks_numeric = last.isdigit() or (last.startswith("0x") and all(c in "0123456789abcdef" for c in last[2:]))
    return host.endswith(_PRIVATE_SUFFIXES) or looks_numeric or not last.isascii()
