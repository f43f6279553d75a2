"""What `schemas/vendor.py` promises, over every vendor file that lies in the folder. Knows none of them by name."""

import inspect
import json
import re
import string
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import schemas
from schemas.answers import Busy, Missing, Refused, Unclear, read_look, read_submission
from schemas.draft import COMMON
from schemas.errors import InvalidOrder, InvalidRequest, Unreadable
from schemas.event import Money
from schemas.order import Order
from schemas.reading import Reading, is_job_id
from schemas.report import Report, Said
from schemas.units import parse_rate
from schemas.vendor import Accepted, Answer, HistoryPage, Part, Submission, Vendor, VendorError
from tests.support.vendors import every_vendor, terms_of

VENDORS = every_vendor()
EACH = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
NOW = datetime(2025, 1, 1, tzinfo=UTC)
CALLBACK_URL = "https://hooks.example.com/callbacks/account/token"
FOLDER = Path(schemas.__file__ or "").parent / "vendors"
FUZZ = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])

CALM = st.characters(codec="utf-8", exclude_characters="\0")
IMAGE = "data:image/png;base64,iVBORw0KGgo="
WORDS = [
    "completed",
    "failed",
    "error",
    "processing",
    "COMPLETED",
    "FAILED",
    "video.completed",
    "x" * 200,
    "../..",
    "16:9",
    "fast",
]
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.sampled_from(
        [0.136, -1.5, 1e18, 240, "0.47", "https://e.com/a.mp4", "", "2025-01-01T12:00:00Z", IMAGE, *WORDS]
    )
    | st.text(CALM, max_size=6)
)


@cache
def names_in(vendor_name: str) -> list[str]:
    """Every word that the vendor's file writes in quotes: its field names are among them."""
    source = (FOLDER / f"{vendor_name}.py").read_text()
    return sorted(set(re.findall(r'"([A-Za-z_]{2,40})"', source)))


def json_for(vendor: Vendor) -> st.SearchStrategy[Any]:
    """Any JSON, with a liking for the vendor's own names."""
    names = st.sampled_from([*names_in(vendor.name), "success", "code", "error", "message", "details", "retry_after"])
    return st.recursive(
        ATOMS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(names | st.text(CALM, max_size=4), inner, max_size=6)
        ),
        max_leaves=25,
    )


def orders_for(vendor: Vendor) -> st.SearchStrategy[Order]:
    """Any order, with a liking for the vendor's own names and values."""
    values = ATOMS | st.lists(ATOMS, max_size=4) | st.sampled_from(names_in(vendor.name))
    params = st.dictionaries(st.sampled_from(names_in(vendor.name)) | st.text(CALM, max_size=4), values, max_size=6)
    calm = st.builds(
        Order,
        vendor=st.just(vendor.name),
        prompt=st.just("A cat"),
        seconds=st.none() | st.integers(4, 10),
        images=st.lists(st.sampled_from(["https://example.com/a.jpg", IMAGE]), max_size=3),
        model=st.sampled_from([None, *vendor.models]),
    )
    return calm | st.builds(
        Order,
        vendor=st.just(vendor.name),
        prompt=st.sampled_from(["A cat", "", " ", "x" * 5000]) | st.text(CALM, max_size=9),
        seconds=st.none() | st.integers(-1, 17) | st.integers(),
        aspect_ratio=st.none() | st.sampled_from(["16:9", "9:16", "1:1", "Auto"]) | st.text(CALM, max_size=5),
        images=st.lists(st.sampled_from(["https://example.com/a.jpg", IMAGE, "http://x", ""]), max_size=5),
        model=st.none() | st.sampled_from([*vendor.models, "x"]) | st.text(CALM, max_size=5),
        params=params | st.fixed_dictionaries({"input": params | ATOMS}),
    )


# --- facts --------------------------------------------------------------------------------------------------


