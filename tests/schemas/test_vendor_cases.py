"""Golden pairs: every documented request, answer, callback and refusal of every vendor, and its known quirks."""

import json
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from receiver.suite.golden import NOW, Case, wanted_kinds
from schemas.answers import read_look
from schemas.reading import Reading
from schemas.report import Report
from tests.support.vendor_cases import FIXTURES, VENDORS_WITH_CASES, every_case
from tests.support.vendors import every_vendor

CASES = every_case()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_is_given_becomes_what_was_written_down_by_hand(case: Case) -> None:
    assert case.outcome() == case.data["becomes"]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_case_says_why_it_is_there_and_nothing_that_is_not_looked_at(case: Case) -> None:
    assert case.data["why"]
    assert set(case.data) <= {"what", "why", "given", "text", "http", "headers", "terms", "becomes"}


def test_every_vendor_of_the_folder_has_cases_of_every_kind_that_it_knows() -> None:
    kinds = Counter((case.vendor.name, case.data["what"]) for case in CASES)
    for vendor in every_vendor():
        assert vendor.name in VENDORS_WITH_CASES
        for what in wanted_kinds(vendor):
            assert kinds[vendor.name, what] >= 1, f"{vendor.name} has no case of {what}"


def test_every_state_word_and_every_named_code_of_a_vendor_stands_in_some_case() -> None:
    for vendor in every_vendor():
        written = "".join(path.read_text() for path in (FIXTURES / vendor.name).glob("*.json")).lower()
        codes = vendor.unsent_codes | vendor.balance_codes | vendor.midnight_codes | vendor.quota_codes
        for word in [*vendor.words, *codes, *vendor.stop_codes, *vendor.plain_words]:
            assert f'"{word.lower()}"' in written, f"{vendor.name}: no case has {word}"


def test_every_vendor_of_the_folder_says_what_it_makes_and_since_when_its_prices_hold() -> None:
    for vendor in every_vendor():
        assert vendor.can, vendor.name
        assert all(len(line) < 120 for line in (*vendor.can, *vendor.quirks)), vendor.name
        assert date(2026, 1, 1) <= vendor.prices_as_of
    # its page has both figures, 40 credits and $0.20
    worth = next(vendor.usd_per_credit for vendor in every_vendor() if vendor.name == "aivideoapi")
    assert worth is not None
    assert (40 * worth, 300 * worth) == (Decimal("0.20"), Decimal("1.50"))


def test_the_vendors_own_object_is_kept_untouched_in_a_report() -> None:
    looks = [case for case in CASES if case.data["what"] == "status" and "given" in case.data]
    reports = [(case, read_look(case.vendor, case.answer(), case.terms(), NOW)) for case in looks]
    seen = [(case, found) for case, found in reports if isinstance(found, Report)]
    assert len(seen) > 20
    for case, found in seen:
        assert json.loads(json.dumps(found.raw)) == case.data["given"]


def test_a_wrong_expectation_would_be_seen() -> None:
    """The negative control: a planted difference in one place is a difference in the whole."""
    case = next(case for case in CASES if case.id == "vrex/callback-completed")
    planted = Case(case.vendor, case.name, {**case.data, "given": {**case.data["given"], "duration_sec": 7}})
    assert planted.outcome() != case.data["becomes"]
    assert Reading.parse(planted.body())["duration_sec"].number() == 7
