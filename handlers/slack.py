"""Slack: Block Kit messages to an incoming webhook; more than five waiting events become one digest.

Vendors' and customers' words stand in plain_text with & < > escaped, so that no prompt can ping a channel or make a
link. At most one message a second. Does not use Slack's web API.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/apis/web-api/rate-limits
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, SecretStr, field_validator

from handlers.posting import post
from handlers.protocol import (
    ClipLink,
    Done,
    HandlerType,
    Options,
    Outcome,
    Parcel,
    Tools,
    TryLater,
    no_link,
)
from handlers.words import DIGEST_OVER, digest, shortened, story
from schemas.event import Event

TEXT, FIELD, HEADER, LINE, FALLBACK = 3000, 2000, 150, 700, 4000
SIGNS = {"Ready": "✅", "Failed": "❌", "Saved": "💾", "Attention": "⚠️", "Solved": "🟢"}
#: One header and a block an event: below Slack's 50 blocks a message.
MAX_BATCH = 45


class SlackOptions(Options):
    """`url`: an incoming webhook. It is a secret: who has it can post."""

    url: SecretStr = Field(description="incoming webhook")

    @field_validator("url")
    @classmethod
    def _is_a_web_address(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("must be the webhook's address: https://hooks.slack.com/services/…")
        return value


def escaped(text: str, limit: int) -> str:
    """Escape what Slack acts on, and cut to `limit` characters, never within an escape."""
    parts: list[str] = []
    length = 0
    for char in text:
        part = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(char, char)
        length += len(part)
        if length > limit - 1:
            return "".join(parts) + "…"
        parts.append(part)
    return "".join(parts)


def render(event: Event, elapsed: float | None = None, link: ClipLink = no_link) -> dict[str, Any]:
    """Turn one event into a message."""
    from slack_sdk.models.blocks import ContextBlock, HeaderBlock, MarkdownTextObject, PlainTextObject, SectionBlock

    told = story(event, elapsed, link)
    sign = SIGNS.get(told.title, "")
    blocks: list[Any] = [HeaderBlock(text=PlainTextObject(text=f"{sign} {told.title}".strip(), emoji=False))]
    if told.text.strip():
        blocks.append(SectionBlock(text=PlainTextObject(text=escaped(told.text, TEXT), emoji=False)))
    fields = [PlainTextObject(text=escaped(f"{a}: {b}", FIELD), emoji=False) for a, b in told.facts[:10]]
    if fields:
        blocks.append(SectionBlock(fields=fields))
    notes = escaped("\n".join(told.notes), TEXT)
    if notes:
        blocks.append(SectionBlock(text=PlainTextObject(text=notes, emoji=False)))
    links = _links(told.links)
    if links:
        blocks.append(ContextBlock(elements=[MarkdownTextObject(text=text) for text in links]))
    return _message(told.line, blocks)


def render_digest(parcels: Sequence[Parcel], link: ClipLink = no_link) -> dict[str, Any]:
    """Turn many events into one message: the sum, then a line for each."""
    from slack_sdk.models.blocks import ContextBlock, HeaderBlock, MarkdownTextObject, PlainTextObject

    summed = digest([parcel.event for parcel in parcels])
    blocks: list[Any] = [HeaderBlock(text=PlainTextObject(text=shortened(summed, HEADER), emoji=False))]
    for parcel in parcels:
        told = story(parcel.event, parcel.elapsed, link)
        line = PlainTextObject(text=escaped(f"{SIGNS.get(told.title, '')} {told.line}".strip(), LINE), emoji=False)
        blocks.append(ContextBlock(elements=[line, *(MarkdownTextObject(text=t) for t in _links(told.links)[:1])]))
    return _message(summed, blocks)


def _links(links: Sequence[tuple[str, str]]) -> list[str]:
    # a cut link would lead astray: one that is too long is left out
    texts = [f"<{url.replace('&', '&amp;')}|{label}>" for label, url in links]
    return [text for text in texts if len(text) <= TEXT][:10]


def _message(text: str, blocks: Sequence[Any]) -> dict[str, Any]:
    return {
        "text": escaped(text, FALLBACK),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [block.to_dict() for block in blocks],
    }


class Slack:
    """Posts to one incoming webhook, one message a second at most."""

    def __init__(self, options: SlackOptions, tools: Tools) -> None:
        self._url, self._tools = options.url, tools
        self._turn = asyncio.Lock()
        self._next = 0.0

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Post each event, or one digest of more than five."""
        if len(parcels) > DIGEST_OVER:
            outcome = await self._post(render_digest(parcels, self._tools.clip_link))
            return {parcel.key: outcome for parcel in parcels}
        found: dict[str, Outcome] = {}
        last: Outcome = Done()
        for parcel in parcels:
            # what holds one message up holds up the others, too
            if not isinstance(last, TryLater):
                last = await self._post(render(parcel.event, parcel.elapsed, self._tools.clip_link))
            found[parcel.key] = last
        return found

    async def _post(self, message: Mapping[str, Any]) -> Outcome:
        content = json.dumps(message, ensure_ascii=False).encode()
        async with self._turn:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(self._next - loop.time())
            self._next = loop.time() + 1
            url, headers = self._url.get_secret_value(), {"content-type": "application/json"}
            return await post(self._tools.http, url, content, headers, now=self._tools.now(), seconds=10)

    async def close(self) -> None:
        """Nothing is held."""


HANDLER = HandlerType(
    name="slack",
    options=SlackOptions,
    make=Slack,
    example={"url": "https://hooks.slack.com/services/T0/B0/x"},
    max_batch=MAX_BATCH,
    # events that wait for one channel shall meet in one digest
    concurrency=1,
)
