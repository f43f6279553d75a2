"""What `schemas/vendor.py` promises of any order and any JSON: the checks that need hypothesis.

Each raises `Broken` with a sentence for the vendor file's author, with the smallest input that shows it.
"""

import json
import string
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from receiver.suite.anything import FUZZ, Read, json_for, likely_for, orders_for, spoiled_for
from receiver.suite.promises import Broken, hold, priced, said_of, shown
from receiver.suite.vendors import CALLBACK_URL, NOW, Check, hold_submission, smallest_order, terms_of
from schemas.answers import Busy, Missing, Refused, Unclear, read_look, read_submission
from schemas.errors import InvalidOrder, InvalidRequest, Unreadable
from schemas.order import Order
from schemas.reading import Reading, is_job_id
from schemas.report import Report, Said
from schemas.vendor import Accepted, Answer, HistoryPage, Terms, Vendor, VendorError

HINT = "read what a verdict hangs on with known_text, job_id, text; what is nice to know with maybe_text, money_from"


def any_order_becomes_a_call_or_a_list_of_its_problems(vendor: Vendor) -> None:
    """A wrong order that is accepted costs money; one that ends in a traceback costs its caller an evening."""
    sent: list[Order] = []

    @FUZZ
    @given(orders_for(vendor), st.booleans())
    @example(smallest_order(vendor), False)
    def holds(order: Order, allow_unknown: bool) -> None:
        terms = terms_of(vendor, allow_unknown_params=allow_unknown)
        try:
            found = vendor.submission(order, terms, CALLBACK_URL)
        except InvalidOrder as error:
            told = all(problem.field and problem.problem for problem in error.problems)
            hold(bool(error.problems) and told, "an InvalidOrder must name each field and say what is wrong with it")
            return
        except Exception as error:
            about = shown(order.model_dump(exclude_defaults=True))
            raise Broken(f"submission() raised {said_of(error)} for {about}; it may raise only InvalidOrder") from error
        sent.append(order)
        hold_submission(found, order)

    holds()
    hold(bool(sent), "no order got through: nothing was looked at")


def any_answer_to_an_order_is_an_acceptance_or_unreadable(vendor: Vendor) -> None:
    """Without an id nobody knows whether the vendor has the order: then it is `unknown`, and never sent again."""
    for value, found in _read(vendor, "accepted", vendor.accepted):
        hold(isinstance(found, Accepted), f"accepted() answered {shown(found)} for {shown(value)}")
        sound = is_job_id(found.vendor_job_id) if isinstance(found.vendor_job_id, str) else False
        hold(sound, f"accepted() answered the id {found.vendor_job_id!r} for {shown(value)}; use known_job_id()")
        _hold_amount("accepted()", found.estimate, value)


def any_answer_to_a_look_is_a_report_or_unreadable(vendor: Vendor) -> None:
    """What cannot be understood is asked for again; it is never guessed at."""
    found = _read(vendor, "report_from_status", lambda payload: vendor.report_from_status(payload, terms_of(vendor)))
    hold(bool(found), "report_from_status() took none of hundreds of answers: nothing was looked at")
    for value, report in found:
        _hold_report("report_from_status()", report, value)


def any_callback_is_a_report_or_unreadable(vendor: Vendor) -> None:
    """Whoever knows the address may send anything; a verdict without the job's id could be another job's."""
    read = vendor.report_from_callback
    if read is None:
        return
    for value, report in _read(vendor, "report_from_callback", lambda payload: read(payload, terms_of(vendor))):
        _hold_report("report_from_callback()", report, value)
        named = report.said is None or report.vendor_job_id is not None
        hold(named, f"report_from_callback() gave a verdict without the job's id for {shown(value)}")


def an_unknown_word_is_no_verdict(vendor: Vendor) -> None:
    """A vendor will one day send a new word: taken for a failure it loses a clip that was paid for."""
    _hold_words(vendor, "report_from_status", vendor.report_from_status)
    if vendor.report_from_callback is not None:
        _hold_words(vendor, "report_from_callback", vendor.report_from_callback)


def _hold_words(vendor: Vendor, name: str, read: Callable[[Reading, Terms], Report]) -> None:
    strange = Terms({}, vendor.prices)
    for value, report in _read(vendor, name, lambda payload: read(payload, strange)):
        hold(
            report.said is None,
            f"{name}() takes the word {report.word!r} for {_value(report.said)} though it is in no table of words "
            f"({shown(value)}); an unknown word must be no verdict: said = terms.said(word)",
        )
    for value, report in _read(vendor, name, lambda payload: read(payload, terms_of(vendor))):
        _hold_meaning(vendor, f"{name}()", report, value)


