"""`clipbell check`: every promise a line, what is broken said with its reason, and the exit code."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import handlers
import schemas
from tests.support import pages
from tests.support.command_line import clipbell

NTFY = (Path(str(handlers.__file__)).parent / "README.md").read_text("utf-8")
ACME = (Path(str(schemas.__file__)).parent / "README.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def _imports_nothing_for_good(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a folder holds is imported for one test only."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("clipbell_", "plain")):
            del sys.modules[name]


def test_a_good_handler_holds_every_promise(tmp_path: Path) -> None:
    pages.write(NTFY, tmp_path)
    ended = clipbell("check", "clipbell_ntfy:HANDLER", folder=tmp_path)
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert lines[0] == "Handler type clipbell_ntfy:HANDLER: 28 promises"
    assert lines[-1] == "Every promise holds."
    assert sum(line.startswith("  holds  ") for line in lines) == 28


def test_a_broken_promise_is_said_with_its_reason(tmp_path: Path) -> None:
    pages.write(NTFY, tmp_path)
    module = tmp_path / "clipbell_ntfy.py"
    wrong = module.read_text().replace("for parcel in parcels}", "for parcel in parcels[1:]}")
    module.write_text(wrong)
    ended = clipbell("check", "clipbell_ntfy:HANDLER", folder=tmp_path)
    assert ended.code == 1
    [shown] = [block.text for block in pages.blocks(NTFY) if block.language == "text"]
    assert shown in ended.out
    assert " promises broken." in ended.out.splitlines()[-1]
    assert ended.err.splitlines()[-1].endswith("a case says what is: --case FILE.py")


def test_a_program_that_a_plug_in_starts_is_told_of(tmp_path: Path) -> None:
    pages.write(NTFY, tmp_path)
    module = tmp_path / "clipbell_ntfy.py"
    first, found, rest = module.read_text().partition("    async def deliver(")
    assert found
    signature, body = rest.split("\n", 1)
    start = '        await __import__("asyncio").to_thread(__import__("subprocess").run, ["true"])\n'
    module.write_text(f"{first}{found}{signature}\n{start}{body}")
    ended = clipbell("check", "clipbell_ntfy:HANDLER", folder=tmp_path)
    assert "It started true. A program of its own is beyond the check" in ended.out + ended.err
    [told] = json.loads(clipbell("check", "clipbell_ntfy:HANDLER", "--json", folder=tmp_path).out)
    programs = {each["promise"]: each["programs"] for each in told["results"]}
    assert programs["every event gets an outcome"] == ["true"]
    assert programs["a missing option is named"] == []


def test_a_case_tells_what_check_cannot_know(tmp_path: Path) -> None:
    pages.write(NTFY, tmp_path)
    case = "CASE = Case(verdict=lambda status: 'TryLater' if status == 404 else usual(status))"
    (tmp_path / "check_ntfy.py").write_text(f"from receiver.suite import Case, usual\n{case}\n")
    ended = clipbell("check", "clipbell_ntfy:HANDLER", "--case", "check_ntfy.py", "--json", folder=tmp_path)
    [found] = json.loads(ended.out)
    assert ended.code == 1
    assert found["name"] == "clipbell_ntfy:HANDLER"
    broken = {each["promise"]: each["said"] for each in found["results"] if each["outcome"] == "broken"}
    assert list(broken) == ["every HTTP status has its verdict"]
    assert broken["every HTTP status has its verdict"].startswith("HTTP 404 became GiveUp, must be TryLater:")


def test_a_vendor_is_checked_with_its_golden_pairs(tmp_path: Path) -> None:
    pages.write(ACME, tmp_path)
    pair = tmp_path / "cases" / "callback-done.json"
    pair.write_text(pair.read_text().replace('"said": "completed"', '"said": "failed"'))
    ended = clipbell("check", "clipbell_acme:VENDOR", "--cases", "cases", folder=tmp_path)
    assert ended.code == 1
    assert "  broken golden pair callback-done\n         it becomes {" in ended.out
    assert "Why: the page's example" in ended.out
    assert ended.out.splitlines()[-1] == "1 of 33 promises broken."


def test_a_vendor_that_takes_an_unknown_word_for_a_failure_is_told_what_its_page_says(tmp_path: Path) -> None:
    pages.write(ACME, tmp_path)
    module = tmp_path / "clipbell_acme.py"
    text = module.read_text().replace("said = terms.said(word)\n", "said = terms.said(word) or Said.FAILED\n")
    module.write_text(text.replace("import Report\n", "import Report, Said\n"))
    ended = clipbell("check", "clipbell_acme:VENDOR", folder=tmp_path)
    [shown] = [block.text for block in pages.blocks(ACME) if block.language == "text"]
    assert shown.rstrip("\n") in ended.out
    assert ended.code == 1


def test_an_installed_one_is_checked_by_its_name(tmp_path: Path) -> None:
    ended = clipbell("check", "ledger", folder=tmp_path)
    assert ended.out.startswith("Handler type ledger: 18 promises\n")
    assert ended.err.startswith("It made no call through tools.http, so what is promised of HTTP is not tried.\n\n")
    assert ended.out.splitlines()[-1] == "Every promise holds."
    assert ended.code == 0


def test_what_cannot_be_checked_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("CASE = 1\n")
    refused = {
        ("nothing",): "There is no vendor and no handler type nothing; installed are",
        ("plain:CASE",): "plain:CASE: is of type int; it must be a HandlerType or a Vendor",
        ("absent:VENDOR",): "absent:VENDOR: its module absent does not exist",
        (
            "ledger",
            "--case",
            "absent.py",
        ): "There is no file absent.py; --case takes a Python file with a constant CASE.",
        ("ledger", "--case", "plain.py"): "plain.py has no CASE; write: from receiver.suite import Case, then CASE =",
        ("vrex", "--cases", "absent"): "Of the golden pairs: there is none (*.json) in absent.",
    }
    for arguments, said in refused.items():
        ended = clipbell("check", *arguments, folder=tmp_path)
        assert (ended.code, ended.out) == (2, "")
        assert said in ended.err
        assert "Traceback" not in ended.err


def test_a_vendor_without_hypothesis_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in ("answers", "anything"):
        monkeypatch.delitem(sys.modules, f"receiver.suite.{name}", raising=False)
        monkeypatch.delattr(f"receiver.suite.{name}", raising=False)
    ended = clipbell("check", "vrex", folder=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "Checking a vendor takes hypothesis, which is not installed here: pip install hypothesis\n"