def test_the_folder_is_not_empty_and_names_are_those_of_the_files() -> None:
    assert len(VENDORS) >= 2
    files = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
    assert [vendor.name for vendor in VENDORS] == files
    assert all(re.fullmatch(r"[a-z0-9_-]+", vendor.name) for vendor in VENDORS)


@EACH
def test_a_vendor_says_who_it_is_and_where_its_page_is(vendor: Vendor) -> None:
    assert vendor.title
    assert vendor.docs.startswith("https://")
    assert vendor.base_url.startswith("https://")
    assert not vendor.base_url.endswith("/")
    module = inspect.getmodule(vendor.submission)
    assert module is not None
    assert "https://" in (module.__doc__ or ""), "the docstring ends with the page's address"


@EACH
def test_every_meaning_is_stated_in_lower_case_and_both_verdicts_have_a_word(vendor: Vendor) -> None:
    assert all(word == word.lower() and word for word in vendor.words)
    assert {Said.COMPLETED, Said.FAILED} <= set(vendor.words.values())
    terms = terms_of(vendor)
    for word, said in vendor.words.items():
        assert terms.said(word) is terms.said(word.upper()) is said
    assert terms.said("a word that nobody knows") is None


@EACH
def test_prices_are_positive_and_dated_in_the_past(vendor: Vendor) -> None:
    assert vendor.prices
    assert all(isinstance(price, Money) and price.amount > 0 for price in vendor.prices.values())
    assert len({price.unit for price in vendor.prices.values()}) == 1
    assert vendor.prices_as_of <= datetime.now(UTC).date()
    assert vendor.charges in {"accept", "completion"}


@EACH
def test_limits_can_be_read_and_paces_make_sense(vendor: Vendor) -> None:
    for rate in (*vendor.limits, *vendor.order_limits):
        assert parse_rate(rate)[0] > 0
    pace = vendor.pace
    assert 0 < pace.poll_after < pace.overdue_after < pace.give_up_after
    assert 5 <= pace.poll_every < pace.overdue_after
    assert vendor.max_open is None or vendor.max_open > 0
    assert vendor.url_life is None or vendor.url_life > 0


@EACH
def test_the_key_goes_into_headers_and_nowhere_else(vendor: Vendor) -> None:
    headers = vendor.auth("sk-test-key")
    assert headers
    assert all(name == name.lower() for name in headers)
    assert any("sk-test-key" in value for value in headers.values())
    assert vendor.key_check is None or vendor.key_check.method == "GET"


@EACH
def test_what_a_person_reads_is_plain(vendor: Vendor) -> None:
    assert vendor.quirks
    assert all(text and text == text.strip() and not text.endswith(".") for text in vendor.quirks)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", code) for code in vendor.plain_words)
    assert all(text and text[0].islower() for text in vendor.plain_words.values())


@EACH
def test_a_vendor_file_stays_a_page_or_two(vendor: Vendor) -> None:
    assert len((FOLDER / f"{vendor.name}.py").read_text().splitlines()) <= 200


# --- orders -------------------------------------------------------------------------------------------------


def calls_of(submission: Submission) -> str:
    """All that would be sent, as text."""
    request = submission.request
    parts = [f"{part.name}={part.content.decode('latin-1')}{part.url or ''}" for part in request.parts]
    return json.dumps(request.json, ensure_ascii=False, allow_nan=False) + "&".join(parts)


@EACH
def test_any_order_becomes_a_call_or_a_list_of_its_problems(vendor: Vendor) -> None:
    sent = []

    @FUZZ
    @given(orders_for(vendor), st.booleans())
    @example(smallest_order(vendor), False)
    def holds(order: Order, allow_unknown: bool) -> None:
        terms = terms_of(vendor, allow_unknown_params=allow_unknown)
        found = outcome_of(lambda: vendor.submission(order, terms, CALLBACK_URL))
        if isinstance(found, InvalidOrder):
            assert found.problems
            assert all(problem.field and problem.problem for problem in found.problems)
            return
        sent.append(found)
        assert found.request.method == "POST"
        assert found.request.path.startswith("/")
        assert bool(found.request.json) is not bool(found.request.parts)
        assert found.estimate is None or found.estimate.amount > 0
        assert found.seconds is None or found.seconds > 0
        calls_of(found).encode()
        for part in found.request.parts:
            check_part(part)

    holds()
    assert sent, "no order got through: the suite looks at nothing"


