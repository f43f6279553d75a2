"""What `schemas/vendor.py` promises, as checks over one vendor; they are never told which one it is.

Each raises `Broken` with a sentence for the vendor file's author; its docstring says why the promise matters.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from inspect import getmodule
from typing import Any

from receiver.clock import now
from receiver.suite.promises import Broken, hold, priced, said_of, shown
from schemas.draft import COMMON
from schemas.errors import InvalidOrder
from schemas.event import Money
from schemas.order import Order
from schemas.report import Said
from schemas.units import parse_rate
from schemas.vendor import Part, Submission, Terms, Vendor

NOW = datetime(2025, 1, 1, tzinfo=UTC)
CALLBACK_URL = "https://hooks.example.com/callbacks/account/token"
PROMPT = "A cat on a sofa"
ODD: dict[str, Any] = {
    "prompt": "",
    "seconds": 977,
    "aspect_ratio": "977:1",
    "images": ["http://977"],
    "model": "no such model!",
}
Check = Callable[[Vendor], None]


def terms_of(vendor: Vendor, *, allow_unknown_params: bool = False, status_path: str | None = None) -> Terms:
    """The vendor's own facts as terms."""
    return Terms(vendor.words, vendor.prices, allow_unknown_params, status_path)


# --- facts --------------------------------------------------------------------------------------------------


def it_says_who_it_is_and_where_its_page_is(vendor: Vendor) -> None:
    """Whoever mends the file in a year begins at the vendor's page."""
    hold(bool(re.fullmatch(r"[a-z0-9_-]+", vendor.name)), f"its name is {vendor.name!r}; use a-z, 0-9, _ and - only")
    hold(bool(vendor.title), "its title is empty; people read it")
    hold(vendor.docs.startswith("https://"), f"docs is {vendor.docs!r}; it must be the https address of its page")
    hold(vendor.base_url.startswith("https://"), f"base_url is {vendor.base_url!r}; it must begin with https://")
    hold(not vendor.base_url.endswith("/"), "base_url ends with a slash; paths bring their own")
    module = getmodule(vendor.submission)
    doc = (module.__doc__ if module else None) or ""
    hold("https://" in doc, "the docstring of its file does not name the vendor's page; end it with the address")


def every_meaning_is_stated_in_lower_case_and_both_verdicts_have_a_word(vendor: Vendor) -> None:
    """Upper and lower case are one; without a word for each verdict no job would ever end."""
    odd = [word for word in vendor.words if word != word.lower() or not word]
    hold(not odd, f"its words must be in lower case, these are not: {shown(odd)}")
    lacking = [said.value for said in (Said.COMPLETED, Said.FAILED) if said not in vendor.words.values()]
    hold(not lacking, f"no word of it means {' or '.join(lacking)}: such a job would never end")


def prices_are_positive_and_dated_in_the_past(vendor: Vendor) -> None:
    """A price of zero is a price that nobody knows: leave it out."""
    wrong = {name: priced(price) for name, price in vendor.prices.items() if price.amount <= 0}
    hold(not wrong, f"these prices are not above zero: {shown(wrong)}; leave out what is unknown")
    units = {price.unit for price in vendor.prices.values()}
    hold(len(units) <= 1, f"its prices are in different units: {shown(sorted(units))}")
    hold(isinstance(vendor.prices_as_of, date), "prices_as_of must be a date")
    hold(vendor.prices_as_of <= now().date(), f"prices_as_of is {vendor.prices_as_of}, in the future")
    hold(vendor.charges in {"accept", "completion"}, f'charges is {vendor.charges!r}; use "accept" or "completion"')


def limits_can_be_read_and_paces_make_sense(vendor: Vendor) -> None:
    """They drive when the vendor is called."""
    for rate in (*vendor.limits, *vendor.order_limits):
        try:
            parse_rate(rate)
        except ValueError as error:
            raise Broken(f"the limit {rate!r} cannot be read: {error}") from error
    for pace in (vendor.pace, *vendor.model_paces.values()):
        in_order = 0 < pace.poll_after < pace.overdue_after < pace.give_up_after
        hold(in_order, f"{pace}: poll_after, overdue_after and give_up_after must rise")
        hold(5 <= pace.poll_every < pace.overdue_after, f"{pace}: poll_every must be from 5 s to overdue_after")
    hold(vendor.max_open is None or vendor.max_open > 0, "max_open must be above zero, or None")
    hold(vendor.url_life is None or vendor.url_life > 0, "url_life must be above zero seconds, or None")


def the_key_goes_into_headers_and_nowhere_else(vendor: Vendor) -> None:
    """A key in a URL ends up in logs; a check of the key must not cost anything."""
    headers = vendor.auth("sk-test-key")
    hold(any("sk-test-key" in value for value in headers.values()), "auth() puts the key into no header")
    hold(all(name == name.lower() for name in headers), f"auth() must name headers in lower case: {list(headers)}")
    free = vendor.key_check is None or vendor.key_check.method == "GET"
    hold(free, "key_check must be a GET: it is made to try the key and must not order anything")


