"""Plain words: amounts, spans, failures and digests as people read them."""

from decimal import Decimal

import pytest

from handlers.failures import Advice, reason_for, refund_words
from handlers.words import clipped, digest, money, plain, shortened, size, span, story, vendor_title, web_link
from schemas.event import Event, EventType, Failure, Money, Video
from schemas.values import replace
from tests.support.parcels import ALERT, CLEARED, FAILED, READY, SAVED, parcels


@pytest.mark.parametrize(
    ("amount", "unit", "said"),
    [
        ("0.136", "USD", "$0.136"),
        ("3.4", "USD", "$3.40"),
        ("12", "USD", "$12.00"),
        ("-0.1", "USD", "-$0.10"),
        ("40", "credits", "40 credits"),
        ("1", "credits", "1 credit"),
        ("2000", "credits", "2000 credits"),
        ("-40", "credits", "-40 credits"),
    ],
)
def test_amounts_are_exact_and_readable(amount: str, unit: str, said: str) -> None:
    assert money(Money(Decimal(amount), unit)) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "less than 1 s"),
        (45, "45 s"),
        (75, "1 min 15 s"),
        (120, "2 min"),
        (7380, "2 h 3 min"),
        (7381, "2 h 3 min"),
        (100_800, "1 d 4 h"),
        (-3, "less than 1 s"),
    ],
)
def test_spans_are_said_in_their_two_largest_units(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_sizes_are_said_in_the_unit_that_fits() -> None:
    assert [size(n) for n in (640, 2_300, 12_300_000, 2_100_000_000)] == ["640 bytes", "2.3 kB", "12.3 MB", "2.1 GB"]


def test_a_finished_clip_is_one_line() -> None:
    assert story(READY, 75).line == "Ready: 'A cat rides a bicycle' · Vrex · 8 s · $0.136 · took 1 min 15 s"


def test_what_is_not_known_is_left_out_of_the_line() -> None:
    bare = replace(READY, prompt=None, duration_seconds=None, cost=None, videos=())
    assert story(bare).line == "Ready: vg_a1b2c3d4e5f6 · Vrex"
    assert story(replace(bare, vendor_job_id=None, job_id=None)).line == "Ready: a clip · Vrex"


def test_an_account_with_a_name_of_its_own_is_named() -> None:
    assert vendor_title(replace(READY, account="vrex-client")) == "Vrex (vrex-client)"
    assert vendor_title(replace(READY, vendor="newone", account="newone")) == "newone"
    assert vendor_title(replace(READY, vendor=None, account=None)) == ""
    assert vendor_title(replace(READY, vendor="newone", account="mine"), "New One") == "New One (mine)"


@pytest.mark.parametrize("event", [READY, FAILED, SAVED, ALERT])
def test_a_vendor_that_is_a_plug_in_is_told_by_its_title(event: Event) -> None:
    foreign = replace(event, vendor="newone", account="newone")
    assert ("Vendor", "New One") in story(foreign, vendor="New One").facts
    assert ("Vendor", "newone") in story(foreign).facts


def test_a_failed_clip_says_why_what_became_of_the_money_and_what_to_do() -> None:
    assert story(FAILED, 12).notes == (
        "Why: the prompt was blocked by the vendor's rules (hate speech).",
        "Money: refunded (the vendor's page promises it).",
        "Trying again with the same prompt will fail again: change it first.",
        "The vendor's words: HATE_SPEECH: Prompt blocked",
    )


def test_a_failure_without_a_word_is_told_as_such() -> None:
    told = story(replace(FAILED, failure=None))
    assert told.notes[:2] == ("Why: nobody said why.", "Money: refund not confirmed.")


@pytest.mark.parametrize(
    ("refunded", "basis", "said"),
    [
        (True, "vendor_figure", "refunded (the vendor's answer says so)"),
        (True, "vendor_policy", "refunded (the vendor's page promises it)"),
        (True, None, "refund not confirmed"),
        (False, "vendor_figure", "not refunded (the vendor's answer says so)"),
        (False, None, "not refunded"),
        (None, None, "refund not confirmed"),
        (None, "vendor_policy", "refund not confirmed"),
    ],
)
def test_a_refund_says_how_we_know(refunded: bool | None, basis: str | None, said: str) -> None:
    assert refund_words(Failure("x", "y", refunded, basis)) == said


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("MINOR_SAFETY", "", Advice.CHANGE_PROMPT),
        ("CONTENT_FILTER", "Blocked", Advice.CHANGE_PROMPT),
        ("generation_failed", "The input was flagged by content moderation", Advice.CHANGE_PROMPT),
        ("INSUFFICIENT_CREDITS", "", Advice.TOP_UP),
        ("", "Insufficient credits. Need 240, have 100", Advice.TOP_UP),
        ("spend_limit_exceeded", "", Advice.MEND_KEY),
        ("invalid_request", "'model' is required.", Advice.MEND_ORDER),
        ("generation_failed", "'model' is required.", Advice.MEND_ORDER),
        ("upstream_error", "Video generation failed", Advice.ONCE),
        ("internal_error", "", Advice.LATER),
        ("generation_failed", "deadline: timed out", Advice.LATER),
        ("generation_failed", "NonRetryable: Engine reported failure for jobId=1", Advice.ONCE),
        ("failed", "", Advice.ONCE),
        ("TASK_NOT_FOUND", "", Advice.AGAIN),
        ("SOMETHING_NEW", "no idea", Advice.ONCE),
        ("SOMETHING_NEW", "service temporarily unavailable", Advice.LATER),
    ],
)
def test_failures_lead_to_advice(code: str, message: str, advice: Advice) -> None:
    assert reason_for(Failure(code, message)).advice is advice