def outcome_of(submit: Callable[[], Submission]) -> Submission | InvalidOrder:
    """The call, or the refusal as a value."""
    try:
        return submit()
    except InvalidOrder as error:
        return error


def check_part(part: Part) -> None:
    """A part is a field, a file that is here, or a file to be got."""
    assert part.name
    if part.url is None:
        assert part.content or part.filename is None
    else:
        assert part.url.startswith("https://")
        assert not part.content
        assert part.filename
        assert part.max_bytes
        assert part.types


def smallest_order(vendor: Vendor, **more: Any) -> Order:
    """The smallest order that the vendor takes."""
    for model in (None, *vendor.models):
        order = Order(vendor=vendor.name, prompt="A cat on a sofa", model=model, **more)
        try:
            vendor.submission(order, terms_of(vendor), None)
        except InvalidOrder as error:
            if all(problem.field == "model" for problem in error.problems):
                continue
        return order
    raise AssertionError("no order gets through")


@EACH
def test_the_callback_goes_along_only_where_the_vendor_has_callbacks(vendor: Vendor) -> None:
    order = smallest_order(vendor)
    has = vendor.report_from_callback is not None
    assert (CALLBACK_URL in calls_of(vendor.submission(order, terms_of(vendor), CALLBACK_URL))) is has
    assert CALLBACK_URL not in calls_of(vendor.submission(order, terms_of(vendor), None))


@EACH
def test_the_prompt_arrives_and_the_price_is_known_before(vendor: Vendor) -> None:
    found = vendor.submission(smallest_order(vendor), terms_of(vendor), None)
    assert "A cat on a sofa" in calls_of(found)
    assert found.model is not None
    assert found.estimate is not None
    assert found.estimate.unit == next(iter(vendor.prices.values())).unit


@EACH
def test_without_a_price_list_nothing_is_guessed(vendor: Vendor) -> None:
    terms = terms_of(vendor)
    nothing = type(terms)(terms.words, {})
    assert vendor.submission(smallest_order(vendor), nothing, None).estimate is None


@EACH
def test_an_operators_price_goes_before_the_files(vendor: Vendor) -> None:
    terms = terms_of(vendor)
    doubled = {name: Money(price.amount * 2, price.unit) for name, price in terms.prices.items()}
    order = smallest_order(vendor)
    usual = vendor.submission(order, terms, None).estimate
    assert usual is not None
    expected = Money(usual.amount * 2, usual.unit)
    assert vendor.submission(order, type(terms)(terms.words, doubled), None).estimate == expected


@EACH
@pytest.mark.parametrize(
    "name", ["webhook_url", "callback_url", "webhook", "api_key", "Authorization", "authorization", "X-API-Key"]
)
def test_callback_and_authentication_are_never_the_callers(vendor: Vendor, name: str) -> None:
    for params in ({name: "https://evil.example.com"}, {"input": {name: "https://evil.example.com"}}):
        with pytest.raises(InvalidOrder):
            vendor.submission(smallest_order(vendor, params=params), terms_of(vendor), CALLBACK_URL)


@EACH
def test_a_name_that_no_page_lists_is_refused_unless_the_account_allows_it(vendor: Vendor) -> None:
    order = smallest_order(vendor).model_copy(update={"params": {"surely_on_no_page": "17"}})
    with pytest.raises(InvalidOrder, match=r"params\.surely_on_no_page: is not on the vendor's page"):
        vendor.submission(order, terms_of(vendor), None)
    assert "surely_on_no_page" in calls_of(vendor.submission(order, terms_of(vendor, allow_unknown_params=True), None))


