"""Packages on the import path for as long as a test lasts: a folder of vendor files, and installed distributions.

And the sources of our own, to build from.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("schemas", "handlers", "receiver")


def copy_sources(target: Path) -> None:
    """Copy what the package is built from, so that building leaves nothing among the sources."""
    for name in ROOMS:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)


class Packages:
    """A folder with the package `shelf_vendors`, to which files and distributions (`plug_…`) can be added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shelf_vendors").mkdir()
        (folder / "shelf_vendors" / "__init__.py").touch()

    def vendor_file(self, name: str, text: str) -> None:
        (self.folder / "shelf_vendors" / f"{name}.py").write_text(text)
        invalidate_caches()

    def distribution(self, name: str, module: str, points: str) -> None:
        (self.folder / f"{name}.py").write_text(module)
        info = self.folder / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(points)
        invalidate_caches()


@contextmanager
def importable(folder: Path) -> Iterator[Packages]:
    """Put a folder on the import path; afterwards nothing of it is left imported."""
    sys.path.insert(0, str(folder))
    try:
        yield Packages(folder)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.startswith(("shelf_vendors", "plug_"))]:
            del sys.modules[name]
