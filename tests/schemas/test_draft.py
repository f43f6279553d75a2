"""Draft: a request body in the making: common fields, the vendor's own over them, and every problem by its origin."""

from typing import Any

import pytest

from schemas.draft import Draft, flag, images, integer, one_of, text
from schemas.errors import InvalidOrder
from schemas.order import ImageRule, Order

FIELDS = {"prompt": text(1, 5), "length": one_of(4, 6), "seed": integer(1, 9), "sound": flag}


def draft_of(**given: Any) -> Draft:
    return Draft(Order(**{"vendor": "v", "prompt": "cat", **given}))


def problems_of(draft: Draft) -> dict[str, str]:
    with pytest.raises(InvalidOrder) as caught:
        draft.done()
    return {problem.field: problem.problem for problem in caught.value.problems}


def test_common_fields_go_under_the_vendors_names() -> None:
    draft = draft_of(seconds=4, model="m")
    draft.common(prompt="prompt", seconds="length", model="model_name")
    assert draft.done() == {"prompt": "cat", "length": 4, "model_name": "m"}


def test_a_common_field_that_the_vendor_lacks_is_refused_whatever_its_value() -> None:
    for given in ({"seconds": 0}, {"aspect_ratio": ""}, {"images": ["x"]}, {"model": ""}):
        draft = draft_of(**given)
        draft.common(prompt="prompt")
        assert problems_of(draft) == dict.fromkeys(given, "cannot be chosen at this vendor; leave it out")


def test_a_common_field_that_was_not_given_is_no_problem() -> None:
    draft = draft_of()
    draft.common(prompt="prompt")
    assert draft.done() == {"prompt": "cat"}


def test_a_common_field_may_be_left_to_the_vendors_file() -> None:
    draft = draft_of(images=["x"])
    draft.common(prompt="prompt", images=None)
    assert draft.done() == {"prompt": "cat"}


def test_the_vendors_own_names_win_and_problems_name_what_the_caller_wrote() -> None:
    draft = draft_of(
        seconds=5, params={"prompt": "a long one", "webhook_url": "x", "fps": 1, "seed": 10, "sound": None}
    )
    draft.common(prompt="prompt", seconds="length")
    draft.merge(draft.order.params, FIELDS, allow_unknown=False)
    draft.check(FIELDS)
    assert problems_of(draft) == {
        "params.prompt": "must have at most 5 characters; it has 10",
        "seconds": "must be one of 4, 6",
        "params.webhook_url": "is set by clipbell itself; leave it out",
        "params.fps": "is not on the vendor's page; set allow_unknown_params = true for the account to send it anyway",
        "params.seed": "must be a whole number from 1 to 9",
    }


def test_unknown_names_go_through_where_the_operator_says_so_but_never_ours() -> None:
    draft = draft_of(params={"fps": 24, "webhook_url": "x"})
    draft.merge(draft.order.params, FIELDS, allow_unknown=True, origin="params.input")
    assert draft.body == {"fps": 24}
    assert list(problems_of(draft)) == ["params.input.webhook_url"]


@pytest.mark.parametrize(
    "name", ["webhook_url", "callback_url", "callBackUrl", "WEBHOOK", "api_key", "X-API-Key", "Authorization"]
)
def test_callback_and_authentication_are_ours_in_every_spelling(name: str) -> None:
    draft = draft_of(params={name: "x"})
    draft.merge(draft.order.params, {name: text()}, allow_unknown=True)
    assert problems_of(draft) == {f"params.{name}": "is set by clipbell itself; leave it out"}


def test_defaults_fill_what_was_left_open_only() -> None:
    draft = draft_of(seconds=4)
    draft.common(prompt="prompt", seconds="length")
    draft.default("length", 6)
    draft.default("seed", 1)
    assert draft.done() == {"prompt": "cat", "length": 4, "seed": 1}


def test_a_field_that_must_be_there() -> None:
    draft = draft_of()
    draft.require("model", "is missing; name one")
    draft.require("model", "is missing; name one")
    assert problems_of(draft) == {"model": "is missing; name one"}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("ab", None),
        ("abcde", None),
        ("a", "must have at least 2 characters"),
        ("    ", "must have at least 2 characters"),
        ("abcdef", "must have at most 5 characters; it has 6"),
        (7, "must be a string"),
        (None, "must be a string"),
    ],
)
def test_text(value: Any, problem: str | None) -> None:
    assert text(2, 5)(value) == problem
    assert text()("") is None


@pytest.mark.parametrize("value", [True, 4.0, "4", [4], {}, None])
def test_one_of_means_the_same_kind(value: Any) -> None:
    assert one_of(1, 4)(value) == "must be one of 1, 4"
    assert one_of(1, 4)(4) is None


@pytest.mark.parametrize("value", [0, 10, True, 5.0, "5", None])
def test_integer(value: Any) -> None:
    assert integer(1, 9)(value) == "must be a whole number from 1 to 9"
    assert integer(1, 9)(9) is None


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_flag(value: Any) -> None:
    assert flag(value) == "must be true or false"
    assert flag(False) is None


def test_images_are_counted_and_each_that_will_not_do_is_named() -> None:
    rule = images(ImageRule(None), 1, 3)
    good = "https://example.com/a.jpg"
    wanted = "must be an https URL of a public host"
    assert rule([good]) is None
    for value in ([], [good] * 4, good, None):
        assert rule(value) == "must be a list of 1 to 3 images"
    assert rule([good, "http://x.com", 7]) == f"image 2 {wanted}; image 3 must be a string: an https URL or a data URL"
    assert images(ImageRule(None), 1, 1)([]) == "must be a list of 1 image"
    assert images(ImageRule(None), 2, 2)([good]) == "must be a list of 2 images"
