"""The package: everything is in it, and a user's own schemas.py does not get in the way of `import clipbell`."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.packages import ROOMS, ROOT, copy_sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_folder_with_code_is_listed_as_a_package() -> None:
    folders = {file.parent.relative_to(ROOT) for room in ROOMS for file in (ROOT / room).rglob("*.py")}
    found = {str(folder).replace("/", ".") for folder in folders}
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted({*found, "clipbell"})


def test_every_dependency_has_a_constraint() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(each for extra in extras for each in extra)]
    pinned = {_plain(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    assert [each for each in wanted if _plain(re.split(r"[\[><=;]", each)[0]) not in {*pinned, "clipbell"}] == []


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package, built from a copy of the sources, was installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    copy_sources(source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, stdin=subprocess.DEVNULL)
    return target


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A user's folder with modules of our rooms' names."""
    for name in ROOMS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    return tmp_path


def run(argv: list[str], folder: Path, path: Path | None = None) -> str:
    environ = {**os.environ, "PYTHONPATH": str(path) if path else ""}
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


IMPORT = "import clipbell; print(clipbell.__file__); clipbell.Clipbell; clipbell.AsyncClipbell"


@pytest.mark.package
@pytest.mark.timeout(300)
def test_the_package_holds_every_file_of_ours(installed: Path) -> None:
    files = {str(file.relative_to(ROOT)) for room in ROOMS for file in (ROOT / room).rglob("*") if file.is_file()}
    missing = [file for file in files if "__pycache__" not in file and not (installed / file).exists()]
    assert sorted(missing) == []


@pytest.mark.package
@pytest.mark.timeout(300)
def test_the_client_imports_beside_a_users_own_modules(installed: Path, hostile: Path) -> None:
    assert run([sys.executable, "-c", IMPORT], hostile, installed) == str(installed / "clipbell" / "__init__.py")


@pytest.mark.package
@pytest.mark.timeout(300)
def test_the_users_own_modules_would_be_in_the_way(installed: Path, hostile: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import schemas"], cwd=hostile, check=False, capture_output=True)
    assert b"the wrong module" in done.stderr


@pytest.mark.package
@pytest.mark.timeout(300)
def test_the_command_runs_beside_a_users_own_modules(installed: Path, hostile: Path) -> None:
    assert "Usage" in run([str(installed / "bin" / "clipbell"), "--help"], hostile, installed)


@pytest.mark.package
def test_an_editable_install_imports_beside_a_users_own_modules(hostile: Path) -> None:
    try:
        metadata.distribution("clipbell")
    except metadata.PackageNotFoundError:
        pytest.skip("clipbell is not installed in this environment; `make package` does that")
    assert run([sys.executable, "-c", IMPORT], hostile) == str(ROOT / "receiver" / "client" / "__init__.py")
