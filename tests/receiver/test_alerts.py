"""Alerts: every one says what to do next, in a message as well as in the list."""

from string import Formatter

import pytest

from handlers.words import story
from receiver.alerts import WORDS, Alarm, Notice
from receiver.routing import Router
from tests.support.stored import NOON


@pytest.mark.parametrize("code", WORDS)
def test_every_alert_says_what_is_wrong_and_what_to_do(code: str) -> None:
    word = WORDS[code]
    names = {name for part in (word.text, word.next_step) for _, name, _, _ in Formatter().parse(part) if name}
    raised = Alarm(Router((), lambda prefix: f"{prefix}1")).raised(
        Notice(code, "it", NOON), {n: f"<{n}>" for n in names}
    )
    assert raised.next_step
    told = story(raised.told.event)
    assert (told.title, told.text) == ("Attention", raised.text)
    assert told.notes == (f"What to do: {raised.next_step}",)
    assert raised.next_step[:60] in told.line
