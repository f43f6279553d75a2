"""Mistakes at the keyboard: the exit code, and the very words that say what to do. No traceback, no secret."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.receiver.cli.conftest import Run
from tests.support.api_stand_in import JOB_ID, TOKEN, StandIn, problem
from tests.support.command_line import clipbell
from tests.support.http_server import Reply, closed_port
from tests.support.program import CLIPBELL, counting


def test_without_a_configuration_it_says_how_to_get_one(tmp_path: Path) -> None:
    ended = clipbell("jobs", folder=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "The configuration cannot be used:\n"
        f"  {tmp_path}/clipbell.toml: does not exist; write it with `clipbell init`, "
        "or name another one with --config FILE\n"
    )


def test_everything_wrong_with_a_configuration_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "clipbell.toml").write_text('api_token = "short"\nlisten = 7\ncolour = "red"\n')
    ended = clipbell("jobs", folder=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    heading, *lines = ended.err.splitlines()
    assert heading == "The configuration cannot be used:"
    assert sorted(line.split(":")[0].strip() for line in lines) == ["api_token", "colour", "listen", "secret_keys"]


def test_a_server_that_does_not_run_is_told_with_how_to_start_it(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    ended = clipbell("jobs", "--server", url, folder=tmp_path, environ={"CLIPBELL_API_TOKEN": TOKEN})
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        f"No clipbell server answers at {url}: nothing listens there.\n"
        "Start it with `clipbell serve`, or name another with --server URL.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "takes"),
    [
        (("jobs", "--limit", "few"), "'--limit': it takes a whole number, 1 or more, not 'few'."),
        (("jobs", "--limit", "0"), "'--limit': it takes a whole number, 1 or more, not '0'."),
        (("submit", "vrex", "A coast", "--seconds", "8s"), "'--seconds': it takes a whole number, not '8s'."),
        (("simulate", "--port", "65536"), "'--port': it takes a whole number from 0 to 65535, not '65536'."),
        (("simulate", "--speed", "nan"), "'--speed': it takes a number, 0.1 or more, not 'nan'."),
        (("simulate", "--speed", "inf"), "'--speed': it takes a number, 0.1 or more, not 'inf'."),
    ],
)
def test_a_number_that_an_option_does_not_take_is_told_with_what_it_takes(
    tmp_path: Path, arguments: tuple[str, ...], takes: str
) -> None:
    ended = clipbell(*arguments, folder=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == f"Error: Invalid value for {takes}"


def test_a_configuration_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    ended = clipbell("init", "--config", "away/clipbell.toml", folder=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "away/clipbell.toml cannot be written (no such file or directory); name another place with --config FILE.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("arguments", [("vendors",), ("vendors", "--json"), ("--version",), ("simulate", "--help")])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_takes_nothing_more_is_told_with_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": unbuffered, **counting()}
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [CLIPBELL, *arguments],
            cwd=tmp_path,
            env=environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.stderr.splitlines() == [
        "No space left on device.",
        "Make room there, or have it written elsewhere.",
        "What was asked may have been done all the same: look (`clipbell jobs`) before you repeat it.",
    ]
    assert ended.returncode == 1


@pytest.mark.parametrize("address", ["ftp://clips.example", "http://[::1", "http://", "http:///v1"])
def test_an_address_that_is_none_is_wrong_usage(run: Run, address: str) -> None:
    ended = run("jobs", "--server", address)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "--server: the server's address must be like http://127.0.0.1:8000 or https://clipbell.example.com.\n"
    )


def test_an_order_that_may_have_been_placed_is_told_as_such(run: Run, server: StandIn) -> None:
    server.single["POST", f"/v1/jobs/{JOB_ID}/again"] = Reply(202, b"{", {"content-length": "90"})
    ended = run("again", JOB_ID)
    assert ended.code == 3
    assert ended.err.splitlines()[-1] == (
        "What was asked may have been done all the same: look (`clipbell jobs`) before you repeat it."
    )


def test_a_wrong_token_is_told_with_where_the_right_one_is(run: Run, server: StandIn) -> None:
    ended = run("jobs", "--server", server.url, environ={"CLIPBELL_API_TOKEN": "wrong-token-0123456789abcd"})
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "The server does not take this API token.\n"
        "Use the configuration that the server runs with (--config), or its api_token in CLIPBELL_API_TOKEN.\n"
    )


def test_an_unknown_id_is_a_failure(run: Run) -> None:
    ended = run("job", "job_nobody")
    assert (ended.code, ended.out, ended.err) == (1, "", "There is nothing of this id.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-p", "seed"), "-p 'seed' cannot be read; write -p KEY=JSON, for example -p seed=7.\n"),
        (("-p", "=7"), "-p '=7' cannot be read; write -p KEY=JSON, for example -p seed=7.\n"),
        (("--meta", "x"), "--meta 'x' cannot be read; write --meta K=V, for example --meta client=acme.\n"),
        (("--image", "none.png"), "--image none.png: No such file or directory; give a file or an https URL.\n"),
        (("--image", ""), "--image '': there is no path; give a file or an https URL.\n"),
        (
            ("--meta", "x", "--meta", "=y", "-p", "a", "-p", "ok=1", "-p", "b", "--image", "n.png", "--image", "."),
            "--image n.png: No such file or directory; give a file or an https URL.\n"
            "--image .: Is a directory; give a file or an https URL.\n"
            "-p 'a' cannot be read; write -p KEY=JSON, for example -p seed=7.\n"
            "-p 'b' cannot be read; write -p KEY=JSON, for example -p seed=7.\n"
            "--meta 'x' cannot be read; write --meta K=V, for example --meta client=acme.\n"
            "--meta '=y' cannot be read; write --meta K=V, for example --meta client=acme.\n",
        ),
    ],
)
def test_a_piece_of_an_order_that_cannot_be_read(
    run: Run, server: StandIn, arguments: tuple[str, ...], said: str
) -> None:
    ended = run("submit", "vrex", "a kite", *arguments)
    assert (ended.code, ended.out, ended.err) == (2, "", said)
    assert server.server.seen == []


def test_a_file_that_is_no_image_is_not_sent(run: Run, server: StandIn, folder: Path) -> None:
    (folder / "x.png").write_text("not a picture")
    ended = run("submit", "vrex", "a kite", "--image", "x.png")
    assert (ended.code, ended.err) == (2, "--image x.png: this is neither a PNG nor a JPEG nor a WebP image.\n")
    assert server.server.seen == []


def test_every_problem_of_a_refused_order_is_listed(run: Run, server: StandIn) -> None:
    errors = [{"field": "seconds", "problem": "must be one of 4, 6, 8"}, {"field": "model", "problem": "is unknown"}]
    server.single["POST", "/v1/jobs"] = problem(422, "invalid_order", "…", errors=errors)
    ended = run("submit", "vrex", "a kite", "--seconds", "5")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "The server refuses this:\n  seconds: must be one of 4, 6, 8\n  model: is unknown\n"


def test_a_busy_vendor_says_when(run: Run, server: StandIn) -> None:
    server.single["POST", "/v1/jobs"] = problem(429, "vendor_busy", "Vrex takes ten calls a minute", retry_after=7)
    ended = run("submit", "vrex", "a kite")
    assert (ended.code, ended.err) == (1, "Vrex takes ten calls a minute. Try again in 7 s.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("jbs",), "No such command 'jbs'. Did you mean 'jobs', 'job'?"),
        (("jobs", "--stat", "x"), "No such option: --stat"),
        (
            ("submit", "vrex"),
            "Write `clipbell submit VENDOR PROMPT`, or `clipbell submit --batch FILE` with its options.",
        ),
        (("job", JOB_ID, "--resolve", "perhaps"), "--resolve takes sent or not-sent."),
        (
            ("job", JOB_ID, "--resolve", "sent"),
            "--resolve sent needs the vendor's id of the job: clipbell job ID --resolve sent VENDOR_JOB_ID",
        ),
        (("job", JOB_ID, "vg_1"), "A vendor's id is taken with --resolve sent only."),
        (("jobs", "--state", "done"), "--state takes one of queued, submitting, running, completed, failed, "),
        (("deliveries", "--state", "x"), "--state takes one of pending, running, done, dead, parked."),
        (("ledger", "--by", "mood"), "--by takes one of vendor, account, day, model, tag."),
        (("replay",), "Name the events to replay, or say --since 2h."),
        (("replay", "--since", "2 weeks"), "--since '2 weeks' is no duration; write it as 90s, 10m, 2h or 7d."),
        (("handlers", "try"), "Write `clipbell handlers`, or `clipbell handlers test NAME [--preview FILE.html]`."),
    ],
)
def test_wrong_usage_is_two(run: Run, arguments: tuple[str, ...], said: str) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_a_bug_is_told_without_a_traceback(run: Run, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.cli.screen.print_json", None)
    ended = run("jobs", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "Clipbell met something it did not expect (TypeError).\n"
        "Run the command again with CLIPBELL_DEBUG=1 to see where, and please report it.\n"
    )


def test_with_debug_the_traceback_is_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.cli.screen.print_json", None)
    with pytest.raises(TypeError):
        run("jobs", "--json", environ={"CLIPBELL_DEBUG": "1"})


MISTAKES = (
    ("jobs",),
    ("job", "job_nobody"),
    ("submit", "vrex", "x", "-p", "y"),
    ("handlers", "test", "nobody"),
    ("doctor",),
    ("init",),
)


@pytest.mark.parametrize("arguments", MISTAKES)
def test_no_mistake_prints_a_secret(run: Run, folder: Path, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments, environ={"CLIPBELL_DEBUG": ""})
    assert TOKEN not in ended.out + ended.err
    assert "k" * 32 not in ended.out + ended.err


def test_a_secret_that_is_printed_would_be_seen(run: Run, server: StandIn) -> None:
    server.lists["/v1/jobs"] = [{"id": TOKEN}]
    server.single["GET", "/v1/jobs/x"] = problem(404, "not_found", f"There is no {TOKEN}.")
    assert TOKEN in run("job", "x").err


@pytest.mark.parametrize(
    "arguments", [("submit", "vrex", "caf\udce9"), ("job", "job_\udce9"), ("events", "--job", "\udce9")]
)
def test_an_argument_that_is_no_utf_8_is_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    text = "What was given holds something that is no UTF-8 text and cannot be sent; write it as UTF-8.\n"
    assert (ended.code, ended.out, ended.err) == (2, "", text)