ODD: dict[str, Any] = {
    "prompt": "",
    "seconds": 977,
    "aspect_ratio": "977:1",
    "images": ["http://977"],
    "model": "no such model!",
}


@EACH
@pytest.mark.parametrize("field", COMMON)
def test_every_common_field_is_looked_at_and_its_problem_bears_its_name(vendor: Vendor, field: str) -> None:
    order = smallest_order(vendor).model_copy(update={field: ODD[field]})
    with pytest.raises(InvalidOrder) as caught:
        vendor.submission(order, terms_of(vendor), None)
    assert field in {problem.field for problem in caught.value.problems}


@EACH
def test_all_problems_are_told_at_once(vendor: Vendor) -> None:
    order = smallest_order(vendor).model_copy(update={**ODD, "params": {"surely_on_no_page": 1}})
    with pytest.raises(InvalidOrder) as caught:
        vendor.submission(order, terms_of(vendor), None)
    assert {problem.field for problem in caught.value.problems} >= {*COMMON, "params.surely_on_no_page"}


@EACH
def test_an_order_stays_as_it_was(vendor: Vendor) -> None:
    params = {"input": {"prompt": "other"}} if vendor.name == "aivideoapi" else {"prompt": "other"}
    order = smallest_order(vendor, params=params)
    before = order.canonical()
    vendor.submission(order, terms_of(vendor), CALLBACK_URL)
    assert order.canonical() == before


# --- answers ------------------------------------------------------------------------------------------------


def only_unreadable(vendor: Vendor, read: Callable[[Reading], Any]) -> list[Any]:
    """Feed any JSON to a function that may raise nothing but Unreadable; what it gave back."""
    found: list[Any] = []

    @FUZZ
    @given(json_for(vendor))
    def holds(value: Any) -> None:
        try:
            found.append(read(Reading.parse(json.dumps(value).encode())))
        except Unreadable:
            return

    holds()
    return found


@EACH
def test_any_answer_to_an_order_is_an_acceptance_or_unreadable(vendor: Vendor) -> None:
    for accepted in only_unreadable(vendor, vendor.accepted):
        assert isinstance(accepted, Accepted)
        assert is_job_id(accepted.vendor_job_id)
        assert accepted.estimate is None or accepted.estimate.amount >= 0


@EACH
def test_any_answer_to_a_look_is_a_report_or_unreadable(vendor: Vendor) -> None:
    for report in only_unreadable(vendor, lambda payload: vendor.report_from_status(payload, terms_of(vendor))):
        check_report(report)


@EACH
def test_any_callback_is_a_report_or_unreadable(vendor: Vendor) -> None:
    read = vendor.report_from_callback or vendor.report_from_status
    for report in only_unreadable(vendor, lambda payload: read(payload, terms_of(vendor))):
        check_report(report)
        if vendor.report_from_callback is not None:
            assert report.said is None or report.vendor_job_id is not None


@EACH
def test_any_renewal_and_any_history_is_read_or_unreadable(vendor: Vendor) -> None:
    for videos in only_unreadable(vendor, vendor.videos_from_renewal):
        assert isinstance(videos, tuple)
    for page in only_unreadable(vendor, lambda payload: vendor.history_page(payload, terms_of(vendor))):
        assert isinstance(page, HistoryPage)
        for entry in page.entries:
            check_report(entry.report)
            assert entry.report.vendor_job_id is not None


def check_report(report: Report) -> None:
    """What holds of every report."""
    assert isinstance(report, Report)
    assert report.word
    assert report.vendor_job_id is None or report.said is None or is_job_id(report.vendor_job_id)
    assert all(video.url for video in report.videos)
    assert report.cost is None or report.cost.amount >= 0
    assert (report.failure is not None) or report.said is not Said.FAILED
    json.dumps(report.raw, allow_nan=False)


