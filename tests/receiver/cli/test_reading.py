"""The reading verbs: `--json` is one value and nothing else; for people there are plain columns and a story."""

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from receiver.web.catalogue import vendor_json
from schemas.vendors.vrex import VENDOR as VREX
from tests.receiver.cli.conftest import Run
from tests.support.api_stand_in import (
    DELIVERY_ID,
    EVENT_ID,
    JOB_ID,
    TOKEN,
    StandIn,
    clip,
    completed,
    delivery,
    event,
    evidence,
    job,
    line,
    problem,
)
from tests.support.command_line import clipbell
from tests.support.http_server import Reply, closed_port
from tests.support.s3_server import variables

ALERT = {
    "id": "alr_1",
    "code": "job.overdue",
    "subject": JOB_ID,
    "job_id": JOB_ID,
    "text": "The clip is late.",
    "next_step": "Look at the vendor's page.",
    "raised_at": "2026-11-20T12:30:00Z",
    "cleared_at": None,
}
SUM = {"charged": "0.272", "refunded": "-0.136", "total": "0.136", "open_estimate": "0", "unknown_lines": 0, "jobs": 2}
RESULT = {"target": "", "outcome": "done", "reason": None, "answer": "ok"}
HANDLER = {
    "name": "team",
    "type": "slack",
    "events": ["video.completed"],
    "vendors": [],
    "tags": [],
    "targets": [""],
    "health": "ok",
    "last_outcome": "done",
    "last_reason": None,
}

VREX_PRICES = {"second": {"amount": "0.017", "unit": "USD"}}

FINDING = {
    "id": "ref_01jz00000000000000000000aa",
    "kind": "not_refunded",
    "at": "2026-11-20T12:00:00Z",
    "job_id": JOB_ID,
    "vendor": "vrex",
    "account": "vrex",
    "vendor_job_id": "vg_1",
    "prompt": "a red kite\x1b[2J over the sea",
    "amount": {"amount": "0.136", "unit": "USD"},
    "other_job_id": None,
    "text": "It was paid for with $0.136, it failed (BAD), and the vendor kept the money",
    "next_step": "Ask the vendor about vg_1",
}
FOUND_SUM = {"kind": "not_refunded", "vendor": None, "count": 7, "amount": {"amount": "0.952", "unit": "USD"}}
VENDOR = {
    **vendor_json(VREX, []),
    "accounts": ["vrex", "second"],
    "terms": [
        {"account": "vrex", "limits": ["10/minute"], "order_limits": [], "max_open": None, "prices": VREX_PRICES},
        {
            "account": "second",
            "limits": ["5/minute"],
            "order_limits": ["24/hour"],
            "max_open": 3,
            "prices": {"second": {"amount": "0.02", "unit": "USD"}, "extra": {"amount": "1", "unit": "USD"}},
            "usd_per_credit": "0.004",
        },
    ],
    "seen": [
        {
            "account": "vrex",
            "jobs": 120,
            "states": {"completed": 110, "failed": 9, "running": 1},
            "callbacks": {"on_time": 100, "late": 8, "lost": 2},
            "median_seconds": 47.8,
            "closed": [
                {"calls": "all", "until": "2026-11-20T12:30:00Z", "reason": "HTTP 401", "stopped": True},
                {"calls": "order", "until": "2026-11-21T00:00:00Z", "reason": "DAILY_CAP_REACHED", "stopped": False},
            ],
        },
        {"account": "second", "jobs": 0, "states": {}, "callbacks": {}, "median_seconds": None},
    ],
}
PAUSED = {**HANDLER, "health": "paused", "paused_until": "2026-11-20T12:30:00Z", "parked": 3, "last_reason": "HTTP 500"}


