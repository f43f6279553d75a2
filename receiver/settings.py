"""Settings: the whole configuration, checked and ready to use. The only reader of the environment.

Every problem is told at once. Values are looked up nowhere else: no address is resolved, no key tried (`clipbell
doctor` does that). Vendors and handler types are imported only where the configuration names them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from handlers.protocol import HandlerType, Options
from receiver import registry
from receiver.settings_keys import (
    DRIVING,
    SECTION_NAME,
    AccountKeys,
    BudgetKeys,
    HandlerKeys,
    NetworkKeys,
    RetentionKeys,
    TopKeys,
)
from receiver.settings_problems import Desk
from receiver.settings_source import read_source
from receiver.store.protocol import Rate
from schemas.addresses import Network
from schemas.errors import ConfigurationError, Problem
from schemas.event import MICROS, EventType, Money, Unit
from schemas.units import parse_rate
from schemas.vendor import Pace, Terms, Vendor


@dataclass(frozen=True, slots=True)
class Account:
    """One key at one vendor, with what the operator says of it laid over what its file knows."""

    name: str
    vendor: Vendor
    api_key: SecretStr
    base_url: str
    terms: Terms
    pace: Pace
    #: Of all calls, and (kind "order") of orders alone.
    limits: tuple[Rate, ...]
    max_open: int | None
    usd_per_credit: Decimal | None
    #: Seconds.
    submit_timeout: float


@dataclass(frozen=True, slots=True)
class HandlerConfig:
    """One configured handler. Empty `vendors` (accounts), `tags` or `where` (metadata): all."""

    name: str
    type: HandlerType
    options: Options
    events: frozenset[EventType]
    vendors: frozenset[str]
    tags: frozenset[str]
    where: Mapping[str, Any]
    #: How many calls may run at once, and for how many seconds each.
    concurrency: int
    timeout: float
    #: Of its calls; None: as fast as it can.
    rate: Rate | None
    #: Seconds between one attempt and the next; None: the contract's schedule.
    retry: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent in a UTC day and month; None: no bound."""

    usd_per_day: Decimal | None
    usd_per_month: Decimal | None
    unknown_price: Literal["refuse", "allow"]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, in seconds; None: for ever."""

    evidence: float | None = None
    events: float | None = None
    jobs: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration. `public_url` is without a slash at its end; None: nobody can call us back."""

    public_url: str | None
    listen: tuple[str, int]
    #: Of SQLite with the whole path; may hold a password, hence not shown.
    database_url: str = field(repr=False)
    #: Newest first: the first signs, all verify.
    secret_keys: tuple[SecretStr, ...]
    api_token: SecretStr
    confirm: Literal["never", "failures", "always"]
    #: Whether messages show links of our own to clips; there are none without `public_url` either.
    links: bool
    allow: tuple[Network, ...]
    budget: Budget | None
    retention: Retention
    accounts: Mapping[str, Account]
    handlers: Mapping[str, HandlerConfig]
    #: Relative paths in the configuration begin here.
    folder: Path


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the configuration: `path`, else `CLIPBELL_CONFIG`, else clipbell.toml here, and the environment over it.

    Raises: ConfigurationError with every problem.
    """
    source = read_source(path, environ)
    desk = Desk(source)
    top = desk.check(TopKeys, source.data)
    network = desk.check(NetworkKeys, source.table("network"), ("network",))
    budget = _budget(desk)
    retention = desk.check(RetentionKeys, source.table("retention"), ("retention",))
    accounts = _accounts(desk)
    handlers = _handlers(desk)
    if desk.problems or not top or not network or not retention:
        raise ConfigurationError(_told(desk))
    return Settings(
        public_url=top.public_url,
        listen=top.listen,
        database_url=_database_url(top.database_url.get_secret_value(), source.folder),
        secret_keys=top.secret_keys,
        api_token=top.api_token,
        confirm=top.confirm,
        links=top.links,
        allow=network.allow,
        budget=budget,
        retention=Retention(retention.evidence, retention.events, retention.jobs),
        accounts=accounts,
        handlers=handlers,
        folder=source.folder,
    )


def _told(desk: Desk) -> list[Problem]:
    problems = list(dict.fromkeys(desk.problems))
    if desk.source.absent:
        hint = "does not exist, and the environment alone is not enough; write the file with `clipbell init`"
        problems.insert(0, Problem(str(desk.source.absent), hint))
    return problems


def _database_url(text: str, folder: Path) -> str:
    """The address with a whole path (SQLite), or under the one name of its scheme (PostgreSQL)."""
    scheme, rest = text.split("://", 1)
    return f"sqlite:///{folder / rest.removeprefix('/')}" if scheme == "sqlite" else f"postgresql://{rest}"


def _budget(desk: Desk) -> Budget | None:
    if "budget" not in desk.source.data:
        return None
    keys = desk.check(BudgetKeys, desk.source.table("budget"), ("budget",))
    if keys is None:
        return None
    if keys.usd_per_day is None and keys.usd_per_month is None:
        desk.note(("budget",), 'needs usd_per_day or usd_per_month, for example usd_per_day = "25.00"')
    return Budget(keys.usd_per_day, keys.usd_per_month, keys.unknown_price)


# --- accounts ---------------------------------------------------------------------------------------


def _accounts(desk: Desk) -> dict[str, Account]:
    found = {}
    for name, data in _sections(desk, "vendors").items():
        path = ("vendors", name)
        keys = desk.check(AccountKeys, data, path)
        vendor = _vendor(desk, path, data.get("type", name), named="type" in data)
        if keys and vendor:
            found[name] = _account(name, vendor, keys)
    return found


def _vendor(desk: Desk, path: tuple[str, str], name: Any, *, named: bool) -> Vendor | None:
    if not isinstance(name, str):
        return None
    try:
        return registry.vendor(name)
    except KeyError:
        known = ", ".join(registry.vendor_names())
        if named:
            desk.note((*path, "type"), f"there is no vendor {name}; known are {known}")
        else:
            desk.note(
                path, f'there is no vendor {name}; known are {known}; add type = "…" for a key under another name'
            )
    except ConfigurationError as error:
        desk.problems += error.problems
    return None


def _account(name: str, vendor: Vendor, keys: AccountKeys) -> Account:
    return Account(
        name=name,
        vendor=vendor,
        api_key=keys.api_key,
        base_url=keys.base_url or vendor.base_url,
        terms=_terms(vendor, keys),
        pace=_pace(vendor.pace, keys),
        limits=_limits(vendor, keys),
        max_open=vendor.max_open if keys.max_open is None else keys.max_open,
        usd_per_credit=keys.usd_per_credit,
        submit_timeout=keys.submit_timeout,
    )


def _terms(vendor: Vendor, keys: AccountKeys) -> Terms:
    # a bare figure is in the unit of the price that it replaces, a new one in the vendor's
    usual: Unit = next((price.unit for price in vendor.prices.values()), "USD")
    prices = dict(vendor.prices)
    for what, price in keys.prices.items():
        unit = prices[what].unit if what in prices else usual
        prices[what] = price if isinstance(price, Money) else Money(price, unit)
    words = {**vendor.words, **{word.lower(): said for word, said in keys.words.items()}}
    return Terms(words, prices, keys.allow_unknown_params, keys.status_path)


def _pace(usual: Pace, keys: AccountKeys) -> Pace:
    said = {name: getattr(keys, name) for name in ("poll_after", "poll_every", "overdue_after", "give_up_after")}
    return replace(usual, **{name: seconds for name, seconds in said.items() if seconds is not None})


def _limits(vendor: Vendor, keys: AccountKeys) -> tuple[Rate, ...]:
    calls = [_rate(text) for text in vendor.limits] if keys.limits is None else keys.limits
    orders = [_rate(text) for text in vendor.order_limits] if keys.order_limits is None else keys.order_limits
    return (*calls, *(replace(rate, kind="order") for rate in orders))


def _rate(text: str) -> Rate:
    count, seconds = parse_rate(text)
    return Rate(count, int(seconds * MICROS))


# --- handlers ---------------------------------------------------------------------------------------


def _handlers(desk: Desk) -> dict[str, HandlerConfig]:
    found = {}
    for name, data in _sections(desk, "handlers").items():
        path = ("handlers", name)
        kind = _handler_type(desk, path, data.get("type"))
        common = _common(kind)
        keys = desk.check(HandlerKeys, {key: value for key, value in data.items() if key in common}, path)
        _check_accounts(desk, path, data.get("vendors"))
        if kind and kind.perishable and "retry" in data:
            text = f"cannot be set for {kind.name}: it tries again within the life of a URL; leave it out"
            desk.note((*path, "retry"), text)
        own = {key: value for key, value in data.items() if key not in common}
        options = desk.check(kind.options, own, path, examples=kind.example, others=common) if kind else None
        if keys and kind and options:
            found[name] = _handler(name, kind, options, keys)
    return found


def _handler(name: str, kind: HandlerType, options: Options, keys: HandlerKeys) -> HandlerConfig:
    return HandlerConfig(
        name=name,
        type=kind,
        options=options,
        events=frozenset(kind.events) if keys.events is None else keys.events,
        vendors=frozenset(keys.vendors),
        tags=frozenset(keys.tags),
        where=keys.where,
        concurrency=kind.concurrency if keys.concurrency is None else keys.concurrency,
        timeout=kind.timeout if keys.timeout is None else keys.timeout,
        rate=keys.rate,
        retry=keys.retry,
    )


def _common(kind: HandlerType | None) -> tuple[str, ...]:
    """The keys that are not the type's own options."""
    own = DRIVING & kind.options.model_fields.keys() if kind else ()
    return tuple(key for key in HandlerKeys.model_fields if key not in own)