@EACH
def test_any_refusal_is_read(vendor: Vendor) -> None:
    @FUZZ
    @given(json_for(vendor).filter(lambda value: isinstance(value, dict)))
    def holds(value: Any) -> None:
        found = vendor.error(Reading.parse(json.dumps(value).encode()))
        assert isinstance(found, VendorError)
        assert isinstance(found.code, str)
        assert isinstance(found.message, str)

    holds()


@EACH
def test_any_bytes_with_any_status_are_classified(vendor: Vendor) -> None:
    terms = terms_of(vendor)

    @FUZZ
    @given(st.sampled_from([200, 202, 400, 401, 402, 404, 408, 429, 500, 503]), json_for(vendor), st.binary(max_size=9))
    def holds(status: int, value: Any, odd: bytes) -> None:
        for body in (json.dumps(value).encode(), odd):
            answer = Answer(status, {}, body)
            found = read_submission(vendor, answer, NOW)
            assert isinstance(found, Accepted | Refused | Busy | Unclear)
            assert not isinstance(found, Accepted) or status < 300
            assert isinstance(read_look(vendor, answer, terms, NOW), Report | Missing | Refused | Busy | Unclear)

    holds()


@EACH
def test_a_body_that_is_no_object_never_passes_for_an_answer(vendor: Vendor) -> None:
    for body in (b"[]", b'"completed"', b"7", b"true", b"null"):
        assert isinstance(read_submission(vendor, Answer(200, {}, body), NOW), Unclear)
        assert isinstance(read_look(vendor, Answer(200, {}, body), terms_of(vendor), NOW), Unclear)


# --- ids and paths ------------------------------------------------------------------------------------------


@EACH
def test_an_id_is_put_into_the_path_as_it_is(vendor: Vendor) -> None:
    for request in filter(None, (vendor.status_request, vendor.renew_request)):
        found = request("vg_A1.b-2", terms_of(vendor))
        assert found.method == "GET"
        assert "/vg_A1.b-2" in found.path
        assert set(found.path) <= set(string.ascii_letters + string.digits + "/_.-")
        assert "{" not in found.path


@EACH
@given(
    st.text(max_size=12)
    | st.sampled_from(["..", ".", "", "a/../../usage", "a?b=1", "a#b", "a%2f", "a\r\nHost: x", "é", "x" * 129])
)
def test_an_id_that_would_lead_elsewhere_makes_no_call(vendor: Vendor, vendor_job_id: str) -> None:
    for request in filter(None, (vendor.status_request, vendor.renew_request)):
        for model in (None, *vendor.models):
            if is_job_id(vendor_job_id):
                assert f"/{vendor_job_id}" in request(vendor_job_id, terms_of(vendor), model).path
            else:
                with pytest.raises(InvalidRequest):
                    request(vendor_job_id, terms_of(vendor), model)


@EACH
def test_an_operator_may_say_where_a_job_is_read(vendor: Vendor) -> None:
    terms = terms_of(vendor, status_path="/elsewhere/{id}/now")
    assert vendor.status_request("vg_1", terms).path == "/elsewhere/vg_1/now"


def test_a_history_is_asked_for_by_count_and_offset() -> None:
    for ask in (vendor.history_request for vendor in VENDORS if vendor.history_request):
        first, second = ask(50, 0), ask(50, 50)
        assert (first.method, first.json, first.parts) == ("GET", None, ())
        assert first.path != second.path
        assert "50" in first.path


# --- the suite itself -----------------------------------------------------------------------------------------


def test_the_suite_would_see_a_vendor_that_stumbles() -> None:
    """The negative control: a reader that trips over a wrong kind is caught."""

    def trips(payload: Reading) -> Any:
        return payload.value["id"].lower()

    with pytest.raises((TypeError, KeyError, AttributeError, BaseExceptionGroup)):
        only_unreadable(VENDORS[0], trips)
