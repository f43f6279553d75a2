"""A page that teaches: its steps in order, as a reader does them: files to write, commands to run, lines to add."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^`(?P<name>[\w./-]+)`\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """One block of code; `name`: the file that it is, where the page says so."""

    language: str
    text: str
    name: str | None = None


def blocks(page: str) -> Sequence[Block]:
    """Every block of a page."""
    return [Block(found["language"], found["text"], found["name"]) for found in _BLOCK.finditer(page)]


def files(page: str) -> Mapping[str, str]:
    """The files that a page has its reader write."""
    return {block.name: block.text for block in blocks(page) if block.name}


def commands(page: str) -> Sequence[str]:
    """What it has its reader type, block by block."""
    return [block.text for block in blocks(page) if block.language == "sh"]


def settings(page: str) -> str:
    """What it has its reader add to the configuration."""
    return "\n".join(block.text for block in blocks(page) if block.language == "toml" and not block.name)


def write(page: str, folder: Path) -> None:
    """Write its files into a folder."""
    for name, text in files(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
