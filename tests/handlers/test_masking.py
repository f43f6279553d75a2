"""Masking: no part of a secret gets into words, and ordinary words stay."""

import pytest

from handlers.masking import masked

SLACK = "https://hooks.slack.com/services/T0AAAAAAA/B0BBBBBBB/cccccccccccc"
SMTP = "smtps://user%40mail:pa%20ss%25word@mail.example.com"


@pytest.mark.parametrize(
    ("text", "secret", "said"),
    [
        (f"posting to {SLACK} failed", SLACK, "posting to *** failed"),
        ("no team T0AAAAAAA", SLACK, "no team ***"),
        ("token cccccccccccc", SLACK, "token ***"),
        ("hooks.slack.com is down", SLACK, "hooks.slack.com is down"),
        ("bad password pa ss%word for user@mail", SMTP, "bad password *** for ***"),
        ("bad password pa%20ss%25word", SMTP, "bad password ***"),
        ("mail.example.com: no answer", SMTP, "mail.example.com: no answer"),
        ("bot 123456789:AAbbcc", "tgram://123456789:AAbbcc/42", "bot ***"),
        ("?key=hunter222", "https://a.b/?key=hunter222", "?***"),
        ("said hunter222", "https://a.b/?key=hunter222", "said ***"),
        ("anything", "http://[bad", "anything"),
        ("http://[bad here", "http://[bad", "*** here"),
        ("abc", "abc", "abc"),
    ],
)
def test_secrets_are_masked_and_hosts_are_not(text: str, secret: str, said: str) -> None:
    assert masked(text, secret) == said