@pytest.fixture
def full(server: StandIn) -> StandIn:
    """A server that has one of everything."""
    server.lists |= {
        "/v1/jobs": [completed()],
        "/v1/vendors": [VENDOR],
        "/v1/events": [event()],
        "/v1/deliveries": [delivery()],
        "/v1/evidence": [evidence()],
        "/v1/alerts": [ALERT],
        "/v1/clips": [clip()],
        "/v1/ledger": [line()],
        "/v1/handlers": [HANDLER],
        "/v1/ledger/findings": [FINDING],
        "/v1/ledger/findings/summary": [FOUND_SUM],
        "/v1/ledger/summary": [{"key": "vrex", "unit": "USD", **SUM}],
    }
    server.says("POST", "/v1/handlers/team/test", {"handler": "team", "ok": True, "results": [RESULT]})
    server.says("POST", f"/v1/jobs/{JOB_ID}/refresh", completed())
    server.says("POST", f"/v1/jobs/{JOB_ID}/again", job())
    server.says("POST", "/v1/jobs", job(), 202)
    server.says("POST", "/v1/jobs/adopt", job(origin="adopted"))
    server.says("POST", "/v1/jobs/expect", job(callback_url="https://hooks.example/callbacks/vrex/t"))
    server.says("POST", f"/v1/events/{EVENT_ID}/replay", {"deliveries": [DELIVERY_ID]})
    server.says("POST", f"/v1/deliveries/{DELIVERY_ID}/retry", delivery(state="pending"))
    server.says("GET", "/readyz", {"status": "ready", "problems": [], "counts": {}})
    return server


VERBS: list[tuple[tuple[str, ...], type]] = [
    (("jobs",), list),
    (("job", JOB_ID), dict),
    (("refresh", JOB_ID), dict),
    (("again", JOB_ID), dict),
    (("submit", "vrex", "a kite"), dict),
    (("adopt", "vrex", "vg_1"), dict),
    (("expect", "vrex"), dict),
    (("watch",), dict),
    (("clips",), list),
    (("evidence",), list),
    (("events",), list),
    (("event", EVENT_ID), dict),
    (("replay", EVENT_ID), dict),
    (("replay", "--since", "9999d", "--dry-run"), dict),
    (("deliveries",), list),
    (("retry", DELIVERY_ID), list),
    (("handlers",), list),
    (("handlers", "test", "team"), dict),
    (("alerts", "--all"), list),
    (("ledger",), list),
    (("ledger", "--findings"), list),
    (("vendors",), list),
    (("doctor",), list),
]


@pytest.mark.parametrize(("arguments", "kind"), VERBS, ids=lambda value: value[0] if isinstance(value, tuple) else "")
def test_json_is_one_value_and_nothing_else(full: StandIn, run: Run, arguments: tuple[str, ...], kind: type) -> None:
    ended = run(*arguments, "--json")
    assert ended.code == 0, ended.err
    assert isinstance(json.loads(ended.out), kind)


