"""Webhook: events as CloudEvents in JSON, signed as Standard Webhooks, to a program of the operator's own.

`webhook-id` is the event's id on every attempt and after a replay: a receiver that keeps the ids it has seen acts once.
While a secret is being changed, the message bears a signature of each. A redirect is refused, not followed.

https://www.standardwebhooks.com https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from handlers.posting import post
from handlers.preview import of_text
from handlers.protocol import VIDEO_EVENTS, HandlerType, Options, Outcome, Parcel, Tools
from schemas.event import Event, rfc3339

_PREFIX = "whsec_"
#: What the standard allows, in bytes.
_LEAST, _MOST = 24, 64
_FORM = f"must be {_PREFIX} and the base64 of {_LEAST} to {_MOST} random bytes; `openssl rand -base64 32` gives such"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | SecretStr) else value


def _length(text: str) -> int:
    try:
        return len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return 0


def _is_key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.startswith(_PREFIX) or not _LEAST <= _length(text.removeprefix(_PREFIX)) <= _MOST:
        raise ValueError(_FORM)
    return value


Key = Annotated[SecretStr, AfterValidator(_is_key)]


class WebhookOptions(Options):
    """`url`: where to post; `secret`: `whsec_…`, or several of them while one is being changed."""

    url: SecretStr
    secret: Annotated[tuple[Key, ...], BeforeValidator(_listed), Field(min_length=1)]

    @field_validator("url")
    @classmethod
    def _is_a_web_address(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("must be a web address, such as https://example.com/clips")
        return value


def render(event: Event) -> bytes:
    """Put an event into a CloudEvent."""
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": "clipbell",
        "type": event.type.value,
        "time": rfc3339(event.occurred_at),
        "subject": event.job_id or str((event.detail or {}).get("subject") or "clipbell"),
        "datacontenttype": "application/json",
        "data": event.to_json(),
    }
    return json.dumps(envelope, ensure_ascii=False).encode("utf-8", "replace")


def signed(content: bytes, event_id: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers that prove who sent this and when, with a signature for each secret."""
    from standardwebhooks import Webhook as Signer

    signatures = [Signer(secret).sign(event_id, now, content.decode()) for secret in secrets]
    return {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class Webhook:
    """Posts to one address."""

    def __init__(self, options: WebhookOptions, tools: Tools) -> None:
        self._url, self._tools = options.url, tools
        self._secrets = [secret.get_secret_value() for secret in options.secret]

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Post each event by itself."""
        return {parcel.key: await self._post(parcel.event) for parcel in parcels}

    async def _post(self, event: Event) -> Outcome:
        now, content = self._tools.now(), render(event)
        headers = signed(content, event.id, self._secrets, now)
        return await post(self._tools.http, self._url.get_secret_value(), content, headers, now=now)

    async def close(self) -> None:
        """Nothing is held."""


def preview(_: WebhookOptions, tools: Tools, parcels: Sequence[Parcel], picture: bytes | None) -> str:
    """Show what the program gets, without the signature."""
    return "\n".join(of_text(json.dumps(json.loads(render(p.event)), indent=2, ensure_ascii=False)) for p in parcels)


def prepare() -> None:
    """Load the signer."""
    import_module("standardwebhooks")


HANDLER = HandlerType(
    name="webhook",
    options=WebhookOptions,
    make=Webhook,
    example={"url": "https://example.com/clips", "secret": "whsec_" + base64.b64encode(bytes(32)).decode()},
    events=VIDEO_EVENTS,
    concurrency=4,
    preview=preview,
    prepare=prepare,
)