def _hold_meaning(vendor: Vendor, name: str, report: Report, value: Any) -> None:
    meant = vendor.words.get(report.word.lower())
    hold(
        report.said is meant or report.said is None,
        f"{name} takes the word {report.word!r} for {_value(report.said)}, its table for {_value(meant)} "
        f"({shown(value)}); said = terms.said(word)",
    )


def _value(said: Said | None) -> str:
    return said.value if said else "unknown"


def any_renewal_and_any_history_is_read_or_unreadable(vendor: Vendor) -> None:
    """They are read when a URL has died or an answer was lost: the worst moment to stumble."""
    for value, videos in _read(vendor, "videos_from_renewal", vendor.videos_from_renewal):
        hold(isinstance(videos, tuple), f"videos_from_renewal() answered {shown(videos)} for {shown(value)}")
    pages = _read(vendor, "history_page", lambda payload: vendor.history_page(payload, terms_of(vendor)))
    for value, page in pages:
        hold(isinstance(page, HistoryPage), f"history_page() answered {shown(page)} for {shown(value)}")
        for entry in page.entries:
            _hold_report("history_page()", entry.report, value)
            hold(entry.report.vendor_job_id is not None, f"history_page() has a job without an id for {shown(value)}")


def any_refusal_is_read(vendor: Vendor) -> None:
    """A refusal in an odd shape is still a refusal, and its reader has nobody to tell of its own trouble."""

    @FUZZ
    @given(json_for(vendor).filter(lambda value: isinstance(value, dict)))
    def holds(value: Any) -> None:
        try:
            found = vendor.error(_payload(value))
        except Exception as error:
            raise Broken(f"error() raised {said_of(error)} for {shown(value)}; it must never raise") from error
        sound = isinstance(found, VendorError) and isinstance(found.code, str) and isinstance(found.message, str)
        hold(sound, f"error() answered {shown(found)} for {shown(value)}; code and message must be texts")

    holds()


def any_bytes_with_any_status_are_classified(vendor: Vendor) -> None:
    """Proxies, login pages and half an answer come with every status."""
    terms = terms_of(vendor)

    @FUZZ
    @given(st.sampled_from([200, 202, 400, 401, 402, 404, 408, 429, 500, 503]), json_for(vendor), st.binary(max_size=9))
    def holds(status: int, value: Any, odd: bytes) -> None:
        for body in (json.dumps(value).encode(), odd):
            answer = Answer(status, {}, body)
            try:
                found: object = read_submission(vendor, answer, NOW)
                looked = read_look(vendor, answer, terms, NOW)
            except Exception as error:
                raise Broken(f"HTTP {status} with {shown(body)} made it raise {said_of(error)}; {HINT}") from error
            hold(isinstance(found, Accepted | Refused | Busy | Unclear), f"HTTP {status} {shown(body)}: {shown(found)}")
            hold(not isinstance(found, Accepted) or status < 300, f"HTTP {status} was taken for an acceptance")
            known = isinstance(looked, Report | Missing | Refused | Busy | Unclear)
            hold(known, f"HTTP {status} {shown(body)}: {shown(looked)}")

    holds()


def a_body_that_is_no_object_never_passes_for_an_answer(vendor: Vendor) -> None:
    """A list, a word, a number: whoever sent it, it was not the vendor's page."""
    for body in (b"[]", b'"completed"', b"7", b"true", b"null"):
        answer = Answer(200, {}, body)
        hold(isinstance(read_submission(vendor, answer, NOW), Unclear), f"{body!r} passes for an acceptance")
        hold(isinstance(read_look(vendor, answer, terms_of(vendor), NOW), Unclear), f"{body!r} passes for a report")


# --- ids and paths ------------------------------------------------------------------------------------------


def an_id_is_put_into_the_path_as_it_is(vendor: Vendor) -> None:
    """The path that reads a job is made of its id, on the account's base_url."""
    for request in filter(None, (vendor.status_request, vendor.renew_request)):
        found = request("vg_A1.b-2", terms_of(vendor))
        hold(found.method == "GET", f"a job is read with {found.method}; it must be GET")
        hold(
            "/vg_A1.b-2" in found.path, f"the id is not in the path {found.path}: reads('/videos/{{id}}') puts it there"
        )
        odd = sorted(set(found.path) - set(string.ascii_letters + string.digits + "/_.-"))
        hold(not odd, f"the path {found.path} holds {odd}")


