"""Previews: what the messages look like, without sending any."""

import html
import re
from pathlib import Path

import pytest

from handlers.preview import of_blocks
from receiver.previews import preview_of
from schemas.errors import NotFound
from tests.support.configuration import TEAM, TOP, configured

REST = """
[handlers.mail]
type = "email"
smtp_url = "smtp://127.0.0.1:9"
sender = "clips@example.com"
to = ["ada@example.com"]
[handlers.chats]
type = "apprise"
urls = ["json://localhost"]
[handlers.hook]
type = "webhook"
url = "https://example.com/"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
[handlers.run]
type = "command"
argv = ["true"]
[handlers.files]
type = "downloader"
target = "clips"
"""


def preview(folder: Path, name: str) -> str:
    return preview_of(configured(folder, TOP + TEAM + REST), name)


@pytest.mark.parametrize("name", ["team", "mail", "chats", "hook", "run"])
def test_every_sample_is_on_the_page_and_no_markup_of_a_prompt_is_alive(tmp_path: Path, name: str) -> None:
    shown = preview(tmp_path, name)
    heads = re.findall("<h2>(.*?)</h2>", shown)
    assert len(heads) == len(set(heads)) == 11
    assert "A failed clip, not refunded" in heads
    assert "<script>" not in shown.replace(html.escape("<script>"), "")
    assert 'src="http' not in shown
    for word in ("CONTENT_FILTER", "clipbell refresh job_", "take 12", "golden hour", "قطة"):
        assert word in html.unescape(html.unescape(shown)), word


def test_a_mail_is_shown_with_its_head_its_picture_and_its_text(tmp_path: Path) -> None:
    shown = preview(tmp_path, "mail")
    assert "<dt>To</dt><dd>ada@example.com</dd>" in shown
    assert "<dd>12 clips done, 1 failed, $1.632</dd>" in shown
    assert "src=&quot;data:image/jpeg;base64," in shown
    assert "cid:" not in shown
    assert shown.count("As plain text") == 11


def test_slacks_blocks_are_drawn_as_slack_shows_them(tmp_path: Path) -> None:
    shown = preview(tmp_path, "team")
    assert '<div class="header" dir="auto">12 clips done, 1 failed, $1.632</div>' in shown
    assert "&lt;!channel&gt; @here *bold*" in shown
    assert ">Open the clip (until " in shown
    assert '<img src="data:image/jpeg;base64,' in shown


@pytest.mark.parametrize(
    ("name", "words"), [("nobody", "configured: team, mail"), ("files", "A downloader writes to nobody")]
)
def test_what_has_no_messages_says_so(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        preview(tmp_path, name)


def test_only_a_link_of_ours_is_drawn_as_one() -> None:
    words = {"type": "mrkdwn", "text": "a &lt;b&gt; *c* <https://a.b/?x=1&amp;y=2|d> e"}
    link = {"type": "mrkdwn", "text": "<https://a.b/?x=1&amp;y=2|d &amp; e>"}
    shown = of_blocks({"text": "t", "blocks": [{"type": "context", "elements": [words, link]}]})
    assert "<span>a &lt;b&gt; *c* &lt;https://a.b/?x=1&amp;y=2|d&gt; e</span>" in shown
    assert '<span><a href="https://a.b/?x=1&amp;y=2">d &amp; e</a></span>' in shown
