"""The registry: every file of the folders, others by entry points; what cannot be used is said, not left out."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver import registry
from receiver.registry import HANDLERS, VENDORS, Shelf
from schemas.errors import ConfigurationError
from schemas.vendor import Vendor
from tests.support.packages import Packages, importable

ROOT = Path(__file__).parent.parent.parent
GOOD = """
from schemas.values import replace
from schemas.vendors.vrex import VENDOR as V
VENDOR = replace(V, name={name!r})
"""


@pytest.fixture
def packages(tmp_path: Path) -> Iterator[Packages]:
    with importable(tmp_path) as packages:
        yield packages


@pytest.fixture
def shelf() -> Shelf[Vendor]:
    return Shelf("vendor", "shelf_vendors", "VENDOR", Vendor, "clipbell.test_vendors")


def told(error: pytest.ExceptionInfo[ConfigurationError]) -> list[tuple[str, str]]:
    return [(problem.field, problem.problem) for problem in error.value.problems]


def test_every_built_in_vendor_and_handler_type_can_be_used_under_its_files_name() -> None:
    assert {name: vendor.name for name, vendor in registry.vendors().items()} == {n: n for n in registry.vendor_names()}
    types = registry.handler_types()
    assert {name: kind.name for name, kind in types.items()} == {n: n for n in registry.handler_type_names()}
    assert "vrex" in registry.vendor_names()
    assert "slack" in registry.handler_type_names()


def test_what_handlers_share_is_no_handler_type() -> None:
    assert "protocol" not in registry.handler_type_names()


def test_listing_imports_nothing_and_getting_one_imports_that_one() -> None:
    code = (
        "import sys; from receiver import registry; registry.vendor_names(); registry.handler_type_names();"
        "before = [m for m in sys.modules if m.startswith(('schemas.vendors.', 'handlers.'))];"
        "registry.vendor('vrex');"
        "print(before, 'schemas.vendors.vrex' in sys.modules, 'schemas.vendors.ulazai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['handlers.protocol'] True False"


def test_a_file_is_found_without_being_imported(packages: Packages, shelf: Shelf[Vendor]) -> None:
    packages.vendor_file("acme", "VENDOR = 1 / 0\n")
    packages.vendor_file("_shared", "VENDOR = None\n")
    assert shelf.names() == ("acme",)


def test_another_packages_vendor_is_found_by_its_entry_point(packages: Packages, shelf: Shelf[Vendor]) -> None:
    packages.distribution("plug_a", GOOD.format(name="acme"), "[clipbell.test_vendors]\nacme = plug_a\n")
    packages.distribution(
        "plug_b", "from plug_a import V\nTHING = V\n", "[clipbell.test_vendors]\nvrex = plug_b:THING\n"
    )
    assert {name: vendor.name for name, vendor in shelf.all().items()} == {"acme": "acme", "vrex": "vrex"}


def test_one_that_does_not_exist_is_a_key_error(packages: Packages, shelf: Shelf[Vendor]) -> None:
    with pytest.raises(KeyError):
        shelf.get("acme")
    with pytest.raises(KeyError):
        shelf.get("../acme")


FAILING = [
    (
        "import nothing_like_this\nVENDOR = 1\n",
        "needs the module nothing_like_this, which is not installed; install what it depends on, or uninstall it",
    ),
    ("VENDOR = 1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero; mend or uninstall it"),
    ("raise ValueError('one\\ntwo')\n", "cannot be imported: ValueError: one; mend or uninstall it"),
    ("VENDOR = (\n", "cannot be imported: SyntaxError: '(' was never closed ({file}, line 1); mend or uninstall it"),
    ("raise SystemExit(0)\n", "cannot be imported: it ends the program; mend or uninstall it"),
    ("VENDORS = 1\n", "lacks the constant VENDOR, which makes it a vendor; define it"),
    ("VENDOR = 'acme'\n", "its VENDOR is a str; it must be a Vendor"),
    (GOOD.format(name="other"), 'its VENDOR is named "other"; it must be named "acme" as here'),
]


@pytest.mark.parametrize(("text", "problem"), FAILING)
def test_a_file_that_cannot_be_used_says_which_and_why(
    packages: Packages, shelf: Shelf[Vendor], text: str, problem: str
) -> None:
    packages.vendor_file("acme", text)
    with pytest.raises(ConfigurationError) as error:
        shelf.get("acme")
    assert told(error) == [("shelf_vendors/acme.py", problem.replace("{file}", "acme.py"))]


@pytest.mark.parametrize(("text", "problem"), FAILING)
def test_an_entry_point_that_cannot_be_used_says_which_and_why(
    packages: Packages, shelf: Shelf[Vendor], text: str, problem: str
) -> None:
    packages.distribution("plug_c", text, "[clipbell.test_vendors]\nacme = plug_c\n")
    with pytest.raises(ConfigurationError) as error:
        shelf.get("acme")
    assert told(error) == [("entry point acme of plug_c", problem.replace("{file}", "plug_c.py"))]


MISLEADING = [
    ("acme = plug_gone", "its module plug_gone does not exist; mend the entry point, or install its package again"),
    (
        "acme = plug_c.gone:X",
        "its module plug_c.gone does not exist; mend the entry point, or install its package again",
    ),
    ("acme = plug_c:Inner.V", "lacks the constant Inner.V, which makes it a vendor; define it"),
    (
        "acme = acme clips:V",
        'leads to "acme clips:V", which is no module:CONSTANT; write one such as my_package:VENDOR',
    ),
    ("acme = :V", 'leads to ":V", which is no module:CONSTANT; write one such as my_package:VENDOR'),
    ("Acme! = plug_c", "must be named with a-z, 0-9, _ and - only; rename it in its package"),
]


@pytest.mark.parametrize(("point", "problem"), MISLEADING)
def test_an_entry_point_that_leads_nowhere_says_so(
    packages: Packages, shelf: Shelf[Vendor], point: str, problem: str
) -> None:
    packages.distribution("plug_c", "VENDORS = 1\n", f"[clipbell.test_vendors]\n{point}\n")
    with pytest.raises(ConfigurationError) as error:
        shelf.all()
    assert told(error) == [(f"entry point {point.split(' ', maxsplit=1)[0]} of plug_c", problem)]


def test_a_constant_within_another_is_found(packages: Packages, shelf: Shelf[Vendor]) -> None:
    text = f"{GOOD.format(name='acme')}\nclass Inner:\n    V = VENDOR\n"
    packages.distribution("plug_e", text, "[clipbell.test_vendors]\nacme = plug_e:Inner.V\n")
    assert shelf.get("acme").name == "acme"


def test_plug_ins_are_those_of_other_packages(packages: Packages, shelf: Shelf[Vendor]) -> None:
    packages.vendor_file("bolt", "VENDOR = 1 / 0\n")
    packages.distribution("plug_f", GOOD.format(name="acme"), "[clipbell.test_vendors]\nacme = plug_f\n")
    assert list(shelf.plug_ins()) == ["acme"]


def test_every_broken_plug_in_is_told_of_at_once(packages: Packages) -> None:
    packages.distribution(
        "plug_g", "1 / 0\n", "[clipbell.vendors]\nacme = plug_g\n[clipbell.handlers]\nntfy = plug_g\n"
    )
    with pytest.raises(ConfigurationError) as error:
        registry.check_plug_ins()
    problem = "cannot be imported: ZeroDivisionError: division by zero; mend or uninstall it"
    assert told(error) == [("entry point acme of plug_g", problem), ("entry point ntfy of plug_g", problem)]


def test_a_plug_in_that_is_not_installed_is_loaded_by_its_place(packages: Packages) -> None:
    packages.distribution("plug_h", f"{GOOD.format(name='acme')}\nTHING = 1\n", "")
    assert registry.loaded("plug_h:VENDOR").name == "acme"
    for where, problem in (
        ("plug_h:THING", "is of type int; it must be a HandlerType or a Vendor"),
        ("plug_h", "lacks the constant HANDLER, which makes it a handler type or vendor; define it"),
        ("plug h", "is no module:CONSTANT; write one such as my_package:HANDLER"),
    ):
        with pytest.raises(ConfigurationError) as error:
            registry.loaded(where)
        assert told(error) == [(where, problem)]


def test_all_tells_of_every_one_that_cannot_be_used(packages: Packages, shelf: Shelf[Vendor]) -> None:
    packages.vendor_file("acme", "VENDOR = 1 / 0\n")
    packages.vendor_file("bolt", "VENDOR = None\n")
    packages.vendor_file("vrex", "from schemas.vendors.vrex import VENDOR as VENDOR\nVENDOR = VENDOR\n")
    with pytest.raises(ConfigurationError) as error:
        shelf.all()
    assert [field for field, _ in told(error)] == ["shelf_vendors/acme.py", "shelf_vendors/bolt.py"]


def test_two_of_one_name_stop_even_the_listing(packages: Packages, shelf: Shelf[Vendor]) -> None:
    packages.vendor_file("acme", GOOD.format(name="acme"))
    packages.distribution("plug_d", GOOD.format(name="acme"), "[clipbell.test_vendors]\nacme = plug_d\n")
    with pytest.raises(ConfigurationError) as error:
        shelf.names()
    problem = "there is a vendor acme already: shelf_vendors/acme.py; uninstall one"
    assert told(error) == [("entry point acme of plug_d", problem)]


def test_the_shelves_are_those_of_the_two_groups_of_entry_points() -> None:
    assert (VENDORS.group, HANDLERS.group) == ("clipbell.vendors", "clipbell.handlers")
