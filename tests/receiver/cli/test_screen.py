"""What a terminal shows: ids whole, long prompts cut, extra columns gone where it is narrow, colours only there."""

import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from receiver.cli import words
from receiver.cli.jobs import COLUMNS as JOB_COLUMNS
from receiver.cli.keeping import CLIP_COLUMNS, EVIDENCE_COLUMNS
from receiver.cli.screen import Column, cut, layout, plain_table
from receiver.cli.telling import DELIVERY_COLUMNS, EVENT_COLUMNS
from tests.support.api_stand_in import JOB_ID, TOKEN, StandIn, completed, job
from tests.support.program import counting

COLUMNS = (Column("id"), Column("tags", extra=True), Column("n", right=True), Column("prompt", flexible=True))
ROW = ("job_0123456789", "spring", "7", "a red kite over the sea at dawn")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (200, {0: 14, 1: 6, 2: 1, 3: 31}),
        (58, {0: 14, 1: 6, 2: 1, 3: 31}),
        (50, {0: 14, 1: 6, 2: 1, 3: 23}),
        (35, {0: 14, 1: 6, 2: 1, 3: 8}),
        (34, {0: 14, 2: 1, 3: 15}),
        (9, {0: 14, 2: 1, 3: 8}),
    ],
)
def test_flexible_columns_shrink_before_extra_ones_go(width: int, shown: dict[int, int]) -> None:
    assert layout(COLUMNS, [ROW], width) == shown


@pytest.mark.parametrize(
    ("text", "said"), [("kites", "kites"), ("kites!", "kite…"), ("日本語", "日本…"), ("日本", "日本")]
)
def test_a_text_is_cut_to_its_column(text: str, said: str) -> None:
    assert cut(text, 5) == said


def test_a_plain_table_is_whole_and_aligned() -> None:
    other = ("job_1", "", "12", "x")
    assert plain_table(COLUMNS, [ROW, other]).splitlines() == [
        "id              tags     n  prompt",
        "job_0123456789  spring   7  a red kite over the sea at dawn",
        "job_1                   12  x",
    ]


def _on_a_terminal(columns: int, url: str | None, *arguments: str) -> str:
    """What a terminal of this width would be sent."""
    ours, theirs = pty.openpty()
    environ = {
        **counting(),
        "PATH": os.environ["PATH"],
        "COLUMNS": str(columns),
        "TERM": "xterm",
        "CLIPBELL_API_TOKEN": TOKEN,
    }
    command = [sys.executable, "-m", "receiver.cli", *arguments, *(["--server", url] if url else [])]
    root = Path(__file__).parents[3]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environ, cwd=root)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65_536):
            shown += chunk
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    assert process.wait(20) == 0, shown.decode()
    return shown.decode()


def test_a_narrow_terminal_shows_ids_whole_and_cuts_prompts(server: StandIn) -> None:
    server.lists["/v1/jobs"] = [job(prompt="a red kite over the sea " * 9), completed(id=JOB_ID[:-1] + "b")]
    shown = _on_a_terminal(100, server.url, "jobs")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r", "").splitlines()
    assert [line.split()[0] for line in lines] == ["id", JOB_ID, JOB_ID[:-1] + "b"]
    assert max(map(len, lines)) <= 100
    assert "…" in lines[1]
    assert "\x1b[32mcompleted\x1b[0m" in shown


def test_the_vendors_fit_on_a_terminal_and_no_price_is_broken_from_its_name(tmp_path: Path) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", _on_a_terminal(100, None, "vendors")).replace("\r", "").splitlines()
    assert max(map(len, shown)) <= 100
    assert "\x00" not in "".join(shown)
    (start,) = [n for n, line in enumerate(shown) if line.startswith("  prices ") and "veo3.1 3000" in line]
    prices = [line.strip().removeprefix("prices").strip() for line in shown[start : start + 4]]
    assert all(re.search(r"\d credits,?$", line) or "as of" in line for line in prices), prices


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), ("", "–"), ("a\x1b]0;x\x07b\nc", "a ]0;x b c"), ("日本", "日本"), ("a\u202eb", "a b"), (7, "7")],
)
def test_what_others_wrote_cannot_move_the_cursor(value: object, said: str) -> None:
    assert words.clean(value) == said


@pytest.mark.parametrize(
    ("count", "said"), [(None, "–"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 30, "5.0 GiB")]
)
def test_sizes(count: int | None, said: str) -> None:
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (74.6, "75 s"), (200, "3 min 20 s"), (3600, "1 h"), (7500, "2 h 5 min")]
)
def test_spans(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def test_moments_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    import time

    time.tzset()
    try:
        assert words.moment(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 05:45:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_bytes_on_a_terminal_lose_their_control_characters() -> None:
    assert words.printable(b"a\x1b[2J\tb\n\xff") == "a�[2J\tb\n�\n".encode()


def _row(*cells: str) -> tuple[str, ...]:
    return tuple(cell or "x" * 30 for cell in cells)


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (JOB_COLUMNS, _row("", "submitting", "aivideoapi", "~2000 credits", "11-20 12:00:00", "spring", "")),
        (DELIVERY_COLUMNS, _row("", "pending", "downloader", "3", "11-20 12:00:00", "", "", "")),
        (EVENT_COLUMNS, _row("", "video.completed", "11-20 12:00:00", "", "")),
        (
            EVIDENCE_COLUMNS,
            _row("", "11-20 12:00:00", "callback", "contradiction", "200", "256.0 KiB", "aivideoapi", ""),
        ),
        (CLIP_COLUMNS, _row("", "1", "256.0 MiB", "11-20 12:00:00", "", "")),
    ],
)
def test_every_list_fits_into_eighty_columns(columns: tuple[Column, ...], row: tuple[str, ...]) -> None:
    widths = layout(columns, [row], 80)
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= 80
