"""`clipbell handlers test`: a sample, marked as such, through every kind of handler; what the other side answered."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.http_server import Reply, Server, serving
from tests.support.mail_server import Mailbox, mail_server
from tests.support.program import Program

MARK = "This is a test from clipbell: no clip was made"


@pytest.fixture
def hook() -> Iterator[Server]:
    """A receiver of webhooks."""
    with serving(Reply(202, b'{"queued": true}')) as made:
        yield made


def tried(clipbell: Program, name: str, code: int = 0) -> str:
    """What the command says."""
    ended = clipbell.command("handlers", "test", name)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert MARK in ended.stderr
    return ended.stdout


def test_a_sample_goes_through_every_kind_of_handler_and_the_answer_is_shown(
    clipbell: Program, slack: Server, hook: Server
) -> None:
    script = "import json, sys; event = json.load(sys.stdin); print('heard of', event['prompt'])"
    clipbell.handlers["hook"] = {"type": "webhook", "url": hook.url, "secret": "whsec_" + "a" * 44}
    clipbell.handlers["script"] = {"type": "command", "argv": ["python3", "-c", script]}
    clipbell.start()
    assert tried(clipbell, "slack") == "slack  done\n  it answered: ok\n"
    assert MARK in slack.seen[-1].body.decode()
    assert tried(clipbell, "hook") == 'hook  done\n  it answered: {"queued": true}\n'
    sent = json.loads(hook.seen[-1].body)["data"]
    assert (sent["prompt"], sent["tags"], sent["metadata"]) == (MARK, ["test"], {"test": True})
    assert f"it answered: heard of {MARK}" in tried(clipbell, "script")
    assert "it answered: 1 clip, " in tried(clipbell, "books")
    with closing(sqlite3.connect(clipbell.folder / "ledger.db")) as file:
        assert file.execute("select prompt, tags from clips").fetchall() == [(MARK, '["test"]')]
    # nothing is recorded, and nothing counts as money
    assert (clipbell.items("/v1/deliveries"), clipbell.items("/v1/events"), clipbell.items("/v1/ledger")) == (
        [],
        [],
        [],
    )


def test_a_downloader_saves_a_real_file_of_ours(clipbell: Program) -> None:
    clipbell.start()
    said = tried(clipbell, "files")
    path = said.rpartition("it saved: ")[2].removesuffix(" (a sample, to be deleted)\n")
    assert (clipbell.folder / path).read_bytes()[4:8] == b"ftyp"
    assert MARK in next(Path(clipbell.folder / path).parent.glob("*.json")).read_text()
    assert clipbell.items("/v1/clips") == []


def test_a_downloader_whose_folder_cannot_be_used_says_so(clipbell: Program) -> None:
    (clipbell.folder / "clips").write_text("a file where the folder should be")
    clipbell.start()
    assert "files  later: " in tried(clipbell, "files", 1)


def test_each_address_is_told_and_its_answer_shown(clipbell: Program, tmp_path: Path) -> None:
    with mail_server(Mailbox()) as mail:
        clipbell.handlers["mail"] = {
            "type": "email",
            "smtp_url": f"smtp://127.0.0.1:{mail.port}",
            "sender": "clipbell@example.com",
            "to": ["a@example.com", "b@example.com"],
        }
        clipbell.start()
        said = tried(clipbell, "mail")
    assert [line.split()[:3] for line in said.splitlines() if "example.com" in line] == [
        ["mail", "a@example.com", "done"],
        ["mail", "b@example.com", "done"],
    ]
    assert said.count("it answered: kept") == 2


def test_a_refusal_is_shown_with_what_was_answered(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(404, b"no_service"))
    clipbell.start()
    assert tried(clipbell, "slack", 1) == "slack  gave_up: HTTP 404\n  it answered: no_service\n"