@pytest.mark.parametrize("arguments", [arguments for arguments, _ in VERBS if arguments != ("watch",)])
def test_what_people_read_has_no_escape_codes_in_a_pipe(full: StandIn, run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.code == 0, ended.err
    assert ended.out.strip()
    assert "\x1b" not in ended.out


def test_jobs_stand_in_plain_columns(server: StandIn, run: Run) -> None:
    server.lists["/v1/jobs"] = [completed(), job(id="job_2", prompt="x\x1b[2Jy\nz", tags=[])]
    heading, first, second = run("jobs").out.splitlines()
    assert heading.split() == ["id", "state", "account", "cost", "ordered", "tags", "prompt"]
    assert first.split()[:4] == [JOB_ID, "completed", "vrex", "$0.136"]
    assert first.endswith("a red kite over the sea")
    assert second.split()[:4] == ["job_2", "running", "vrex", "~$0.136"]
    assert second.endswith("x [2Jy z")


def test_json_is_what_the_server_said(server: StandIn, run: Run) -> None:
    server.lists["/v1/jobs"] = [job(colour="red")]
    assert json.loads(run("jobs", "--json").out) == [job(colour="red")]


def test_filters_reach_the_server(server: StandIn, run: Run) -> None:
    run("jobs", "--state", "failed", "--vendor", "vrex", "--tag", "t", "--batch", "b", "--limit", "7")
    assert [seen.path for seen in server.server.seen] == ["/v1/jobs?state=failed&vendor=vrex&tag=t&batch=b&limit=7"]


def test_an_empty_list_prints_nothing_on_stdout(run: Run) -> None:
    ended = run("jobs")
    assert (ended.code, ended.out, ended.err) == (0, "", "There are no such jobs.\n")


def test_a_job_is_shown_with_its_story_in_order(full: StandIn, run: Run) -> None:
    out = run("job", JOB_ID).out
    story = [line.split()[2] for line in out[out.index("when") :].splitlines()[1:]]
    assert story == ["ordered", "charge", "callback", "video.completed", "to"]
    assert "by callback, after 74 s" in out


def test_a_job_that_was_given_up_says_how_to_ask_once_more(server: StandIn, run: Run) -> None:
    server.single["GET", f"/v1/jobs/{JOB_ID}"] = Reply(body=json.dumps(job(state="abandoned")).encode())
    assert f"  clipbell refresh {JOB_ID}" in run("job", JOB_ID).out.splitlines()


def test_resolving_says_the_persons_word(full: StandIn, run: Run) -> None:
    full.says("POST", f"/v1/jobs/{JOB_ID}/resolve", job())
    assert run("job", JOB_ID, "--resolve", "sent", "vg_9").code == 0
    assert run("job", JOB_ID, "--resolve", "not-sent").code == 0
    sent, not_sent = full.bodies("POST", f"/v1/jobs/{JOB_ID}/resolve")
    assert sent == {"resolution": "sent", "vendor_job_id": "vg_9"}
    assert not_sent == {"resolution": "not-sent"}


def test_links_are_revoked_and_that_is_said_beside_the_story(full: StandIn, run: Run) -> None:
    full.says("POST", f"/v1/jobs/{JOB_ID}/revoke-link", {"job_id": JOB_ID, "revoked": True})
    ended = run("job", JOB_ID, "--revoke-link", "--json")
    assert (ended.code, json.loads(ended.out)["id"]) == (0, JOB_ID)
    assert ended.err == f"No link to the clips of {JOB_ID} opens any more.\n"
    assert len(full.requests("POST", f"/v1/jobs/{JOB_ID}/revoke-link")) == 1
    run("job", JOB_ID)
    assert len(full.requests("POST", f"/v1/jobs/{JOB_ID}/revoke-link")) == 1


def test_clips_are_verified_against_the_disk(
    server: StandIn, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(f"http://127.0.0.1:{closed_port()}").items():
        monkeypatch.setenv(name, value)
    whole = {"bytes": 4, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
    (folder / "good.mp4").write_bytes(b"test")
    (folder / "bad.mp4").write_bytes(b"tesT")
    (folder / "short.mp4").write_bytes(b"te")
    names = ("good.mp4", "bad.mp4", "short.mp4", "gone.mp4", "s3://bucket/x.mp4")
    server.lists["/v1/clips"] = [clip(path=name, **whole) for name in names]
    ended = run("clips", "--verify", "--json")
    assert ended.code == 1
    assert [each["file"] for each in json.loads(ended.out)] == ["ok", "damaged", "damaged", "missing", "elsewhere"]


def test_clips_that_are_all_well_are_no_failure(server: StandIn, run: Run, folder: Path) -> None:
    (folder / "good.mp4").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    server.lists["/v1/clips"] = [clip(path=str(folder / "good.mp4"), bytes=0, sha256=empty)]
    assert run("clips", "--verify").code == 0


def test_csv_holds_plain_amounts_and_no_formulas(server: StandIn, run: Run) -> None:
    refund = line(kind="refund", amount={"amount": "-0.136", "unit": "USD"}, account="-x")
    server.lists["/v1/ledger"] = [refund, line(account="=cmd()"), line(kind="unknown", amount=None)]
    heading, unknown, charge, refunded = run("ledger", "--csv").out.splitlines()
    assert heading == "at,job_id,vendor,account,kind,amount,unit,basis,evidence_id,id"
    assert unknown.split(",")[4:7] == ["unknown", "", ""]
    assert charge.split(",")[3:7] == ["'=cmd()", "charge", "0.136", "USD"]
    assert refunded.split(",")[3:7] == ["'-x", "refund", "-0.136", "USD"]


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        ("=", "'="),
        ("+", "'+"),
        ("-", "'-"),
        ("@", "'@"),
        ("\t", "' "),
        ("\r", "' "),
        ("\n", "' "),
        (" =", "' ="),
        ("x\r=", "x ="),
        ("x\n=", "x ="),
    ],
)
def test_no_cell_of_text_begins_as_a_formula_does(server: StandIn, run: Run, start: str, shown: str) -> None:
    names = ("job_id", "vendor", "account", "kind", "basis", "evidence_id", "id")
    texts = {name: f'{start}cmd|"{name}"' for name in names}
    amount = {"amount": "-0.136", "unit": f"{start}USD"}
    server.lists["/v1/ledger"] = [line(**texts, amount=amount)]
    (row,) = csv.DictReader(io.StringIO(run("ledger", "--csv").out, newline=""))
    assert {name: row[name] for name in names} == {name: f'{shown}cmd|"{name}"' for name in names}
    # an amount is a number, with its sign
    assert (row["unit"], row["amount"]) == (f"{shown}USD", "-0.136")


def test_findings_say_how_much_which_job_and_what_to_do(full: StandIn, run: Run) -> None:
    out = run("ledger", "--findings").out
    heading, sums, empty, head, prompt, text, step = out.splitlines()
    assert heading.split() == ["finding", "jobs", "comes", "to", "meaning"]
    assert sums.split()[:3] == ["not_refunded", "7", "$0.952"]
    assert (empty, head.partition("  ordered")[0]) == ("", f"not_refunded  $0.136  {JOB_ID}  vrex")
    assert [prompt, text, step] == [
        "  a red kite [2J over the sea",
        "  It was paid for with $0.136, it failed (BAD), and the vendor kept the money",
        "  Ask the vendor about vg_1",
    ]


def test_where_everything_adds_up_it_is_said(server: StandIn, run: Run) -> None:
    server.lists |= {"/v1/ledger/findings": [], "/v1/ledger/findings/summary": []}
    ended = run("ledger", "--findings")
    assert (ended.code, ended.out, ended.err) == (0, "", "Everything adds up: nothing was found.\n")


def test_findings_of_unknown_amount_and_of_credits_are_shown_as_that(server: StandIn, run: Run) -> None:
    of_artnex = {**FOUND_SUM, "vendor": "artnex", "amount": {"amount": "40", "unit": "credits"}}
    server.lists["/v1/ledger/findings"] = [{**FINDING, "amount": None, "prompt": None}] * 101
    server.lists["/v1/ledger/findings/summary"] = [{**FOUND_SUM, "amount": None}, of_artnex]
    ended = run("ledger", "--findings")
    assert [line.split()[:5] for line in ended.out.splitlines()[1:3]] == [
        ["not_refunded", "7", "unknown", "failed,", "and"],
        ["not_refunded", "7", "40", "credits", "of"],
    ]
    assert "not_refunded  unknown amount" in ended.out
    assert ended.err == "These are the newest 100; --json prints all.\n"


@pytest.mark.parametrize("other", ["--csv", "--export=x.db"])
def test_findings_are_not_mixed_with_other_forms(run: Run, other: str) -> None:
    ended = run("ledger", "--findings", other)
    assert (ended.code, ended.err.split(";")[0]) == (2, "Give only one of --findings, --csv and --export")


def test_a_queued_order_says_why_it_waits(server: StandIn, run: Run) -> None:
    server.lists["/v1/jobs"] = [job(state="queued")]
    reasons = [
        {"code": "line", "text": "3 orders are before it", "until": None},
        {"code": "stopped", "text": "vrex refuses our calls", "until": "2026-11-20T12:30:00Z"},
    ]
    server.says("GET", f"/v1/jobs/{JOB_ID}/waits", {"items": reasons, "next": None})
    out = run("job", JOB_ID).out.splitlines()
    said = [line.split(None, 1) for line in out if line.startswith(("waits", "and"))]
    assert said[0] == ["waits", "3 orders are before it"]
    assert said[1][1].startswith("vrex refuses our calls, until 2026-11-20 ")
    assert json.loads(run("job", JOB_ID, "--json").out)["waits"] == reasons
    server.says("GET", f"/v1/jobs/{JOB_ID}/waits", {"items": [], "next": None})
    assert "waits" in run("job", JOB_ID).out


def test_what_is_not_queued_waits_for_nothing(full: StandIn, run: Run) -> None:
    assert json.loads(run("job", JOB_ID, "--json").out)["waits"] == []
    assert full.requests("GET", f"/v1/jobs/{JOB_ID}/waits") == []


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("--all",), {}),
        (("--handler", "team"), {"handler": "team"}),
        (("--job", JOB_ID, "--handler", "team"), {"handler": "team", "job_id": JOB_ID}),
    ],
)
def test_all_that_is_dead_is_tried_again_or_all_of_a_filter(
    full: StandIn, run: Run, arguments: tuple[str, ...], body: dict[str, str]
) -> None:
    full.says("POST", "/v1/deliveries/retry", {"retried": 2, "deliveries": ["dlv_1", "dlv_2"]}, 202)
    assert run("retry", *arguments).out == "2 deliveries will be tried again.\n"
    assert json.loads(run("retry", *arguments, "--json").out) == ["dlv_1", "dlv_2"]
    assert full.bodies("POST", "/v1/deliveries/retry") == [body, body]


