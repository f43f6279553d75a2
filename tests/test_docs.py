"""README under test: its configuration loads, its commands exist, its links lead somewhere."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from receiver import settings
from schemas.errors import ConfigurationError
from tests.support.program import CLIPBELL

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SECRETS = {"at least 32 characters …": "s" * 32, "at least 24 characters …": "t" * 24}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def verbs() -> set[str]:
    shown = subprocess.run([CLIPBELL, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  ([a-z]+) ", shown, re.MULTILINE))


@pytest.mark.parametrize("block", blocks("toml"))
def test_a_configuration_of_readme_is_taken(block: str, tmp_path: Path) -> None:
    for placeholder, secret in SECRETS.items():
        block = block.replace(placeholder, secret)
    block = block.replace("…", "x")  # what a reader fills in
    if "secret_keys" not in block:
        block = f'secret_keys = ["{"s" * 32}"]\napi_token = "{"t" * 24}"\n{block}'
    path = tmp_path / "clipbell.toml"
    path.write_text(block)
    assert settings.load(path, {}).accounts


def test_every_verb_that_readme_names_exists() -> None:
    named = set(re.findall(r"(?:^|`)clipbell ([a-z]+)", README, re.MULTILINE))
    assert {"submit", "demo"} <= named
    assert named <= verbs()


def test_every_target_that_readme_names_can_be_made() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("block", blocks("python"))
def test_python_of_readme_is_python(block: str) -> None:
    ast.parse(block)


def test_links_of_readme_lead_to_files() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_a_wrong_configuration_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "clipbell.toml"
    path.write_text(tomllib.loads('a = "nonsense = 1"')["a"])
    with pytest.raises(ConfigurationError):
        settings.load(path, {})
