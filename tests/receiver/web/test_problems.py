"""Refusals as responses."""

import json

import pytest

from receiver.web.problems import problem_of
from schemas.errors import VendorBusy


@pytest.mark.parametrize(("seconds", "header"), [(59.2, "60"), (7.0, "7"), (0.2, "1"), (3599.98, "3600")])
def test_whoever_waits_as_long_as_the_header_says_has_waited_long_enough(seconds: float, header: str) -> None:
    answer = problem_of(VendorBusy("Busy.", retry_after=seconds))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, header)
    assert json.loads(bytes(answer.body))["retry_after"] == seconds
