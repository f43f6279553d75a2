"""The small tools that vendor files are built with."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas import forms
from schemas.errors import InvalidRequest
from schemas.order import ImageRule
from schemas.report import Said
from schemas.vendor import Part, Request, Terms, bearer, job_path, reads, until_midnight, words

TERMS = Terms(words(completed="done", failed="broken"), {})
RULE = ImageRule(1000, ("image/png",))


def test_a_table_of_words_is_made_out_of_the_words_for_each_meaning() -> None:
    assert words(pending="pending queued", running="processing", completed="completed", failed="failed error") == {
        "pending": Said.PENDING,
        "queued": Said.PENDING,
        "processing": Said.RUNNING,
        "completed": Said.COMPLETED,
        "failed": Said.FAILED,
        "error": Said.FAILED,
    }


def test_a_word_means_the_same_in_capitals_and_an_unknown_one_nothing() -> None:
    assert TERMS.said("DONE") is Said.COMPLETED
    assert TERMS.said("completed") is None
    assert TERMS.said("") is None


def test_the_key_goes_into_the_usual_header() -> None:
    assert bearer("sk-1") == {"authorization": "Bearer sk-1"}


def test_an_id_goes_into_the_path() -> None:
    assert job_path("/videos/{id}/status", "vg_1") == "/videos/vg_1/status"


@pytest.mark.parametrize("vendor_job_id", ["", "..", "a/b", "a?b", "{id}"])
def test_an_id_that_would_lead_elsewhere_is_refused_in_words(vendor_job_id: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        job_path("/videos/{id}", vendor_job_id)
    assert [problem.field for problem in caught.value.problems] == ["vendor_job_id"]
    assert "must be the vendor's id of the job" in str(caught.value)


def test_where_a_job_is_read_may_be_the_operators_word_unless_it_is_fixed() -> None:
    told = Terms({}, {}, status_path="/elsewhere/{id}")
    assert reads("/videos/{id}")("vg_1", TERMS) == Request("GET", "/videos/vg_1")
    assert reads("/videos/{id}")("vg_1", told, "some-model") == Request("GET", "/elsewhere/vg_1")
    assert reads("/download/{id}", fixed=True)("vg_1", told) == Request("GET", "/download/vg_1")


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2025, 1, 1, 0, 0, 0, tzinfo=UTC), 86_400),
        (datetime(2025, 1, 1, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2025, 1, 1, 23, 0, 0, tzinfo=timezone(timedelta(hours=-2))), 82_800),
    ],
)
def test_midnight_is_that_of_utc(now: datetime, seconds: int) -> None:
    assert until_midnight(now) == seconds


def test_fields_of_a_form_are_text_as_json_writes_it() -> None:
    assert forms.fields({"a": "é", "b": True, "c": 8, "d": [None]}) == (
        Part("a", "é".encode()),
        Part("b", b"true"),
        Part("c", b"8"),
        Part("d", b"[null]"),
    )


def test_an_image_of_a_form_is_the_file_or_where_to_get_it() -> None:
    assert forms.file("image", "DATA:IMAGE/PNG;base64,aGk=", RULE) == Part("image", b"hi", "image.png", "image/png")
    url = "https://example.com/a.png"
    assert forms.file("image", url, RULE) == Part("image", b"", "image", None, url, 1000, ("image/png",))
