"""What is said of a finding: whatever is known of the money, and never more than is known."""

import pytest

from receiver.findings import words_for
from receiver.store.auditing import Finding
from schemas.event import Failure
from schemas.job import JobState
from schemas.values import replace
from tests.support.stored import a_job, usd

BLOCKED = Failure("MINOR_SAFETY", "The prompt was blocked")
FAILED = Finding("not_refunded", a_job(state=JobState.FAILED, failure=BLOCKED), usd("0.136"))


@pytest.mark.parametrize(
    ("refunded", "said"),
    [
        (None, "nobody said that the money came back"),
        (False, "the vendor kept the money"),
        (True, "the vendor says that it was refunded, but not all of it came back"),
    ],
)
def test_of_a_failure_that_was_paid_for_is_said_what_the_vendor_said(refunded: bool | None, said: str) -> None:
    job = a_job(state=JobState.FAILED, failure=replace(BLOCKED, refunded=refunded))
    text = words_for(replace(FAILED, job=job), ()).text
    assert text == f"It was paid for with $0.136, it failed (MINOR_SAFETY), and {said}"


def test_an_amount_or_a_reason_that_nobody_told_is_not_made_up() -> None:
    finding = Finding("not_refunded", a_job(state=JobState.FAILED), None)
    assert words_for(finding, ()).text.startswith(
        "It was paid for, nobody said how much, it failed (no reason given), and nobody said"
    )


def test_a_clip_that_is_not_saved_says_which_handler_to_ask_again() -> None:
    finding = Finding("no_file", a_job(state=JobState.COMPLETED), usd("240", "credits"))
    words = words_for(finding, ("files", "more"))
    assert words.text == "It was paid for with 240 credits, and no file of it is saved"
    assert "clipbell retry --job job_0001 --handler files" in words.next_step