def an_id_that_would_lead_elsewhere_makes_no_call(vendor: Vendor) -> None:
    """An id comes from an answer or a caller; one with a slash in it would read something else with our key."""
    nasty = ["..", ".", "", "a/../../usage", "a?b=1", "a#b", "a%2f", "a\r\nHost: x", "é", "x" * 129]

    @FUZZ
    @given(st.text(max_size=12) | st.sampled_from(nasty))
    def holds(vendor_job_id: str) -> None:
        for request in filter(None, (vendor.status_request, vendor.renew_request)):
            for model in (None, *vendor.models):
                try:
                    path = request(vendor_job_id, terms_of(vendor), model).path
                except InvalidRequest:
                    hold(not is_job_id(vendor_job_id), f"the id {vendor_job_id!r} is refused, and is a sound one")
                else:
                    sound = is_job_id(vendor_job_id) and f"/{vendor_job_id}" in path
                    hold(sound, f"the id {vendor_job_id!r} becomes the path {path!r}: use reads() or job_path()")

    holds()


def an_operator_may_say_where_a_job_is_read(vendor: Vendor) -> None:
    """Pages are sometimes wrong about it: `status_path` in the account goes before the file."""
    found = vendor.status_request("vg_1", terms_of(vendor, status_path="/elsewhere/{id}/now")).path
    hold(
        found == "/elsewhere/vg_1/now",
        f"with status_path = /elsewhere/{{id}}/now a job is read at {found}: use reads()",
    )


# --- how it is looked at --------------------------------------------------------------------------------------


def _payload(value: Any) -> Reading:
    return Reading.parse(json.dumps(value).encode())


def _read(vendor: Vendor, name: str, read: Read) -> list[tuple[Any, Any]]:
    """Feed any JSON to a function that may raise nothing but Unreadable; what it took, and what it made of it."""
    found: list[tuple[Any, Any]] = []

    def look(value: Any) -> None:
        try:
            found.append((value, read(_payload(value))))
        except Unreadable:
            return
        except Exception as error:
            about = f"{name}() raised {said_of(error)} for {shown(value)}"
            raise Broken(f"{about}; it may raise only Unreadable: {HINT}") from error

    for value in likely_for(vendor, read):
        look(value)
    FUZZ(given(json_for(vendor) | spoiled_for(vendor, read))(look))()
    return found


def _hold_report(name: str, report: Any, value: Any) -> None:
    about = f"for {shown(value)}"
    hold(isinstance(report, Report), f"{name} answered {shown(report)} {about}; it must be a Report")
    hold(bool(report.word), f"{name} has no word {about}")
    sound = report.vendor_job_id is None or report.said is None or is_job_id(report.vendor_job_id)
    hold(sound, f"{name} has the id {report.vendor_job_id!r} {about}; use job_id()")
    hold(all(video.url for video in report.videos), f"{name} has a video without an address {about}")
    explained = report.failure is not None or report.said is not Said.FAILED
    hold(explained, f"{name} failed without a failure {about}; failure_from() reads one")
    _hold_amount(name, report.cost, value)
    try:
        json.dumps(report.raw, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Broken(
            f"{name}: raw cannot be written as JSON ({said_of(error)}) {about}; use payload.plain()"
        ) from error


def _hold_amount(name: str, amount: Any, value: Any) -> None:
    if amount is None:
        return
    hold(amount.amount >= 0, f"{name} has the amount {priced(amount)} for {shown(value)}; money_from() reads one")
    told = amount.amount > 0 or _has_zero(value)
    hold(told, f"{name} has a cost of zero that nobody said, for {shown(value)}: unknown is None, never zero")


def _has_zero(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_zero, value.values()))
    if isinstance(value, list):
        return any(map(_has_zero, value))
    try:
        return not isinstance(value, bool) and value is not None and float(value) == 0
    except (TypeError, ValueError):
        return False


CHECKS: tuple[Check, ...] = (
    any_order_becomes_a_call_or_a_list_of_its_problems,
    any_answer_to_an_order_is_an_acceptance_or_unreadable,
    any_answer_to_a_look_is_a_report_or_unreadable,
    any_callback_is_a_report_or_unreadable,
    an_unknown_word_is_no_verdict,
    any_renewal_and_any_history_is_read_or_unreadable,
    any_refusal_is_read,
    any_bytes_with_any_status_are_classified,
    a_body_that_is_no_object_never_passes_for_an_answer,
    an_id_is_put_into_the_path_as_it_is,
    an_id_that_would_lead_elsewhere_makes_no_call,
    an_operator_may_say_where_a_job_is_read,
)
