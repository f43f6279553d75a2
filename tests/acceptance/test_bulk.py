"""The queue, and orders in bulk: nothing lost, nothing twice, nobody in the way of another."""

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from receiver.simulator import RunningSimulator
from tests.support.command_line import clipbell as in_this_process
from tests.support.faults import control, plant
from tests.support.program import CLIPBELL, Program


def batch_file(clipbell: Program, *lines: Any, name: str = "clips.jsonl") -> Path:
    path = clipbell.folder / name
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def clips(number: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"vendor": "vrex", "prompt": f"Take {n}", **fields} for n in range(number)]


def submit(clipbell: Program, *arguments: str) -> dict[str, Any]:
    """Run `submit --batch clips.jsonl --json`, which has to end well."""
    done = clipbell.command("submit", "--batch", "clips.jsonl", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def submissions(vendors: RunningSimulator) -> Counter[str]:
    """How often the vendor took each prompt."""
    return Counter(job["prompt"] for job in control(vendors, "jobs")["jobs"])


# --- batches -----------------------------------------------------------------------------------------------


def test_a_batch_is_queued_followed_and_summed_up(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.start()
    path = batch_file(clipbell, *clips(10, tags=["spring"]), clips(1)[0])
    done = clipbell.command("submit", "--batch", str(path), "--wait")
    assert done.returncode == 0, done.stderr
    assert "jobs   11: 11 completed" in done.stdout
    assert "cost   $1.496" in done.stdout
    assert "queued 11 of 11" in done.stderr
    assert len(submissions(vendors)) == 10
    (batch,) = {job["batch"] for job in clipbell.items("/v1/jobs")}
    shown = clipbell.command("jobs", "--batch", batch)
    assert "11: 11 completed" in shown.stdout
    assert shown.stdout.count("Take ") == 11


def test_a_second_run_queues_only_what_is_missing(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.start()
    twice = [*clips(3), *clips(3)]
    batch_file(clipbell, *twice)
    assert submit(clipbell)["new"] == 6
    assert submit(clipbell)["new"] == 0
    # one line more, one moved, one written in another way
    moved = [twice[-1], json.dumps(twice[0], indent=None, separators=(",", ":")) + "\n", *twice[1:-1]]
    batch_file(clipbell, *moved, {"vendor": "vrex", "prompt": "Take 3"})
    found = submit(clipbell, "--wait")
    assert (found["new"], found["jobs"], found["states"]) == (1, 7, {"completed": 7})
    assert submissions(vendors) == {"Take 0": 2, "Take 1": 2, "Take 2": 2, "Take 3": 1}


def test_a_csv_file_orders_the_same_as_lines_of_json(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.start()
    text = (
        "\ufeffvendor,prompt,seconds,aspect_ratio,tags,metadata,params\r\n"
        'vrex,"A coast, at ""dawn""\nand dusk",8,9:16,"[""a"", ""b""]","{""client"": ""acme""}",\r\n'
        ",,,,,,\r\n"
        'aivideoapi,A harbour,,,,,"{""mode"": ""fast""}"\r\n'
    )
    path = batch_file(clipbell, text, name="clips.csv")
    done = clipbell.command("submit", "--batch", str(path), "--wait", "--json")
    assert done.returncode == 0, done.stderr
    second, first = clipbell.items("/v1/jobs")
    if first["vendor"] != "vrex":
        first, second = second, first
    assert first["prompt"] == 'A coast, at "dawn"\nand dusk'
    assert (first["tags"], first["metadata"], second["params"]) == (["a", "b"], {"client": "acme"}, {"mode": "fast"})
    fields = [job["fields"] for job in control(vendors, "jobs")["jobs"] if job["vendor"] == "vrex"]
    assert fields[0]["size"] == "720x1280"


def test_all_bad_lines_are_told_at_once_and_nothing_is_ordered(clipbell: Program) -> None:
    clipbell.start()
    path = batch_file(
        clipbell,
        {"vendor": "vrex", "prompt": "Fine"},
        "not json\n",
        "\n",
        {"vendor": "vrex"},
        {"vendor": "vrex", "prompt": "Long", "seconds": 600, "colour": "red"},
        {"vendor": "nobody", "prompt": "Who"},
        '{"vendor": "vrex", "vendor": "vrex", "prompt": "Twice"}\n',
        {"vendor": "vrex", "prompt": "No file", "images": ["missing.png"]},
    )
    done = clipbell.command("submit", "--batch", str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    # what can be seen in the file alone comes first; the server's own findings once that is mended
    assert [line.split(":")[0].strip() for line in done.stderr.splitlines()[1:]] == [
        f"line {number}" for number in (2, 4, 7, 8)
    ]
    path = batch_file(clipbell, *[{"vendor": "nobody"}, clips(1)[0]], name="clips.jsonl")
    assert clipbell.items("/v1/jobs") == []


def test_what_a_vendor_would_refuse_is_told_before_anything_is_ordered(clipbell: Program) -> None:
    clipbell.start()
    path = batch_file(
        clipbell,
        {"vendor": "vrex", "prompt": "Fine"},
        {"vendor": "vrex", "prompt": "Long", "seconds": 600, "colour": "red"},
        {"vendor": "nobody", "prompt": "Who"},
    )
    done = clipbell.command("submit", "--batch", str(path))
    assert done.returncode == 2
    told = done.stderr.splitlines()
    assert any(line.startswith("  line 2: colour") for line in told)
    assert any(line.startswith("  line 3: vendor: is not a configured account") for line in told)
    assert not any("line 1:" in line for line in told)
    assert clipbell.items("/v1/jobs") == []


def test_an_interrupted_run_says_how_to_go_on_and_loses_nothing(clipbell: Program, vendors: RunningSimulator) -> None:
    # the vendor takes one order in a second
    clipbell.account_options["vrex"] = {"order_limits": ["2/second"]}
    clipbell.start()
    batch_file(clipbell, *clips(8))
    run = subprocess.Popen(
        [CLIPBELL, "submit", "--batch", "clips.jsonl", "--wait"],
        cwd=clipbell.folder,
        env=clipbell.environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    clipbell.eventually(lambda: len(clipbell.items("/v1/jobs")) >= 8, "the orders to be queued")
    time.sleep(1)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=20)
    assert run.returncode == 130
    assert "goes on in the server: clipbell jobs --batch clips-" in told
    assert "Traceback" not in told
    # the server goes on by itself
    found = submit(clipbell, "--wait")
    assert (found["new"], found["states"]) == (0, {"completed": 8})
    assert set(submissions(vendors).values()) == {1}


def test_failures_are_told_by_reason_and_ordered_again_on_demand(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.fails", times=2, code="MINOR_SAFETY", message="blocked")
    plant(vendors, kind="submit.400", times=1, code="HATE_SPEECH", message="refused")
    clipbell.start()
    batch_file(clipbell, *clips(6))
    done = clipbell.command("submit", "--batch", "clips.jsonl", "--wait")
    assert done.returncode == 1
    assert "3 completed, 2 failed, 1 rejected" in done.stdout
    assert "HATE_SPEECH" in done.stdout
    assert "--retry-failed" in done.stderr
    # without the wish for it nothing is ordered again
    plain = clipbell.command("submit", "--batch", "clips.jsonl", "--json")
    assert (plain.returncode, json.loads(plain.stdout)["new"]) == (0, 0)
    again = submit(clipbell, "--retry-failed", "--wait")
    assert (again["new"], again["retaken"], again["failures"]) == (3, 3, [])
    assert submit(clipbell, "--retry-failed")["new"] == 0
    assert sum(submissions(vendors).values()) == 8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--batch", "none.jsonl"], "No such file"),
        (["--batch", "clipbell.toml"], ".jsonl"),
        (["--batch", "clips.jsonl", "--seconds", "8"], "--batch"),
        (["vrex", "A coast", "--batch", "clips.jsonl"], "--batch"),
        (["vrex"], "VENDOR PROMPT"),
        (["vrex", "A coast", "--retry-failed"], "--batch FILE"),
    ],
)
def test_wrong_usage_is_code_2_with_what_to_write(arguments: list[str], says: str, idle: Program) -> None:
    batch_file(idle, *clips(1))
    done = in_this_process("submit", *arguments, folder=idle.folder)
    assert done.code == 2, done.err
    assert says in done.err


# --- the queue ---------------------------------------------------------------------------------------------


def test_a_full_account_never_blocks_anothers_queue(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.account_options["vrex"] = {"max_open": 1}
    plant(vendors, kind="job.stuck", vendor="vrex")
    clipbell.start()
    stuck = clipbell.order("vrex", "First")
    waiting = [clipbell.order("vrex", f"More {n}", queue=True) for n in range(30)]
    others = [clipbell.order("aivideoapi", f"Other {n}", queue=True) for n in range(5)]
    for job in others:
        clipbell.settled(job["id"])
    assert {clipbell.job(job["id"])["state"] for job in waiting} == {"queued"}
    assert clipbell.job(stuck["id"])["state"] == "running"


def test_a_direct_order_at_a_full_account_is_429_with_a_wait(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.account_options["vrex"] = {"max_open": 1}
    plant(vendors, kind="job.stuck", vendor="vrex")
    clipbell.start()
    clipbell.order("vrex", "First")
    answer = clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": "Second"})
    assert (answer.status_code, answer.json()["code"]) == (429, "vendor_busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert len(clipbell.items("/v1/jobs")) == 1


def test_open_jobs_never_pass_the_limit(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.account_options["vrex"] = {"max_open": 2}
    clipbell.start()
    jobs = [clipbell.order("vrex", f"Take {n}", queue=True) for n in range(6)]
    most = 0
    while any(clipbell.job(job["id"])["state"] != "completed" for job in jobs):
        states = Counter(job["state"] for job in control(vendors, "jobs")["jobs"])
        most = max(most, states["queued"] + states["processing"] + states["pending"])
        time.sleep(0.02)
    assert most <= 2


def test_a_queue_full_vendor_is_left_alone_for_as_long_as_it_says(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.429", times=1, code="QUEUE_FULL", retry_after=2)
    clipbell.start()
    began = time.monotonic()
    jobs = [clipbell.order("vrex", f"Take {n}", queue=True) for n in range(3)]
    for job in jobs:
        clipbell.settled(job["id"])
    assert time.monotonic() - began > 2
    calls = [call for call in control(vendors, "requests")["requests"] if call["method"] == "POST"]
    # one was refused; no more than the few that were on their way with it
    assert len(calls) <= 6
    assert set(submissions(vendors).values()) == {1}


def test_a_queue_survives_kills_and_sends_nothing_twice(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.slow_answer", times=None, seconds=0.3)
    # the vendor calls once: a call that meets nobody is made up for by a look
    clipbell.account_options["vrex"] = {"poll_after": "2s", "poll_every": "1s"}
    clipbell.start()
    for n in range(20):
        clipbell.order("vrex", f"Take {n}", queue=True)
    for _ in range(4):
        time.sleep(0.25)
        clipbell.kill()
        clipbell.start()
    ended = ("completed", "unknown")
    clipbell.eventually(lambda: all(j["state"] in ended for j in clipbell.items("/v1/jobs")), "all to end", 100)
    assert set(submissions(vendors).values()) == {1}
    assert len(submissions(vendors)) + len(clipbell.items("/v1/jobs", state="unknown")) >= 20


def test_orders_wait_while_their_vendor_cannot_be_reached(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.account_options["vrex"] = {"base_url": "http://127.0.0.1:9/"}
    clipbell.start()
    jobs = [clipbell.order("vrex", f"Take {n}", queue=True) for n in range(5)]
    time.sleep(2)
    assert {clipbell.job(job["id"])["state"] for job in jobs} == {"queued"}
    clipbell.stop()
    clipbell.account_options.clear()
    clipbell.start()
    for job in jobs:
        clipbell.settled(job["id"], seconds=40)
    assert set(submissions(vendors).values()) == {1}
