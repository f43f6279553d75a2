"""Slack: Block Kit messages to an incoming webhook; more than five waiting events become one digest.

At most one message a second for each webhook, whichever handlers post to it, and none before Slack's Retry-After has
passed: what comes meanwhile gathers for a digest. A picture that Slack cannot load does not keep a message back. Does
not use Slack's web API.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/apis/web-api/rate-limits
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from pydantic import Field, SecretStr, field_validator

from handlers.blocks import MAX_BATCH, render, render_digest, without_picture
from handlers.posting import post
from handlers.preview import of_blocks
from handlers.protocol import Done, GiveUp, HandlerType, Options, Outcome, Parcel, Tools, TryLater
from handlers.words import DIGEST_OVER

#: Seconds that a call waits for its turn; a longer rest that Slack wants is waited for outside.
_PATIENCE = 30.0


class SlackOptions(Options):
    """`url`: an incoming webhook. It is a secret: who has it can post."""

    url: SecretStr = Field(description="incoming webhook")

    @field_validator("url")
    @classmethod
    def _is_a_web_address(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("must be the webhook's address: https://hooks.slack.com/services/…")
        return value


class Slack:
    """Posts to one incoming webhook, one message a second at most."""

    def __init__(self, options: SlackOptions, tools: Tools) -> None:
        self._url, self._tools = options.url, tools
        # two handlers may share a webhook, and it counts what both send
        self._turn = tools.turns.at(options.url.get_secret_value())

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
                last = await self._tell(parcel)
            found[parcel.key] = last
        return found

    async def _tell(self, parcel: Parcel) -> Outcome:
        saved = await self._tools.saved_clip(parcel.event, with_poster=True)
        picture = self._tools.poster_link(parcel.event, saved.number) if saved and saved.poster else None
        message = render(parcel.event, parcel.elapsed, self._tools.clip_link, picture, vendor=parcel.vendor_title)
        outcome = await self._post(message)
        if picture and isinstance(outcome, GiveUp) and outcome.reason == "HTTP 400":
            # Slack loads it before it takes the message, and refuses both where it cannot
            return await self._post(without_picture(message))
        return outcome

    async def _post(self, message: Mapping[str, Any]) -> Outcome:
        content = json.dumps(message, ensure_ascii=False).encode()
        turn = self._turn
        async with turn.lock:
            loop = asyncio.get_running_loop()
            wait = turn.next - loop.time()
            if wait > _PATIENCE:
                return TryLater("Slack asked us to wait", after=wait)
            await asyncio.sleep(wait)
            turn.next = loop.time() + 1
            url, headers = self._url.get_secret_value(), {"content-type": "application/json"}
            outcome = await post(self._tools.http, url, content, headers, now=self._tools.now(), seconds=10)
            if isinstance(outcome, TryLater) and outcome.after:
                turn.next = loop.time() + outcome.after
            return outcome

    async def close(self) -> None:
        """Nothing is held."""


def preview(_: SlackOptions, tools: Tools, parcels: Sequence[Parcel], picture: bytes | None) -> str:
    """Show a message."""
    if len(parcels) > DIGEST_OVER:
        return of_blocks(render_digest(parcels, tools.clip_link))
    address = "https://clipbell.example/poster.jpg" if picture else None
    return of_blocks(render(parcels[0].event, parcels[0].elapsed, tools.clip_link, address), picture)


def prepare() -> None:
    """Load the models of messages."""
    import_module("slack_sdk.models.blocks")


HANDLER = HandlerType(
    name="slack",
    options=SlackOptions,
    make=Slack,
    example={"url": "https://hooks.slack.com/services/T0/B0/x"},
    max_batch=MAX_BATCH,
    # events that wait for one channel shall meet in one digest
    concurrency=1,
    timeout=120,
    preview=preview,
    prepare=prepare,
)
