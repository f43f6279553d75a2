"""The keys of the configuration, section by section, and what each may hold.

Each section is checked for itself; what ties one to another (a handler to its type, an account to its vendor) is
`settings.py`'s matter. A check raises ValueError with the end of a sentence that begins with the key.
"""

import ipaddress
import re
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, SecretStr

from receiver.settings_source import Text, unquoted
from receiver.store.protocol import Rate
from schemas.addresses import Network
from schemas.event import MICROS, EventType, Money
from schemas.report import Said
from schemas.units import parse_duration, parse_rate

SECTION_NAME = re.compile(r"[a-z0-9_-]+")
SECRET_KEY_LENGTH, API_TOKEN_LENGTH = 32, 24
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_STATUS_PATH = re.compile(r"/[^\s{}?#]*\{id\}[^\s{}?#]*")


# --- what a value may be --------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text in quotes")  # noqa: TRY004 - pydantic collects ValueErrors only
    return value


def _duration(value: Any) -> float:
    return parse_duration(_text(value))


def _span(value: Any) -> float:
    found = _duration(value)
    if not found:
        raise ValueError("must be longer than nothing")
    return found


def _rate(value: Any) -> Rate:
    count, seconds = parse_rate(_text(value))
    return Rate(count, int(seconds * MICROS))


def _count(value: int) -> int:
    if value < 1:
        raise ValueError("must be a whole number from 1 up")
    return value


def _alone(value: Any) -> Any:
    """A list of one that the environment gave as text, as platforms do that make secrets up themselves."""
    return [str(value)] if isinstance(value, Text) else value


def _amount(value: Any) -> Decimal:
    written = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if not _AMOUNT.fullmatch(written):
        raise ValueError('must be an amount such as "25.00"')
    return Decimal(written)


def _worth(value: Any) -> Decimal:
    found = _amount(value)
    if not found:
        raise ValueError('must be more than nothing, such as "0.005"')
    return found


def _price(value: Any) -> Decimal | Money:
    match value:
        case {"amount": amount, "unit": "USD" | "credits" as unit, **rest} if not rest:
            return Money(_amount(amount), unit)
        case dict():
            raise ValueError('must be an amount such as "0.017", or {amount = "25", unit = "credits"}')
    return _amount(value)


def _network(value: Any) -> Network:
    try:
        return ipaddress.ip_network(_text(value))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(_text(value), strict=False)
    except ValueError:
        raise ValueError('must be a network such as "10.1.0.0/16" or "fd00::/8"') from None
    raise ValueError(f'must be the first address of its network, such as "{meant}"')


def _event_names(value: Any) -> frozenset[EventType]:
    known = ", ".join(event.value for event in EventType)
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError(f"must be a list of events; there are {known}")
    unknown = [each for each in value if each not in list(EventType)]
    if unknown:
        raise ValueError(f"{' and '.join(unknown)} is no event; there are {known}")
    return frozenset(EventType(each) for each in value)


def _where(value: Any) -> dict[str, str | int | float | bool]:
    if not isinstance(value, dict):
        raise ValueError('must be names and values, such as {client = "acme"}')  # noqa: TRY004 - as above
    for each in value.values():
        if not isinstance(each, str | int | float | bool):
            raise ValueError("must have a text, a number, true or false for each name")  # noqa: TRY004 - as above
    return {name: str(each) if isinstance(each, Text) else each for name, each in value.items()}


def _listen(value: Any) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+):([0-9]{1,5})", _text(value))
    if not found or not 0 < int(found[2]) < 2**16:
        raise ValueError("must be a host and a port from 1 to 65535")
    return found[1].strip("[]"), int(found[2])


def _web_address(value: str) -> SplitResult:
    try:
        url = urlsplit(value)
        usable = url.scheme in ("https", "http") and url.hostname and url.port != 0
    except ValueError:
        usable, url = False, urlsplit("")
    if not usable or not value.isprintable() or " " in value:
        raise ValueError("must be a web address")
    if url.username is not None or url.password is not None or "?" in value or "#" in value:
        raise ValueError("must be a web address without user, password, ? and #")
    return url


def _base_url(value: str) -> str:
    _web_address(value)
    return value.rstrip("/")


def _public_url(value: str) -> str:
    url = _web_address(value)
    if url.scheme != "https" and not _is_loopback(str(url.hostname)):
        raise ValueError("must begin with https://: its addresses are secrets that anybody on the way could read")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _database_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    is_file = re.fullmatch(r"sqlite:///[^?#]+", text) and text != "sqlite:///:memory:"
    if not is_file and not re.match(r"(postgresql|postgres|postgresql\+psycopg)://", text):
        raise ValueError(
            "must be a SQLite file or a PostgreSQL database such as "
            '"sqlite:///clipbell.db" or "postgresql://user:password@host/name"'
        )
    return value


