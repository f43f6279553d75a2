"""File names: templates are checked at the start, and no value leads out of the folder."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.naming import FIELDS, belongs_to_job, check_template, file_name, slug
from schemas.values import replace
from tests.support.parcels import READY

DEFAULT = "{vendor}/{job_id}-{n}"
ALL = "{vendor}/{account}/{batch}/{date}/{slug}/{job_id}-{n}"


def test_the_default_name_is_vendor_job_and_number() -> None:
    assert file_name(DEFAULT, READY, 2, ".mp4") == PurePosixPath("vrex/job_01jgh0000000000000000000b1-2.mp4")


def test_every_field_can_be_used() -> None:
    event = replace(READY, account="vrex-client", batch="spring sale")
    assert str(file_name(ALL, event, 1, ".mp4")) == (
        "vrex/vrex-client/spring-sale/2025-01-01/a-cat-rides-a-bicycle/job_01jgh0000000000000000000b1-1.mp4"
    )


def test_a_template_without_a_number_gets_one_from_the_second_file_on() -> None:
    assert [str(file_name("{job_id}", READY, n, ".mp4"))[-9:] for n in (1, 2)] == ["000b1.mp4", "0b1-2.mp4"]


def test_a_name_that_is_taken_gets_the_jobs_id() -> None:
    name = file_name("{date}/{slug}", READY, 1, ".mp4", apart=True)
    assert name.name == "a-cat-rides-a-bicycle-job_01jgh0000000000000000000b1.mp4"
    assert not belongs_to_job("{date}/{slug}")
    assert belongs_to_job(DEFAULT)


@pytest.mark.parametrize(
    "template",
    ["{slug}-{batch}-{job_id}-{n}", "{slug}-{batch}", "{batch}-{slug}-{job_id}/{n}", "{slug}-{batch}-{n}/{job_id}"],
)
def test_a_name_that_is_cut_still_tells_jobs_and_files_apart(template: str) -> None:
    one = replace(READY, prompt="a long way " * 20, batch="b" * 100)
    other = replace(one, job_id="job_01jgh0000000000000000000b2")
    made = [file_name(template, event, n, ".mp4", apart=True) for event in (one, other) for n in (1, 2)]
    assert len(set(made)) == 4
    assert all(len(piece.encode()) <= 124 for name in made for piece in name.parts)


def test_a_brace_that_is_written_out_is_no_field() -> None:
    assert not belongs_to_job("{{job_id}}")
    assert str(file_name("{{n}}", READY, 2, ".mp4")) == "{n}-2.mp4"


@pytest.mark.parametrize(
    "template",
    [
        "",
        "/abs/{n}",
        "../{n}",
        "a/../{n}",
        "a//b",
        "a/",
        ".hidden/{n}",
        "a\\b",
        "a\nb",
        "a\0b",
        "{nope}",
        "{}",
        "{0}",
        "{n.__class__}",
        "{n!r}",
        "{n:>10}",
        "{",
        "a}b",
        "x" * 121,
        " a",
        "./{n}",
    ],
)
def test_templates_that_lead_elsewhere_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"must|fields are|too|knows no|has a part"):
        check_template(template)


@pytest.mark.parametrize("template", [DEFAULT, ALL, "Clips of {date}/{slug} ({n})", "ü/{job_id}"])
def test_usual_templates_pass(template: str) -> None:
    check_template(template)


def test_device_names_and_long_values_are_defused() -> None:
    assert str(file_name("{vendor}/{n}", replace(READY, vendor="CON"), 1, ".mp4")) == "_CON/1.mp4"
    long = file_name("{batch}-{vendor}-{account}", replace(READY, batch="b" * 500, vendor="v" * 500), 1, ".mp4")
    assert len(str(long)) <= 124


def test_slugs_keep_letters_of_any_script() -> None:
    assert slug("A cat; rides/../a BICYCLE!") == "a-cat-rides-a-bicycle"
    assert slug("一只猫 骑车") == "一只猫-骑车"
    assert slug("🎬🎬") == "clip"
    assert slug(None) == "clip"
    assert len(slug("é" * 500).encode()) <= 60


HOSTILE = st.text(max_size=40) | st.sampled_from(
    ["../../x", "/etc", "a/b", "..", ".", "", "a\0b", "COM1", "x" * 400, "..\\.."]
)


@settings(max_examples=200, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_value_leads_out_of_the_folder(vendor: str, account: str, batch: str, prompt: str) -> None:
    event = replace(READY, vendor=vendor, account=account, batch=batch, prompt=prompt, job_id=vendor)
    name = file_name("{vendor}/{account}{batch}/x{slug}.{job_id}-{n}", event, 1, ".mp4")
    assert len(name.parts) == 3
    root = Path("/srv/target")
    assert (root / name).resolve(strict=False).is_relative_to(root)
    assert not any(part.startswith(".") or "\0" in part or len(part.encode()) > 125 for part in name.parts)


def test_the_list_of_fields_is_complete() -> None:
    assert {f"{{{name}}}" for name in FIELDS} == set(ALL.replace("-", "/").split("/"))
