"""The tree of errors: what each answers with, and that its text is made of problems, not of values."""

import pytest

from schemas import errors
from schemas.errors import (
    ClipbellError,
    ConfigurationError,
    InvalidOrder,
    InvalidRequest,
    Problem,
    RequestRefused,
    Unreadable,
    VendorBalance,
    VendorBusy,
    VendorRefused,
)

ANSWERS = {
    "Unauthorized": (401, "unauthorized"),
    "NotFound": (404, "not_found"),
    "Conflict": (409, "conflict"),
    "IdempotencyMismatch": (409, "idempotency_mismatch"),
    "TooLarge": (413, "too_large"),
    "InvalidOrder": (422, "invalid_order"),
    "InvalidRequest": (422, "invalid_request"),
    "BudgetReached": (402, "budget_reached"),
    "VendorRefused": (400, "vendor_refused"),
    "VendorBalance": (402, "vendor_balance"),
    "Taken": (409, "conflict"),
    "VendorBusy": (429, "vendor_busy"),
    "VendorUnreachable": (502, "vendor_unreachable"),
}


@pytest.mark.parametrize(("name", "answer"), ANSWERS.items())
def test_a_refusal_answers_as_the_contract_says(name: str, answer: tuple[int, str]) -> None:
    kind = getattr(errors, name)
    assert (kind.status, kind.code) == answer
    assert issubclass(kind, RequestRefused)


def test_every_error_is_of_the_tree() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(kinds) > 20
    assert all(issubclass(kind, ClipbellError) for kind in kinds)


def test_only_refusals_become_answers() -> None:
    answering = {name for name, kind in vars(errors).items() if isinstance(kind, type) and hasattr(kind, "status")}
    assert answering == {*ANSWERS, "RequestRefused", "VendorSaidNo"}


def test_an_invalid_order_lists_everything_that_is_wrong() -> None:
    error = InvalidOrder([Problem("prompt", "is missing"), Problem("params.seed", "must be a number")])
    assert str(error) == "prompt: is missing; params.seed: must be a number"
    assert [problem.field for problem in error.problems] == ["prompt", "params.seed"]
    assert isinstance(InvalidRequest([Problem("limit", "is odd")]), InvalidOrder)


def test_a_bad_configuration_is_listed_line_by_line() -> None:
    error = ConfigurationError([Problem("api_token", "is missing"), Problem("listen", "is odd")])
    assert str(error) == "api_token: is missing\nlisten: is odd"
    assert len(error.problems) == 2


def test_what_the_vendor_said_goes_along_as_data() -> None:
    for kind in (VendorRefused, VendorBalance):
        error = kind("No.", vendor_status=400, vendor_code="X", vendor_message="m")
        assert (error.vendor_status, error.vendor_code, error.vendor_message, error.job_id) == (400, "X", "m", None)
        assert str(error) == "No."
    assert VendorBusy("Wait.", retry_after=3.5).retry_after == 3.5


def test_what_cannot_be_read_says_where() -> None:
    assert str(Unreadable("", "is not JSON")) == "body: is not JSON"
    assert str(Unreadable("output.urls[0]", "must be a string")) == "output.urls[0]: must be a string"