@pytest.mark.parametrize("arguments", [(), (DELIVERY_ID, "--all")])
def test_a_retry_says_what_it_needs(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run("retry", *arguments)
    assert (ended.code, ended.err) == (
        2,
        "Name deliveries by their ids, or give --all, --handler NAME or --job ID.\n",
    )


def test_one_that_cannot_be_tried_again_does_not_keep_the_others_from_it(full: StandIn, run: Run) -> None:
    full.single["POST", "/v1/deliveries/dlv_done/retry"] = problem(409, "conflict", "dlv_done is done")
    ended = run("retry", "dlv_done", DELIVERY_ID, "dlv_none")
    assert ended.code == 1
    assert DELIVERY_ID in ended.out
    assert ended.err == "dlv_done is done\nThere is nothing of this id.\n"
    assert [each["id"] for each in json.loads(run("retry", "dlv_done", DELIVERY_ID, "--json").out)] == [DELIVERY_ID]


@pytest.mark.parametrize(
    ("verb", "option"), [("evidence", "--kind"), ("evidence", "--verdict"), ("events", "--type"), ("jobs", "--state")]
)
def test_a_word_that_an_option_does_not_know_is_wrong_usage(run: Run, verb: str, option: str) -> None:
    ended = run(verb, option, "nonsense")
    assert ended.code == 2
    assert ended.err.startswith(f"{option} takes one of ")


def test_dollars_of_several_keys_have_a_last_row_and_credits_have_not(server: StandIn, run: Run) -> None:
    server.lists["/v1/ledger/summary"] = [{"key": key, "unit": "USD", **SUM} for key in ("a", "b")]
    assert run("ledger").out.splitlines()[-1].split() == ["all", "USD", "0.544", "-0.272", "0.272", "0", "4", "0"]
    server.lists["/v1/ledger/summary"] = [{"key": key, "unit": "credits", **SUM} for key in ("a", "b")]
    assert len(run("ledger").out.splitlines()) == 3
    assert len(run("ledger", "--by", "tag").out.splitlines()) == 3


def test_a_handler_that_fails_its_test_is_a_failure(server: StandIn, run: Run) -> None:
    result = {"target": "a@example.com", "outcome": "gave_up", "reason": "no such user", "answer": "550 5.1.1\x1b[2J"}
    server.says("POST", "/v1/handlers/mail/test", {"handler": "mail", "ok": False, "results": [result]})
    ended = run("handlers", "test", "mail")
    assert (ended.code, ended.out) == (
        1,
        "mail a@example.com  gave_up: no such user\n  it answered: 550 5.1.1 [2J\n",
    )


def test_a_test_of_a_handler_says_what_was_sent_what_was_answered_and_what_was_saved(server: StandIn, run: Run) -> None:
    result = {"target": "", "outcome": "done", "reason": None, "answer": "1 saved, 7.4 KiB", "saved": ["clips/a.mp4"]}
    sample = {"prompt": "This is a test from clipbell: no clip was made"}
    server.says(
        "POST", "/v1/handlers/clips/test", {"handler": "clips", "ok": True, "sample": sample, "results": [result]}
    )
    ended = run("handlers", "test", "clips")
    assert (ended.code, ended.err) == (
        0,
        "Sent a sample of video.completed: 'This is a test from clipbell: no clip was made'.\n",
    )
    assert ended.out.splitlines() == [
        "clips  done",
        "  it answered: 1 saved, 7.4 KiB",
        "  it saved: clips/a.mp4 (a sample, to be deleted)",
    ]


def test_a_preview_sends_nothing_and_writes_a_page(run: Run, folder: Path, server: StandIn) -> None:
    with (folder / "clipbell.toml").open("a") as file:
        file.write('[handlers.team]\ntype = "slack"\nurl = "https://hooks.slack.com/services/T0/B0/x"\n')
    ended = run("handlers", "test", "team", "--preview", "team.html")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "Nothing was sent. Open team.html in a browser to see what team would say.\n"
    assert "12 clips done, 1 failed, $1.632" in (folder / "team.html").read_text("utf-8")
    assert json.loads(run("handlers", "test", "team", "--preview", "b.html", "--json").out)["file"] == "b.html"
    assert server.server.seen == []


def test_a_preview_of_nobody_or_to_nowhere_says_so(run: Run, folder: Path) -> None:
    assert run("handlers", "--preview", "a.html").code == 2
    missing = run("handlers", "test", "team", "--preview", "a.html")
    assert (missing.code, missing.err) == (1, "There is no handler of this name; configured: none.\n")
    with (folder / "clipbell.toml").open("a") as file:
        file.write('[handlers.team]\ntype = "slack"\nurl = "https://hooks.slack.com/services/T0/B0/x"\n')
    nowhere = run("handlers", "test", "team", "--preview", "no/where.html")
    assert (nowhere.code, nowhere.err) == (1, "no/where.html cannot be written: no such file or directory.\n")


def test_the_vendors_need_no_server_and_no_configuration(tmp_path: Path) -> None:
    ended = clipbell("vendors", "vrex", folder=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "$0.017 a second" in ended.out
    assert "1920x1080 with params.size" in ended.out


def test_the_vendors_come_with_what_the_server_has_seen_of_them(full: StandIn, run: Run) -> None:
    ended = run("vendors", "vrex")
    assert ended.code == 0
    said = [line.strip() for line in ended.out.splitlines() if "seen of" in line]
    assert [" ".join(line.split()) for line in said] == [
        "seen of vrex 110 completed, 9 failed, 1 running; half of the clips done within 48 s; "
        "callbacks 100 on time, 8 late, 2 lost",
        "seen of second nothing yet",
    ]
    shut = [" ".join(line.split()) for line in ended.out.splitlines() if "closed to" in line]
    assert [line.partition(" before ")[0] for line in shut] == ["closed to vrex no calls", "closed to vrex no orders"]
    assert shut[0].endswith(": HTTP 401, then it is tried gently")
    assert shut[1].endswith(": DAILY_CAP_REACHED")


def test_what_the_configuration_says_otherwise_is_told_by_account(full: StandIn, run: Run) -> None:
    said = [" ".join(line.split()) for line in run("vendors", "vrex").out.splitlines() if "set for" in line]
    assert said == [
        "set for second limits 5/minute, 24/hour orders, 3 open jobs; prices $0.02 a second, extra $1; "
        "a credit is $0.004"
    ]


def test_without_its_server_the_vendors_are_shown_and_it_is_said(folder: Path, server: StandIn, run: Run) -> None:
    config = folder / "clipbell.toml"
    config.write_text(config.read_text().replace(str(server.server.port), str(closed_port())))
    ended = run("vendors")
    assert ended.code == 0
    assert ended.err == "The server does not answer, so what it has seen of the vendors is not shown.\n"
    assert "seen of" not in ended.out


def test_a_server_and_a_token_are_enough(server: StandIn, tmp_path: Path) -> None:
    server.lists["/v1/jobs"] = [job()]
    address = server.url.removeprefix("http://")
    ended = clipbell("jobs", "--server", address, "--json", folder=tmp_path, environ={"CLIPBELL_API_TOKEN": TOKEN})
    assert (ended.code, len(json.loads(ended.out))) == (0, 1)


@pytest.mark.parametrize("place", ["before", "after", "variable"])
def test_the_configuration_may_be_named_in_three_ways(server: StandIn, folder: Path, place: str) -> None:
    (folder / "clipbell.toml").rename(folder / "other.toml")
    words: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "before": (("--config", "other.toml", "jobs"), {}),
        "after": (("jobs", "--config", "other.toml"), {}),
        "variable": (("jobs",), {"CLIPBELL_CONFIG": "other.toml"}),
    }
    arguments, environ = words[place]
    assert clipbell(*arguments, folder=folder, environ=environ).code == 0


def test_evidence_is_printed_as_it_came(server: StandIn, run: Run) -> None:
    server.says("GET", "/v1/evidence/evd_1/body", {"x": 1})
    assert run("evidence", "evd_1").out == '{"x": 1}'


def test_a_replay_since_takes_what_came_since(server: StandIn, run: Run) -> None:
    server.lists["/v1/events"] = [event(id="evt_2"), event(id="evt_1", received_at="1999-01-01T00:00:00Z")]
    server.says("POST", "/v1/events/evt_2/replay", {"deliveries": ["dlv_1", "dlv_2"]})
    assert run("replay", "--since", "9999d", "--dry-run").out == "1 event would be replayed.\n"
    # before there were calendars
    assert run("replay", "--since", "999999d", "--dry-run").out == "2 events would be replayed.\n"
    assert run("replay", "--since", "9999d").out == "1 event replayed, 2 deliveries will run.\n"
    assert server.requests("POST", "/v1/events/evt_1/replay") == []


def test_the_export_is_the_file_that_the_handler_keeps(server: StandIn, run: Run, folder: Path) -> None:
    server.lists["/v1/jobs"], server.lists["/v1/ledger"] = [completed(), job(id="job_2")], [line()]
    assert run("ledger", "--export", "mine.db").out == "1 line written to mine.db\n"
    assert run("ledger", "--export", "mine.db", "--json").code == 0
    with closing(sqlite3.connect(folder / "mine.db")) as file:
        assert file.execute("select job_id, cost_amount from clips").fetchall() == [(JOB_ID, "0.136")]
        assert file.execute("select kind, amount from ledger").fetchall() == [("charge", "0.136")]


def test_an_export_that_cannot_be_written_is_a_failure(run: Run, folder: Path) -> None:
    (folder / "mine.db").write_text("this is no database, and long enough that SQLite sees it")
    ended = run("ledger", "--export", "mine.db")
    assert (ended.code, ended.err) == (1, "mine.db cannot be written: file is not a database\n")


def test_a_paused_handler_is_listed_with_what_waits_for_it(full: StandIn, run: Run) -> None:
    full.lists["/v1/handlers"] = [PAUSED]
    ended = run("handlers")
    assert "paused" in ended.out
    assert "HTTP 500; 3 parked; tried again at 11-20 " in ended.out
