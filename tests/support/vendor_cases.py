"""The golden pairs of our own vendors: `tests/fixtures/<vendor>/<case>.json`."""

from collections.abc import Sequence
from pathlib import Path

from receiver.suite.golden import Case, cases_in
from tests.support.vendors import vendor_named

FIXTURES = Path(__file__).parent.parent / "fixtures"
VENDORS_WITH_CASES = ("vrex", "ulazai", "artnex", "veo3gen", "aivideoapi")


def every_case() -> Sequence[Case]:
    """All cases of all vendors."""
    return [case for name in VENDORS_WITH_CASES for case in cases_in(vendor_named(name), FIXTURES / name)]
