"""The demo, whole: a real server as a subprocess, simulated vendors, and an end that tells the truth."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from receiver.cli import demo, demo_stage
from tests.support.command_line import Ended, clipbell

#: Quicker than people like to watch.
SPEED = 200.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(demo_stage, "SPEED", SPEED)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def _folder(ended: Ended) -> Path:
    found = re.search(r"folder +(.+)", ended.out)
    assert found, ended
    return Path(found[1])


def test_the_demo_brings_a_clip_from_every_vendor(tmp_path: Path) -> None:
    ended = clipbell("demo", folder=tmp_path)
    assert (ended.code, ended.err.count("completed"), "Missing" in ended.err) == (0, 5, False), ended
    assert ended.out.count("Ready: ") == 10
    folder = _folder(ended)
    saved = sorted(file.parent.name for file in folder.glob("clips/*/*.mp4"))
    assert saved == ["aivideoapi", "artnex", "ulazai", "veo3gen", "vrex"]
    for heading in ("Slack (5)", "Mail (5)", "Saved", "Ledger", "Where to look"):
        assert f"\n{heading}\n" in ended.out
    assert "vrex        USD        0.136         0  0.136" in ended.out
    # with a configuration that holds secrets, in a folder of its own
    assert (folder / "clipbell.toml").stat().st_mode & 0o777 == 0o600


def test_a_demo_without_its_clips_fails_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_stage, "USUAL_KEY", "not-the-form-of-a-key")
    # an account that refuses the key is not tried with every order: they wait in the queue
    monkeypatch.setattr(demo, "ARRIVE", 4.0)
    ended = clipbell("demo", folder=tmp_path)
    assert ended.code == 1
    assert "Missing: vrex: the clip is queued\n" in ended.err
    assert "Missing: vrex: no file was saved\n" in ended.err
    assert "Missing: veo3gen" not in ended.err


def test_a_server_that_does_not_start_ends_the_demo_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_stage, "_free_port", lambda: 99_999)
    ended = clipbell("demo", folder=tmp_path)
    assert ended.code == 1
    assert "The server did not start" in ended.err
    assert "listen" in ended.err


def test_it_goes_on_until_the_keyboards_interrupt_with_keep(tmp_path: Path) -> None:
    code = (
        f"import sys, tempfile; tempfile.tempdir = {str(tmp_path)!r}; sys.argv = ['clipbell', 'demo', '--keep']\n"
        f"from receiver.cli import demo, demo_stage, main; demo_stage.SPEED = {SPEED}; main()"
    )
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=said, stderr=said)
    try:
        url = _dashboard(process, tmp_path / "said")
        assert httpx.get(f"{url}/healthz", trust_env=False, verify=False).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, (tmp_path / "said").read_text()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz", trust_env=False, verify=False)
    finally:
        process.kill()
        process.wait()


def _dashboard(process: "subprocess.Popen[bytes]", said: Path) -> str:
    end = time.monotonic() + 40
    while time.monotonic() < end and process.poll() is None:
        text = said.read_text()
        if "until you press Ctrl-C" in text:
            return str(re.findall(r"dashboard +(\S+)", text)[0])
        time.sleep(0.1)
    raise AssertionError(said.read_text())
