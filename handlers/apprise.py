"""Apprise: messages to whatever its URLs reach: chats, phones, smart homes.

Apprise tells a failure that will pass from one that will not only in its log, so each is tried again; the log's words
are kept with the URL's secrets masked, and go nowhere else. It makes its own connections, without the address ban: its
URLs are the operator's word. A target is named by its place in the list and its scheme.

https://github.com/caronc/apprise/wiki
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from handlers import page
from handlers.masking import masked
from handlers.protocol import Done, GiveUp, HandlerType, Options, Outcome, Parcel, Tools, TryLater
from handlers.words import DIGEST_OVER, digest, story

_SHOWN, _SECONDS = 300, 20
_KINDS = {"Ready": "success", "Saved": "success", "Solved": "success", "Failed": "failure", "Attention": "warning"}


class AppriseOptions(Options):
    """`urls`: Apprise URLs, a target each. They are secrets."""

    urls: Annotated[tuple[SecretStr, ...], Field(min_length=1)]

    @field_validator("urls")
    @classmethod
    def _are_known(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        from apprise import Apprise

        _hush()
        for number, url in enumerate(value, 1):
            if Apprise.instantiate(url.get_secret_value(), suppress_exceptions=True) is None:
                raise ValueError(f"number {number} is no Apprise URL; see https://github.com/caronc/apprise/wiki")
        return value


def targets(options: AppriseOptions) -> Sequence[str]:
    """Name each URL by its number and its scheme: `1:slack`."""
    urls = [url.get_secret_value() for url in options.urls]
    return tuple(f"{number}:{urlsplit(url).scheme}" for number, url in enumerate(urls, 1))


def render(parcels: Sequence[Parcel], tools: Tools) -> tuple[str, str, str]:
    """Write one message: its kind in Apprise's words, its title and its text."""
    stories = [story(p.event, p.elapsed, tools.clip_link) for p in parcels]
    if len(stories) == 1:
        told = stories[0]
        return _KINDS[told.title], told.title, page.text(told.line, stories)
    summed = digest([p.event for p in parcels])
    return "info", summed, page.text("", stories)


class AppriseHandler:
    """Sends to a list of URLs."""

    def __init__(self, options: AppriseOptions, tools: Tools) -> None:
        self._tools = tools
        urls = [url.get_secret_value() for url in options.urls]
        self._urls = dict(zip(targets(options), urls, strict=True))

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Send each event, or all in one message where there are more than five."""
        found: dict[str, Outcome] = {}
        messages = [list(parcels)] if len(parcels) > DIGEST_OVER else [[parcel] for parcel in parcels]
        for message in messages:
            outcome = await self._send(message)
            found.update({parcel.key: outcome for parcel in message})
        return found

    async def _send(self, message: Sequence[Parcel]) -> Outcome:
        url = self._urls.get(message[0].target)
        if url is None:
            return GiveUp("this URL is no longer in urls, or at another place there")
        kind, title, text = render(message, self._tools)
        return await asyncio.to_thread(_notify, url, kind, title, text)

    async def close(self) -> None:
        """Nothing is held."""


def _notify(url: str, kind: str, title: str, text: str) -> Outcome:
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

    sender = Apprise(asset=AppriseAsset(app_id="Clipbell"))
    sender.add(url)
    result = sender.notify(text, title, NotifyType(kind), body_format=NotifyFormat.TEXT, timeout=_SECONDS)
    if result:
        return Done()
    told = "; ".join(entry.message for entry in result.logs())
    return TryLater("Apprise could not send it", answer=masked(" ".join(told.split()), url)[:_SHOWN] or None)


def _hush() -> None:
    # what Apprise logs may hold whole URLs, so it goes nowhere; from warnings on it comes back with each result
    log = logging.getLogger("apprise")
    log.setLevel(logging.WARNING)
    log.propagate = False
    log.handlers = log.handlers or [logging.NullHandler()]


HANDLER = HandlerType(
    name="apprise",
    options=AppriseOptions,
    make=AppriseHandler,
    example={"urls": ["mailto://user:password@example.com"]},
    targets=targets,
    max_batch=50,
    concurrency=4,
)
