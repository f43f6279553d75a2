"""Golden files: what a pure function said last time, kept on disk. `GOLDEN=write` writes them anew."""

import json
import os
from pathlib import Path
from typing import Any


def assert_golden(got: Any, path: Path) -> None:
    """Compare a JSON value (or a text) with the file that keeps it."""
    text = got if isinstance(got, str) else json.dumps(got, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; GOLDEN=write pytest … if that is meant"