def _header_safe(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be one line of letters, digits and signs, without spaces")
    return value


def _secret_key(value: SecretStr) -> SecretStr:
    return _at_least(SECRET_KEY_LENGTH, value)


def _api_token(value: SecretStr) -> SecretStr:
    return _at_least(API_TOKEN_LENGTH, _header_safe(value))


def _at_least(length: int, value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < length:
        raise ValueError(f"must have at least {length} characters; `clipbell init` makes good ones")
    return value


def _not_empty(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not value:
        raise ValueError("must hold at least one key")
    return value


def _status_path(value: str) -> str:
    if not _STATUS_PATH.fullmatch(value):
        raise ValueError("must be a path that begins with / and holds {id} once")
    return value


Duration = Annotated[float, PlainValidator(_duration)]
Span = Annotated[float, PlainValidator(_span)]
OneRate = Annotated[Rate, PlainValidator(_rate)]
Rates = Annotated[tuple[OneRate, ...], Field(strict=False)]
Amount = Annotated[Decimal, PlainValidator(_amount)]
Worth = Annotated[Decimal, PlainValidator(_worth)]
Count = Annotated[int, BeforeValidator(unquoted), AfterValidator(_count)]
Flag = Annotated[bool, BeforeValidator(unquoted)]
Names = Annotated[tuple[str, ...], Field(strict=False)]
Where = Annotated[dict[str, Any], PlainValidator(_where)]
Words = dict[str, Annotated[Said, Field(strict=False)]]
Prices = dict[str, Annotated[Decimal | Money, PlainValidator(_price)]]


# --- the sections -----------------------------------------------------------------------------------


class Section(BaseModel):
    """A section: keys that are not here are refused, and a number is no text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class TopKeys(Section):
    """What stands above the first section, and that the sections are sections."""

    public_url: Annotated[str, AfterValidator(_public_url)] | None = Field(None, examples=["https://hooks.example.com"])
    listen: Annotated[tuple[str, int], PlainValidator(_listen)] = Field(
        ("127.0.0.1", 8000), examples=["127.0.0.1:8000"]
    )
    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = SecretStr("sqlite:///clipbell.db")
    secret_keys: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_secret_key)], ...],
        Field(strict=False),
        BeforeValidator(_alone),
        AfterValidator(_not_empty),
    ] = Field(examples=[["…32 random characters or more…"]])
    api_token: Annotated[SecretStr, AfterValidator(_api_token)] = Field(examples=["…24 random characters or more…"])
    confirm: Literal["never", "failures", "always"] = Field("failures", examples=["failures"])
    links: Flag = Field(True, examples=[True])
    network: dict[str, Any] = {}
    budget: dict[str, Any] = {}
    retention: dict[str, Any] = {}
    vendors: dict[str, Any] = {}
    handlers: dict[str, Any] = {}


class NetworkKeys(Section):
    """`[network]`."""

    allow: Annotated[tuple[Annotated[Network, PlainValidator(_network)], ...], Field(strict=False)] = Field(
        (), examples=[["127.0.0.0/8"]]
    )


class BudgetKeys(Section):
    """`[budget]`."""

    usd_per_day: Amount | None = Field(None, examples=["25.00"])
    usd_per_month: Amount | None = Field(None, examples=["250.00"])
    unknown_price: Literal["refuse", "allow"] = Field("refuse", examples=["refuse"])


class RetentionKeys(Section):
    """`[retention]`."""

    evidence: Span | None = Field(None, examples=["90d"])
    events: Span | None = Field(None, examples=["365d"])
    jobs: Span | None = Field(None, examples=["365d"])


class AccountKeys(Section):
    """`[vendors.NAME]`."""

    api_key: Annotated[SecretStr, AfterValidator(_header_safe)] = Field(examples=["sk-…"])
    type: str | None = Field(None, examples=["vrex"])
    base_url: Annotated[str, AfterValidator(_base_url)] | None = Field(None, examples=["https://getvrex.com/api/v1"])
    limits: Rates | None = Field(None, examples=[["10/minute"]])
    order_limits: Rates | None = Field(None, examples=[["24/hour"]])
    max_open: Count | None = Field(None, examples=[5])
    usd_per_credit: Worth | None = Field(None, examples=["0.005"])
    poll_after: Duration | None = Field(None, examples=["2m"])
    poll_every: Span | None = Field(None, examples=["20s"])
    overdue_after: Span | None = Field(None, examples=["30m"])
    give_up_after: Span | None = Field(None, examples=["24h"])
    submit_timeout: Span = Field(30.0, examples=["30s"])
    allow_unknown_params: Flag = Field(False, examples=[True])
    status_path: Annotated[str, AfterValidator(_status_path)] | None = Field(None, examples=["/video/{id}"])
    words: Words = Field({}, examples=[{"in_review": "running"}])
    prices: Prices = Field({}, examples=[{"second": "0.017"}])


class HandlerKeys(Section):
    """`[handlers.NAME]`, without the options of its type."""

    type: str = Field(examples=["slack"])
    events: Annotated[frozenset[EventType], PlainValidator(_event_names)] | None = Field(
        None, examples=[["video.completed", "video.failed"]]
    )
    vendors: Names = Field((), examples=[["vrex"]])
    tags: Names = Field((), examples=[["client-a"]])
    where: Where = Field({}, examples=[{"client": "acme"}])
    concurrency: Count | None = Field(None, examples=[2])
    rate: OneRate | None = Field(None, examples=["1/second"])
    retry: Annotated[tuple[Span, ...], Field(strict=False)] | None = Field(None, examples=[["5s", "30s", "10m"]])
    timeout: Span | None = Field(None, examples=["30s"])


#: Of `HandlerKeys`: how a handler is driven. A type may have an option of its own under one of these names.
DRIVING = frozenset({"concurrency", "rate", "retry", "timeout"})