def _handler_type(desk: Desk, path: tuple[str, str], name: Any) -> HandlerType | None:
    if not isinstance(name, str):
        return None
    try:
        return registry.handler_type(name)
    except KeyError:
        known = ", ".join(registry.handler_type_names())
        desk.note((*path, "type"), f"there is no handler type {name}; known are {known}")
    except ConfigurationError as error:
        desk.problems += error.problems
    return None


def _check_accounts(desk: Desk, path: tuple[str, str], names: Any) -> None:
    accounts = desk.source.table("vendors")
    for number, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str) and name not in accounts:
            known = f"there are {', '.join(accounts)}" if accounts else "there is none at all"
            desk.note((*path, "vendors", str(number)), f"there is no account {name}; {known}")


# --- sections ---------------------------------------------------------------------------------------


def _sections(desk: Desk, kind: str) -> dict[str, Mapping[str, Any]]:
    """The sections `[kind.NAME]` that are sections and have a name that can be told apart from every other.

    One whose name will not do is among them: what is wrong inside it is said at once, too.
    """
    found: dict[str, Mapping[str, Any]] = {}
    seen: dict[str, str] = {}
    for name, data in desk.source.table(kind).items():
        plain = name.replace("-", "_")
        if not SECTION_NAME.fullmatch(name):
            desk.note((kind, name), "must be named with a-z, 0-9, _ and - only")
        if not isinstance(data, dict):
            desk.note((kind, name), f"must be a section of its own: [{kind}.{name}]")
        elif plain in seen:
            desk.note((kind, name), f"is the same name as {seen[plain]} to the environment; rename one of them")
        else:
            found[name] = data
        seen.setdefault(plain, name)
    return found
