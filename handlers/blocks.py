"""Stories as Slack's Block Kit. Pure.

Vendors' and customers' words stand in plain_text with & < > escaped, so that no prompt can ping a channel or make a
link; only links and the picture's address are our own.

https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.protocol import ClipLink, Parcel, no_link
from handlers.words import clipped, digest, shortened, story, urgent_first
from schemas.event import Event

TEXT, FACTS, HEADER, LINE, FALLBACK = 3000, 2000, 150, 700, 4000
#: Of a prompt, so many characters; the job has the rest.
PROMPT = 600
SIGNS = {"Ready": "✅", "Failed": "❌", "Saved": "💾", "Attention": "⚠️", "Solved": "🟢"}
#: One header and a block an event: below Slack's 50 blocks a message.
MAX_BATCH = 45


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


def render(
    event: Event,
    elapsed: float | None = None,
    link: ClipLink = no_link,
    picture: str | None = None,
    *,
    vendor: str | None = None,
) -> dict[str, Any]:
    """Turn one event into a message; `picture`: the address of the clip's poster, `vendor`: its title."""
    from slack_sdk.models.blocks import ContextBlock, HeaderBlock, ImageBlock, SectionBlock

    told = story(event, elapsed, link, vendor=vendor)
    blocks: list[Any] = [HeaderBlock(text=_plain(f"{SIGNS.get(told.title, '')} {told.title}".strip(), HEADER))]
    if told.text.strip():
        blocks.append(SectionBlock(text=_plain(clipped(told.text, PROMPT), TEXT)))
    if picture:
        blocks.append(ImageBlock(image_url=picture, alt_text="The clip's first picture"))
    if told.notes:
        blocks.append(SectionBlock(text=_plain("\n".join(told.notes), TEXT)))
    if told.facts:
        blocks.append(ContextBlock(elements=[_plain(" · ".join(map(": ".join, told.facts)), FACTS)]))
    links = _links(told.links)
    if links:
        blocks.append(ContextBlock(elements=links))
    return _message(told.line, blocks)


def render_digest(parcels: Sequence[Parcel], link: ClipLink = no_link) -> dict[str, Any]:
    """Turn many events into one message: the sum, then a line for each."""
    from slack_sdk.models.blocks import ContextBlock, HeaderBlock

    summed = digest([parcel.event for parcel in parcels])
    blocks: list[Any] = [HeaderBlock(text=_plain(shortened(summed, HEADER), HEADER))]
    for parcel in urgent_first(parcels):
        told = story(parcel.event, parcel.elapsed, link, vendor=parcel.vendor_title)
        line = _plain(f"{SIGNS.get(told.title, '')} {told.line}".strip(), LINE)
        blocks.append(ContextBlock(elements=[line, *_links(told.links)[:1]]))
    return _message(summed, blocks)


def without_picture(message: Mapping[str, Any]) -> dict[str, Any]:
    """The same message without its picture."""
    return {**message, "blocks": [block for block in message["blocks"] if block["type"] != "image"]}


def _plain(text: str, limit: int) -> Any:
    from slack_sdk.models.blocks import PlainTextObject

    return PlainTextObject(text=escaped(text, limit), emoji=False)


def _links(links: Sequence[tuple[str, str]]) -> list[Any]:
    from slack_sdk.models.blocks import MarkdownTextObject

    # a cut link would lead astray: one that is too long is left out
    texts = [f"<{url.replace('&', '&amp;')}|{label}>" for label, url in links]
    return [MarkdownTextObject(text=text) for text in texts if len(text) <= TEXT][:10]


def _message(text: str, blocks: Sequence[Any]) -> dict[str, Any]:
    return {
        "text": escaped(text, FALLBACK),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [block.to_dict() for block in blocks],
    }