def test_a_code_that_nobody_knows_is_shown() -> None:
    assert reason_for(Failure("SOMETHING_NEW", "")).why == "the vendor gave the reason SOMETHING_NEW"


def test_an_alert_says_what_to_do_next() -> None:
    told = story(ALERT)
    assert told.title == "Attention"
    assert told.notes == ("What to do: Look at the vendor's dashboard, or wait: we go on asking.",)
    assert story(CLEARED).line == "Solved: A clip at Vrex is overdue by 30 min."


def test_an_alert_without_words_still_says_which_it_is() -> None:
    told = story(replace(ALERT, detail={"code": "disk.low", "subject": "/clips"}))
    assert told.line == "Attention: disk.low /clips"


def test_a_saved_clip_says_where() -> None:
    assert story(SAVED).line == "Saved: 'A cat rides a bicycle' · clips/vrex/job_01-1.mp4 · 12.3 MB"
    assert story(replace(SAVED, detail=None)).line == "Saved: 'A cat rides a bicycle'"


def test_a_digest_sums_up_and_a_refunded_clip_costs_nothing() -> None:
    many = [p.event for p in parcels(13)]
    assert digest(many) == "12 clips done, 1 failed, $1.632"
    refunded = replace(FAILED, cost=Money(Decimal("0.5"), "USD"))
    kept = replace(FAILED, cost=Money(Decimal(40), "credits"), failure=None)
    assert digest([READY, refunded, kept]) == "1 clip done, 2 failed, $0.136, 40 credits"


def test_a_digest_of_alerts_and_files_counts_them() -> None:
    assert digest([ALERT, ALERT, CLEARED, SAVED]) == "1 file saved, 2 alerts raised, 1 alert solved"
    assert digest([FAILED]) == "1 clip failed"


def test_control_and_direction_characters_do_not_get_through() -> None:
    assert plain("a\u202eb\x00c\x1b[31m\nd") == "abc[31m\nd"
    assert shortened("one\ntwo   three", 100) == "one two three"
    assert shortened("x" * 200, 10) == "x" * 9 + "…"


def test_links_are_web_addresses_that_nothing_ends_early() -> None:
    assert web_link("https://a.b/c?d=1&e=%2F") == "https://a.b/c?d=1&e=%2F"
    assert web_link('https://a.b/"><|x y') == "https://a.b/%22%3E%3C%7Cx%20y"
    assert [web_link(u) for u in ("javascript:alert(1)", "video-gen/raw_key.mp4", "https://")] == [None] * 3


def test_a_living_link_goes_before_the_vendors_own() -> None:
    def link(event: Event, number: int) -> str | None:
        return f"https://hooks.example.com/clips/{event.job_id}-{number}" if number < 3 else None

    base = f"https://hooks.example.com/clips/{READY.job_id}"
    assert story(READY, link=link).links == (("Open the clip", f"{base}-1"),)
    assert story(replace(READY, type=EventType.SAVED), link=link).links == (("Open the clip", f"{base}-1"),)
    two = replace(READY, videos=(Video("https://a.b/1"), Video("https://a.b/2"), Video("raw_key")))
    assert story(two).links == (("Open clip 1", "https://a.b/1"), ("Open clip 2", "https://a.b/2"))
    assert story(two, link=link).links == (("Open clip 1", f"{base}-1"), ("Open clip 2", f"{base}-2"))


def test_a_vendors_own_address_is_shown_with_its_end() -> None:
    assert story(READY).links == (("Open the clip (until 2025-01-01 13:01 UTC)", READY.videos[0].url),)


def test_a_failure_that_may_be_repeated_says_how() -> None:
    busy = story(replace(FAILED, failure=Failure("QUEUE_FULL", "")))
    command = f"Order the same again with: clipbell again {FAILED.job_id}"
    assert busy.notes[2] == f"Trying again later may work. {command}"
    assert story(replace(FAILED, failure=None)).notes[2].endswith(command)
    assert "clipbell again" not in " ".join(story(FAILED).notes)
    assert "clipbell again" not in " ".join(story(replace(FAILED, failure=None, job_id=None)).notes)


def test_an_alert_about_a_clip_says_which() -> None:
    assert story(replace(ALERT, prompt="A cat")).facts[0] == ("Clip", "A cat")
    assert dict(story(ALERT).facts).get("Clip") is None


def test_joiners_stay_and_what_turns_text_around_goes() -> None:
    assert plain("می\u200cخواهم \u202eabc\u2066 👩\u200d🚀\x07") == "می\u200cخواهم abc 👩\u200d🚀"


def test_a_long_text_is_cut_and_its_lines_stay() -> None:
    assert clipped("a\nb", 10) == "a\nb"
    assert clipped("a\nb  cdefgh", 5) == "a\nb…"
