"""Apprise: messages to whatever its URLs reach: chats, phones, smart homes.

Apprise tells a failure that will pass from one that will not only in its log: a 4xx there, but for 408, 425 and 429, is
final, all else is tried again; a Retry-After it does not tell. The log's words are kept with the URL's secrets masked,
and go nowhere else. It makes its own connections, without the address ban: its URLs are the operator's word. A target
is named by its place in the list and its scheme.

https://github.com/caronc/apprise/wiki
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from handlers import page
from handlers.apprise_run import LONGEST, is_known, run, takes_attachments
from handlers.landing import in_thread
from handlers.preview import of_text
from handlers.protocol import Done, GiveUp, HandlerType, Options, Outcome, Parcel, Tools, TryLater
from handlers.words import DIGEST_OVER, digest, story, urgent_first

#: What services commonly take, in bytes; a larger clip is left to its link.
_LARGEST = 8 << 20
_KINDS = {"Ready": "success", "Saved": "success", "Solved": "success", "Failed": "failure", "Attention": "warning"}


class AppriseOptions(Options):
    """`urls`: Apprise URLs, a target each. They are secrets."""

    urls: Annotated[tuple[SecretStr, ...], Field(min_length=1)]

    @field_validator("urls")
    @classmethod
    def _are_known(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, url in enumerate(value, 1):
            if not is_known(url.get_secret_value()):
                raise ValueError(f"number {number} is no Apprise URL; see https://github.com/caronc/apprise/wiki")
        return value


def targets(options: AppriseOptions) -> Sequence[str]:
    """Name each URL by its number and its scheme: `1:slack`."""
    urls = [url.get_secret_value() for url in options.urls]
    return tuple(f"{number}:{urlsplit(url).scheme}" for number, url in enumerate(urls, 1))


def render(parcels: Sequence[Parcel], tools: Tools) -> tuple[str, str, str]:
    """Write one message: its kind in Apprise's words, its title and its text."""
    stories = [story(p.event, p.elapsed, tools.clip_link, vendor=p.vendor_title) for p in urgent_first(parcels)]
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
        self._attaching = {target for target, url in self._urls.items() if takes_attachments(url)}

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Send each event, or all in one message where there are more than five."""
        found: dict[str, Outcome] = {}
        messages = [list(parcels)] if len(parcels) > DIGEST_OVER else [[parcel] for parcel in parcels]
        end = asyncio.get_running_loop().time() + LONGEST
        last: Outcome = Done()
        for message in messages:
            # a service that does not answer holds up the others, too: they need not find out one by one
            if not isinstance(last, TryLater) or asyncio.get_running_loop().time() < end:
                last = await self._send(message)
            found.update({parcel.key: last for parcel in message})
        return found

    async def _send(self, parcels: Sequence[Parcel]) -> Outcome:
        target = parcels[0].target
        url = self._urls.get(target)
        if url is None:
            return GiveUp("this URL is no longer in urls, or at another place there")
        kind, title, text = render(parcels, self._tools)
        attached = await self.attachment(parcels[0]) if len(parcels) == 1 and target in self._attaching else None
        message = {"url": url, "kind": kind, "title": title, "text": text, "attached": attached}
        outcome = await run(json.dumps(message).encode(), url, self._tools.folder)
        if attached and isinstance(outcome, GiveUp):
            # it may be the file that is refused: the next attempt brings less along
            return TryLater("the service refused it with its file; the next try brings less", answer=outcome.answer)
        return outcome

    async def attachment(self, parcel: Parcel) -> Mapping[str, str] | None:
        """The clip, or its poster where that is too large or the first attempt failed; a third goes without."""
        saved = await self._tools.saved_clip(parcel.event) if parcel.attempt < 2 else None
        choices = [(saved.path, saved.mime_type), (saved.poster, "image/jpeg")] if saved else []
        for path, mime_type in choices[parcel.attempt :]:
            fits = path is not None and await in_thread(_fits, Path(path))
            if path and fits:
                return {"path": path, "name": Path(path).name, "mime_type": mime_type}
        return None

    async def close(self) -> None:
        """Nothing is held."""


def _fits(path: Path) -> bool:
    try:
        return 0 < path.stat().st_size <= _LARGEST
    except OSError:
        return False


def preview(_: AppriseOptions, tools: Tools, parcels: Sequence[Parcel], picture: bytes | None) -> str:
    """Show the words; each service lays them out in its own way."""
    return of_text("\n\n".join(render(parcels, tools)[1:]))


HANDLER = HandlerType(
    name="apprise",
    options=AppriseOptions,
    make=AppriseHandler,
    example={"urls": ["mailto://user:password@example.com"]},
    targets=targets,
    max_batch=50,
    concurrency=4,
    timeout=180,
    preview=preview,
)