def what_a_person_reads_is_plain(vendor: Vendor) -> None:
    """Quirks and plain words stand in lists and within sentences."""
    hold(bool(vendor.quirks), "quirks is empty; say what somebody who pays should know of it")
    odd = [text for text in vendor.quirks if not text or text != text.strip() or text.endswith(".")]
    hold(not odd, f"quirks must have no blanks around them and no full stop: {shown(odd)}")
    codes = [code for code in vendor.plain_words if not re.fullmatch(r"[A-Za-z0-9_]+", code)]
    hold(not codes, f"plain_words must be keyed by the vendor's codes, not by {shown(codes)}")
    sentences = [text for text in vendor.plain_words.values() if not text or not text[0].islower()]
    hold(not sentences, f"plain_words go within a sentence and begin in lower case: {shown(sentences)}")


# --- orders -------------------------------------------------------------------------------------------------


def calls_of(submission: Submission) -> str:
    """All that would be sent, as text."""
    request = submission.request
    parts = [f"{part.name}={part.content.decode('latin-1')}{part.url or ''}" for part in request.parts]
    return json.dumps(request.json, ensure_ascii=False, allow_nan=False) + "&".join(parts)


def smallest_order(vendor: Vendor, **more: Any) -> Order:
    """The smallest order that the vendor takes. Raises: Broken where there is none."""
    problems = ""
    for model in (None, *vendor.models):
        order = Order(vendor=vendor.name, prompt=PROMPT, model=model, **more)
        try:
            vendor.submission(order, terms_of(vendor), None)
        except InvalidOrder as error:
            if all(problem.field == "model" for problem in error.problems):
                problems = str(error)
                continue
        return order
    raise Broken(f"it takes no order with just a prompt ({problems}); list its models in `models`, the usual one first")


def hold_submission(found: Submission, order: Order) -> None:
    """What holds of every call that places an order."""
    about = f"for {shown(order.model_dump(exclude_defaults=True))}"
    request = found.request
    hold(request.method == "POST" and request.path.startswith("/"), f"{request.method} {request.path}: POST to a /path")
    hold(bool(request.json) is not bool(request.parts), f"a call has a JSON body or parts, one of the two; {about}")
    known = found.estimate is None or found.estimate.amount > 0
    hold(known, f"the estimate is {priced(found.estimate)}: unknown is None, never zero; {about}")
    hold(found.seconds is None or found.seconds > 0, f"seconds is {found.seconds}; unknown is None; {about}")
    try:
        calls_of(found).encode()
    except (TypeError, ValueError) as error:
        raise Broken(f"the call cannot be sent as JSON: {said_of(error)}; {about}") from error
    for part in request.parts:
        _hold_part(part)


def _hold_part(part: Part) -> None:
    """A part is a field, a file that is here, or a file to be got."""
    hold(bool(part.name), "a part of the form has no name")
    if part.url is None:
        hold(bool(part.content) or part.filename is None, f"the file {part.name} is empty and has no address")
        return
    hold(part.url.startswith("https://"), f"the file {part.name} would be got from {part.url[:60]}, which is not https")
    hold(not part.content, f"the file {part.name} has a content and an address; use one")
    known = bool(part.filename and part.max_bytes and part.types)
    hold(known, f"the file {part.name} needs filename, max_bytes and types: use schemas.forms.file")


def the_callback_goes_along_only_where_the_vendor_has_callbacks(vendor: Vendor) -> None:
    """The callback URL is a credential: it is given to nobody who will not use it."""
    has = vendor.report_from_callback is not None
    sent = CALLBACK_URL in calls_of(vendor.submission(smallest_order(vendor), terms_of(vendor), CALLBACK_URL))
    hold(sent or not has, "it reads callbacks, but its call does not carry the callback URL that it is given")
    hold(has or not sent, "its call carries the callback URL, but there is no report_from_callback to read what comes")
    without = calls_of(vendor.submission(smallest_order(vendor), terms_of(vendor), None))
    hold(CALLBACK_URL not in without, "its call carries a callback URL though it was given None")


def the_prompt_arrives_and_the_price_is_known_before(vendor: Vendor) -> None:
    """What is about to be paid is known, and compared with the budget, before the vendor is called."""
    found = vendor.submission(smallest_order(vendor), terms_of(vendor), None)
    hold(PROMPT in calls_of(found), "the prompt is not in the call")
    hold(found.model is not None, "its submission names no model; name what will make the clip")
    if vendor.prices:
        hold(found.estimate is not None, "it has prices, but the smallest order has no estimate")
        unit = next(iter(vendor.prices.values())).unit
        hold(found.estimate is not None and found.estimate.unit == unit, f"its estimate is not in {unit} as its prices")


def without_a_price_list_nothing_is_guessed(vendor: Vendor) -> None:
    """Unknown is never zero: a budget must refuse what nobody can price, not let it through as free."""
    found = vendor.submission(smallest_order(vendor), Terms(vendor.words, {}), None).estimate
    hold(
        found is None, f"without a price for it the estimate is {priced(found)}; it must be None: unknown is never zero"
    )


