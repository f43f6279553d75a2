"""The secrets of a configuration in clear, for whoever has to keep them out of what is written."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from receiver.settings import Settings


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Every secret: keys, tokens, passwords, and whatever options of handlers say that they are one."""
    keys = [settings.api_token, *settings.secret_keys, *(each.api_key for each in settings.accounts.values())]
    password = urlsplit(settings.database_url).password
    found = [*_within(keys), *_within([each.options for each in settings.handlers.values()]), password]
    return tuple(dict.fromkeys(each for each in found if each))


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, each in value:
            yield from _within(each)
    elif isinstance(value, dict):
        yield from _within(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _within(each)
