"""How a handler's messages look, as HTML for people to check before anybody is told. Pure; nothing is sent.

Slack's Block Kit is drawn by ourselves, near to what Slack shows, as far as our messages use it.
"""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1d1c1d; --quiet: #616061; --line: #ddd; --link: #1264a3 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #1a1d21; --ink: #d1d2d3; --quiet: #ababad; --line: #35373b; --link: #1d9bd1 }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 16px; max-width: 760px; background: var(--ground); color: var(--ink);
  font: 15px/1.46 Lato, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif }
h1 { font-size: 20px } h2 { font-size: 13px; color: var(--quiet); font-weight: normal; margin: 32px 0 8px;
  border-top: 1px solid var(--line); padding-top: 8px }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0;
  font: 13px/1.4 ui-monospace, Menlo, Consolas, monospace }
iframe { width: 100%; border: 1px solid var(--line); border-radius: 6px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 12px; margin: 0 0 8px; font-size: 13px }
dt { color: var(--quiet) } dd { margin: 0; overflow-wrap: anywhere }
details { margin: 8px 0 } summary { color: var(--quiet); cursor: pointer; font-size: 13px }
a { color: var(--link); text-decoration: none }
.slack { display: grid; grid-template-columns: 36px 1fr; gap: 0 8px; overflow-wrap: anywhere }
.slack .face { width: 36px; height: 36px; border-radius: 4px; background: #4a154b; color: #fff; display: grid;
  place-items: center; font-weight: bold }
.slack .who { font-weight: 900 } .slack .who small { font-weight: normal; color: var(--quiet) }
.slack .header { font-size: 18px; font-weight: 900; margin: 4px 0 }
.slack .section { margin: 4px 0; white-space: pre-wrap }
.slack .fields { display: grid; grid-template-columns: 1fr 1fr; gap: 4px 16px }
.slack .context { font-size: 13px; color: var(--quiet); margin: 4px 0; display: flex; flex-wrap: wrap; gap: 2px 8px }
.slack img { max-width: min(100%, 360px); border-radius: 8px; display: block; margin: 4px 0 }
"""


def page(title: str, samples: Sequence[tuple[str, str]]) -> str:
    """One page with every sample under what it is."""
    parts = "".join(f"<h2>{html.escape(what)}</h2>\n{shown}\n" for what, shown in samples)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{html.escape(title)}</h1>\n{parts}</body></html>\n"
    )


def of_text(text: str) -> str:
    """Words as they are."""
    return f'<pre dir="auto">{html.escape(text)}</pre>'


def of_mail(message: EmailMessage) -> str:
    """A mail: what a list of mails shows, the HTML part with its picture, and the text."""
    shown, written = message.get_body(("html",)), message.get_body(("plain",))
    content = shown.get_content() if shown else ""
    for part in message.walk():
        if part["Content-ID"]:
            picture = base64.b64encode(part.get_payload(decode=True) or b"").decode()  # type: ignore[arg-type]
            content = content.replace(f"cid:{part['Content-ID'][1:-1]}", f"data:image/jpeg;base64,{picture}")
    heads = "".join(f"<dt>{n}</dt><dd>{html.escape(str(message[n]))}</dd>" for n in ("From", "To", "Subject", "Date"))
    # its own page within the page, as tall as what is in it, without scripts of its own
    fit = "this.style.height = this.contentDocument.documentElement.scrollHeight + 2 + 'px'"
    frame = f'<iframe sandbox="allow-same-origin" onload="{fit}" srcdoc="{html.escape(content)}"></iframe>'
    text = of_text(written.get_content() if written else "")
    return f"<dl>{heads}</dl>{frame}<details><summary>As plain text</summary>{text}</details>"


def of_blocks(message: Mapping[str, Any], picture: bytes | None = None) -> str:
    """A Slack message; `picture` is shown for every image block, since nothing is loaded."""
    source = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}" if picture else ""
    blocks = "".join(_block(block, source) for block in message["blocks"])
    who = '<div class="who">Clipbell <small>App</small></div>'
    notice = f"<details><summary>As a notification</summary>{of_text(html.unescape(message['text']))}</details>"
    return f'<div class="slack"><div class="face">C</div><div>{who}{blocks}{notice}</div></div>'


def _block(block: Mapping[str, Any], source: str) -> str:
    match block["type"]:
        case "header":
            return f'<div class="header" dir="auto">{_text(block["text"])}</div>'
        case "image":
            return f'<img src="{source}" alt="{html.escape(block["alt_text"])}">'
        case "context":
            return f'<div class="context">{"".join(f"<span>{_text(each)}</span>" for each in block["elements"])}</div>'
        case _:
            fields = "".join(f'<div dir="auto">{_text(each)}</div>' for each in block.get("fields", ()))
            words = f'<div class="section" dir="auto">{_text(block["text"])}</div>' if "text" in block else ""
            return words + (f'<div class="section fields">{fields}</div>' if fields else "")


def _text(each: Mapping[str, Any]) -> str:
    """Slack undoes the three escapes in both kinds of text, and makes links in mrkdwn only."""
    if each["type"] == "plain_text":
        return html.escape(html.unescape(each["text"]))
    found = re.fullmatch(r"<([^|>]+)\|([^>]*)>", each["text"])
    if not found:
        return html.escape(html.unescape(each["text"]))
    return f'<a href="{html.escape(html.unescape(found[1]))}">{html.escape(html.unescape(found[2]))}</a>'