def an_operators_price_goes_before_the_files(vendor: Vendor) -> None:
    """Prices change; an operator can say so without waiting for a new version of the file."""
    terms = terms_of(vendor)
    order = smallest_order(vendor)
    usual = vendor.submission(order, terms, None).estimate
    if usual is None:
        return
    doubled = {name: Money(price.amount * 2, price.unit) for name, price in terms.prices.items()}
    found = vendor.submission(order, Terms(terms.words, doubled), None).estimate
    wanted = Money(usual.amount * 2, usual.unit)
    hold(
        found == wanted,
        f"with prices doubled by the operator the estimate is {priced(found)}, not {priced(wanted)}: use terms.prices",
    )


def callback_and_authentication_are_never_the_callers(vendor: Vendor) -> None:
    """Who may order must not be able to send the callbacks elsewhere."""
    names = ("webhook_url", "callback_url", "webhook", "api_key", "Authorization", "authorization", "X-API-Key")
    for name in names:
        for params in ({name: "https://evil.example.com"}, {"input": {name: "https://evil.example.com"}}):
            if problems_of(vendor, smallest_order(vendor).model_copy(update={"params": params})) is None:
                raise Broken(f"an order may set params {params}; Draft.merge refuses it")


def problems_of(vendor: Vendor, order: Order) -> set[str] | None:
    """The fields that an order is refused for; None: it is not."""
    try:
        vendor.submission(order, terms_of(vendor), CALLBACK_URL)
    except InvalidOrder as error:
        return {problem.field for problem in error.problems}
    return None


def a_name_that_no_page_lists_is_refused_unless_the_account_allows_it(vendor: Vendor) -> None:
    """A misspelt parameter that is ignored makes another clip than was wanted, and costs as much."""
    order = smallest_order(vendor).model_copy(update={"params": {"surely_on_no_page": "17"}})
    fields = problems_of(vendor, order) or set()
    hold("params.surely_on_no_page" in fields, "params.surely_on_no_page is sent; Draft.merge refuses unknown names")
    sent = calls_of(vendor.submission(order, terms_of(vendor, allow_unknown_params=True), None))
    hold("surely_on_no_page" in sent, "with allow_unknown_params = true an unknown name must be sent, and is not")


def every_common_field_is_looked_at_and_its_problem_bears_its_name(vendor: Vendor) -> None:
    """What a vendor lacks is refused, not dropped; and the caller reads the name that the caller wrote."""
    for field in COMMON:
        fields = problems_of(vendor, smallest_order(vendor).model_copy(update={field: ODD[field]})) or set()
        hold(field in fields, f"{field} = {ODD[field]!r} is refused for {sorted(fields) or 'nothing'}, not for {field}")


def all_problems_are_told_at_once(vendor: Vendor) -> None:
    """Nobody should mend an order five times."""
    order = smallest_order(vendor).model_copy(update={**ODD, "params": {"surely_on_no_page": 1}})
    missing = {*COMMON, "params.surely_on_no_page"} - (problems_of(vendor, order) or set())
    hold(not missing, f"an order that is wrong everywhere is refused without naming {sorted(missing)}")


def an_order_stays_as_it_was(vendor: Vendor) -> None:
    """The same order is written down, compared and sent again."""
    for params in ({"prompt": "other"}, {"input": {"prompt": "other"}}):
        order = smallest_order(vendor).model_copy(update={"params": params})
        before = order.canonical()
        problems_of(vendor, order)
        hold(order.canonical() == before, "submission() changes the order that it is given; work on Draft.body")


def a_history_is_asked_for_by_count_and_offset(vendor: Vendor) -> None:
    """Its pages settle orders whose answer was lost."""
    if vendor.history_request is None:
        return
    first, second = vendor.history_request(50, 0), vendor.history_request(50, 50)
    reads = first.method == "GET" and first.json is None and not first.parts
    hold(reads, f"history_request must be a GET without a body, not {shown(first)}")
    hold(first.path != second.path and "50" in first.path, "history_request must ask for `count` after `offset`")


def checks() -> tuple[Check, ...]:
    """All checks: those here, and those that need hypothesis. Raises: ModuleNotFoundError without it."""
    from receiver.suite import answers

    return (*FACTS, *ORDERS, *answers.CHECKS)


FACTS: tuple[Check, ...] = (
    it_says_who_it_is_and_where_its_page_is,
    every_meaning_is_stated_in_lower_case_and_both_verdicts_have_a_word,
    prices_are_positive_and_dated_in_the_past,
    limits_can_be_read_and_paces_make_sense,
    the_key_goes_into_headers_and_nowhere_else,
    what_a_person_reads_is_plain,
)
ORDERS: tuple[Check, ...] = (
    the_callback_goes_along_only_where_the_vendor_has_callbacks,
    the_prompt_arrives_and_the_price_is_known_before,
    without_a_price_list_nothing_is_guessed,
    an_operators_price_goes_before_the_files,
    callback_and_authentication_are_never_the_callers,
    a_name_that_no_page_lists_is_refused_unless_the_account_allows_it,
    every_common_field_is_looked_at_and_its_problem_bears_its_name,
    all_problems_are_told_at_once,
    an_order_stays_as_it_was,
    a_history_is_asked_for_by_count_and_offset,
)
