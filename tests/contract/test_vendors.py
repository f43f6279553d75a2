"""What `schemas/vendor.py` promises, over every vendor file that lies in the folder. Knows none of them by name.

The checks are those that a plug-in's author runs: `receiver/suite/`.
"""

import re
from pathlib import Path

import pytest

import schemas
from receiver.suite import vendors
from receiver.suite.anything import likings_of
from receiver.suite.vendors import Check, terms_of
from schemas.vendor import Vendor
from tests.support.vendors import every_vendor

VENDORS = every_vendor()
EACH = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
FOLDER = Path(schemas.__file__ or "").parent / "vendors"


@pytest.mark.parametrize("check", vendors.checks(), ids=lambda check: check.__name__)
@EACH
def test_the_promise_holds(vendor: Vendor, check: Check) -> None:
    check(vendor)


def test_the_folder_is_not_empty_and_names_are_those_of_the_files() -> None:
    assert len(VENDORS) >= 2
    files = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
    assert [vendor.name for vendor in VENDORS] == files


@EACH
def test_a_vendor_file_stays_a_page_or_two(vendor: Vendor) -> None:
    assert len((FOLDER / f"{vendor.name}.py").read_text().splitlines()) <= 200


@EACH
def test_what_a_reader_likes_is_learnt_from_its_complaints(vendor: Vendor) -> None:
    """Without that, any JSON would hardly ever get as far as a report."""
    [unknown, *known] = likings_of(vendor, lambda payload: vendor.report_from_status(payload, terms_of(vendor)))
    source = (FOLDER / f"{vendor.name}.py").read_text()
    for liking in (unknown, *known):
        asked = {name for place in liking.asked for name in place}
        assert len(asked) > 5
        assert len({name for name in asked if re.search(rf'"{re.escape(name)}"', source)}) > 3
