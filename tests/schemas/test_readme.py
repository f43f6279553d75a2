"""The README of schemas under test: its template is a vendor that works, its golden pairs are some."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import schemas
from receiver.suite.checks import checks_of
from receiver.suite.golden import NOW, golden_checks
from schemas.answers import Refused, Unclear, read_submission
from schemas.errors import InvalidOrder
from schemas.order import Order
from schemas.vendor import Accepted, Answer, Vendor
from tests.support import pages
from tests.support.vendors import terms_of

README = (Path(schemas.__file__ or "").parent / "README.md").read_text()
FILES = pages.files(README)


@pytest.fixture
def acme() -> Iterator[Vendor]:
    module = ModuleType("acme_of_the_readme")
    sys.modules[module.__name__] = module
    exec(compile(FILES["clipbell_acme.py"], "README.md", "exec"), vars(module))
    yield module.VENDOR
    del sys.modules[module.__name__]


def test_the_template_passes_the_suite_of_vendors(acme: Vendor) -> None:
    checks = checks_of(acme)
    assert len(checks) > 20
    for check in checks:
        check()


def test_the_template_makes_a_call_and_reads_its_answers(acme: Vendor) -> None:
    found = acme.submission(Order(vendor="acme", prompt="A cat"), terms_of(acme), None)
    assert found.request.json == {"prompt": "A cat", "model": "acme-1", "duration": 8}
    assert found.estimate is not None
    assert found.estimate.to_json() == {"amount": "40", "unit": "credits"}
    assert read_submission(acme, Answer(200, {}, b'{"id": "a1"}'), NOW) == Accepted("a1")
    assert isinstance(read_submission(acme, Answer(200, {}, b"{}"), NOW), Unclear)
    assert isinstance(read_submission(acme, Answer(402, {}, b'{"error": "no_credits"}'), NOW), Refused)
    with pytest.raises(InvalidOrder, match="seconds"):
        acme.submission(Order(vendor="acme", prompt="A cat", seconds=3), terms_of(acme), None)


def test_the_golden_pairs_are_some(acme: Vendor, tmp_path: Path) -> None:
    pages.write(README, tmp_path)
    checks = golden_checks(acme, tmp_path / "cases")
    assert len(checks) == 5
    for check in checks:
        check()


def test_its_package_names_the_template(acme: Vendor) -> None:
    project = tomllib.loads(FILES["pyproject.toml"])
    points = project["project"]["entry-points"]["clipbell.vendors"]
    [module] = project["tool"]["setuptools"]["py-modules"]
    assert points == {acme.name: f"{module}:VENDOR"}
    assert list(tomllib.loads(pages.settings(README))["vendors"]) == [acme.name]


def test_every_module_is_in_the_table() -> None:
    folder = Path(schemas.__file__ or "").parent
    missing = [path.name for path in folder.glob("*.py") if path.stem != "__init__" and f"`{path.name}`" not in README]
    assert missing == []
