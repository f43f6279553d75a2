"""The README of schemas under test: its template is a vendor that works, its golden pair is one."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import schemas
from schemas.answers import Refused, Unclear, read_submission
from schemas.errors import InvalidOrder
from schemas.order import Order
from schemas.vendor import Accepted, Answer, Vendor
from tests.contract import test_vendors as contract
from tests.support.vendor_cases import NOW, Case
from tests.support.vendors import terms_of

README = (Path(schemas.__file__ or "").parent / "README.md").read_text()


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def acme() -> Iterator[Vendor]:
    module = ModuleType("acme_of_the_readme")
    sys.modules[module.__name__] = module
    exec(compile(block("python"), "README.md", "exec"), vars(module))
    yield module.VENDOR
    del sys.modules[module.__name__]


def test_the_template_passes_the_suite_of_vendors(acme: Vendor) -> None:
    contract.test_every_meaning_is_stated_in_lower_case_and_both_verdicts_have_a_word(acme)
    contract.test_prices_are_positive_and_dated_in_the_past(acme)
    contract.test_limits_can_be_read_and_paces_make_sense(acme)
    contract.test_the_key_goes_into_headers_and_nowhere_else(acme)
    contract.test_what_a_person_reads_is_plain(acme)
    contract.test_the_callback_goes_along_only_where_the_vendor_has_callbacks(acme)
    contract.test_the_prompt_arrives_and_the_price_is_known_before(acme)
    contract.test_without_a_price_list_nothing_is_guessed(acme)
    contract.test_a_name_that_no_page_lists_is_refused_unless_the_account_allows_it(acme)
    contract.test_all_problems_are_told_at_once(acme)
    contract.test_a_body_that_is_no_object_never_passes_for_an_answer(acme)
    contract.test_an_id_is_put_into_the_path_as_it_is(acme)


def test_the_template_makes_a_call_and_reads_its_answers(acme: Vendor) -> None:
    found = acme.submission(Order(vendor="acme", prompt="A cat"), terms_of(acme), None)
    assert found.request.json == {"prompt": "A cat", "model": "acme-1", "duration": 8}
    assert found.estimate is not None
    assert found.estimate.to_json() == {"amount": "40", "unit": "credits"}
    assert read_submission(acme, Answer(200, {}, b'{"id": "a1"}'), NOW) == Accepted("a1")
    assert isinstance(read_submission(acme, Answer(200, {}, b"{}"), NOW), Unclear)
    assert isinstance(read_submission(acme, Answer(402, {}, b'{"error": "no_credits"}'), NOW), Refused)
    with pytest.raises(InvalidOrder, match="seconds"):
        acme.submission(Order(vendor="acme", prompt="A cat", seconds=3), terms_of(acme), None)


def test_the_golden_pair_is_one(acme: Vendor) -> None:
    case = Case(acme, "callback-done", json.loads(block("json")))
    assert case.outcome() == case.data["becomes"]


def test_every_module_is_in_the_table() -> None:
    folder = Path(schemas.__file__ or "").parent
    missing = [path.name for path in folder.glob("*.py") if path.stem != "__init__" and f"`{path.name}`" not in README]
    assert missing == []
