"""Every refusal of the API, with the text that a caller sees. The real program, the simulated vendors."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import plant
from tests.support.http_server import closed_port
from tests.support.program import API_TOKEN, Program


def refused(clipbell: Program, status: int, code: str, **order: Any) -> dict[str, Any]:
    answer = clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": "A coast", **order})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert API_TOKEN not in answer.text
    return problem


def test_without_the_token_nothing_is_answered(idle: Program) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {API_TOKEN}"}):
        answer = httpx.get(f"{idle.url}/v1/jobs", headers=headers, trust_env=False, verify=False)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.json()["detail"] == (
            "This needs the header Authorization: Bearer <api_token>, as set in the configuration."
        )
    assert httpx.get(f"{idle.url}/healthz", trust_env=False, verify=False).json() == {"status": "ok"}
    assert httpx.get(f"{idle.url}/readyz", trust_env=False, verify=False).json() == {"status": "ready"}


INVALID: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"vendor": "nobody"}, [("vendor", "is not a configured account; configured: aivideoapi, vrex")]),
    ({"colour": "red"}, [("colour", "is not a field of an order; a vendor's own fields belong into params")]),
    (
        {"prompt": "", "seconds": 5, "aspect_ratio": "1:1"},
        [
            ("aspect_ratio", "must be one of 16:9, 9:16; for others of its sizes give params.size"),
            ("prompt", "must have at least 1 character"),
            ("seconds", "must be one of 4, 6, 8"),
        ],
    ),
    # what is wrong with its shape does not hide what the vendor would say of the rest
    (
        {"prompt": None, "seconds": "8", "aspect_ratio": "1:1", "colour": "red", "params": {"seed": "x", "mode": "z"}},
        [
            ("prompt", "must be text"),
            ("seconds", "must be a whole number"),
            ("colour", "is not a field of an order; a vendor's own fields belong into params"),
            ("aspect_ratio", "must be one of 16:9, 9:16; for others of its sizes give params.size"),
            (
                "params.seed",
                "is not on the vendor's page; set allow_unknown_params = true for the account to send it anyway",
            ),
            ("params.mode", "must be one of t2v, i2v, r2v"),
        ],
    ),
    (
        {"vendor": "nobody", "seconds": "8"},
        [
            ("seconds", "must be a whole number"),
            ("vendor", "is not a configured account; configured: aivideoapi, vrex"),
        ],
    ),
    (
        {"images": "https://e.com/a.png", "params": {"mode": "i2v"}, "seconds": 5},
        [("images", "must be a list"), ("seconds", "must be one of 4, 6, 8")],
    ),
    ({"vendor": 7, "seconds": 5}, [("vendor", "must be text")]),
    (
        {"params": {"webhook_url": "https://evil.example"}},
        [("params.webhook_url", "is set by clipbell itself; leave it out")],
    ),
]


@pytest.mark.parametrize(("order", "errors"), INVALID)
def test_an_invalid_order_is_422_with_every_problem_and_leaves_no_job(
    order: dict[str, Any], errors: list[tuple[str, str]], idle: Program
) -> None:
    problem = refused(idle, 422, "invalid_order", **order)
    assert [(each["field"], each["problem"]) for each in problem["errors"]] == errors
    assert idle.items("/v1/jobs") == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_a_body_that_is_no_order_is_422(body: bytes, idle: Program) -> None:
    answer = idle.client.post("/v1/jobs", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_order")


def test_seconds_at_aivideoapi_are_refused_and_not_dropped(idle: Program) -> None:
    problem = refused(idle, 422, "invalid_order", vendor="aivideoapi", seconds=8)
    assert [each["field"] for each in problem["errors"]] == ["seconds"]


def test_what_the_vendor_refuses_is_400_with_its_own_words_and_a_rejected_job(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="submit.400", code="HATE_SPEECH", message="Prompt blocked")
    clipbell.start()
    problem = refused(clipbell, 400, "vendor_refused")
    assert (problem["vendor_status"], problem["vendor_code"], problem["vendor_message"]) == (
        400,
        "HATE_SPEECH",
        "Prompt blocked",
    )
    assert problem["detail"] == (
        "Vrex refused the order (HATE_SPEECH: Prompt blocked); "
        "the prompt was blocked by the vendor's rules (hate speech)."
    )
    assert clipbell.job(problem["job_id"])["state"] == "rejected"


def test_a_rejected_order_does_not_consume_its_key(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.400", code="HATE_SPEECH", message="Prompt blocked")
    clipbell.start()
    refused(clipbell, 400, "vendor_refused", idempotency_key="k")
    assert clipbell.order(idempotency_key="k")["state"] == "running"


def test_a_documented_500_that_made_no_job_is_a_refusal(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.500", code="UPLOAD_ERROR", message="Could not fetch the image")
    clipbell.start()
    assert refused(clipbell, 400, "vendor_refused")["vendor_code"] == "UPLOAD_ERROR"


@pytest.mark.parametrize(("status", "code"), [(402, "INSUFFICIENT_BALANCE_FOR_VIDEO"), (404, "WALLET_NOT_FOUND")])
def test_an_empty_purse_is_402(status: int, code: str, clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind=f"submit.{status}", code=code, message="Top up")
    clipbell.start()
    refused(clipbell, 402, "vendor_balance")
    assert [alert["code"] for alert in clipbell.items("/v1/alerts")] == ["account.stopped"]


def test_a_busy_vendor_is_429_with_its_own_wait_and_no_job(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.429", code="QUEUE_FULL", message="Full", retry_after=90)
    clipbell.start()
    answer = clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": "A coast"})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "vendor_busy", "90")
    assert answer.json()["detail"] == (
        "Vrex is busy (QUEUE_FULL: Full): the vendor's queue is full; nothing was ordered; "
        "try again in 90 s, or let it wait in the queue."
    )
    told = clipbell.command("submit", "vrex", "A coast")
    assert (told.returncode, told.stderr.lower().count("try again")) == (1, 1)
    assert clipbell.items("/v1/jobs") == []


def test_a_cap_of_the_day_holds_orders_until_midnight_and_is_told(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.429", vendor="vrex", code="DAILY_CAP_REACHED", times=None, prompt="Too many")
    plant(vendors, kind="job.slow", factor=6.0)
    plant(vendors, kind="callback.lost", times=None)
    clipbell.account_options["vrex"] = {"poll_after": "0.3s", "poll_every": "0.5s"}
    clipbell.start()
    first = clipbell.order(prompt="In time")
    now = datetime.now(UTC)
    answer = clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": "Too many"})
    left = 86_400 - (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    assert answer.status_code == 429
    # right after midnight it would be the cap of the day before
    assert abs(int(answer.headers["retry-after"]) - left) < 30 or left > 86_000
    queued = clipbell.order(prompt="Waits", queue=True)
    assert clipbell.settled(first["id"], seconds=20)["settled_by"] == "poll"
    assert clipbell.job(queued["id"])["state"] == "queued"
    assert len(httpx.get(f"{vendors.url}/control/jobs", trust_env=False, verify=False).json()["jobs"]) == 1
    shown = clipbell.command("vendors", "vrex").stdout
    assert "no orders before" in shown
    assert "DAILY_CAP_REACHED" in shown


def test_a_vendor_that_cannot_be_reached_is_502_and_leaves_no_job(clipbell: Program) -> None:
    clipbell.account_options["vrex"] = {"base_url": f"http://127.0.0.1:{closed_port()}"}
    clipbell.start()
    problem = refused(clipbell, 502, "vendor_unreachable")
    assert "was not sent" in problem["detail"]
    assert clipbell.items("/v1/jobs") == []


def test_a_limit_of_ours_is_429_after_waiting_for_a_turn(clipbell: Program) -> None:
    clipbell.account_options["vrex"] = {"limits": ["1/minute"]}
    clipbell.start()
    clipbell.order()
    problem = refused(clipbell, 429, "vendor_busy")
    assert problem["retry_after"] > 10


def test_the_header_and_the_field_of_a_key_must_agree(idle: Program) -> None:
    answer = idle.client.post(
        "/v1/jobs",
        json={"vendor": "vrex", "prompt": "A coast", "idempotency_key": "a"},
        headers={"idempotency-key": "b"},
    )
    assert answer.json()["errors"] == [
        {"field": "idempotency_key", "problem": "differs from the header Idempotency-Key; give one of them"}
    ]


def test_what_is_wrong_with_a_key_hides_nothing_else_and_no_key_is_guessed(idle: Program) -> None:
    order = {"vendor": "vrex", "prompt": "A coast", "seconds": 5, "idempotency_key": "a"}
    wrong = {"field": "seconds", "problem": "must be one of 4, 6, 8"}
    keys: list[tuple[list[bytes], str, str]] = [
        ([b"b"], "idempotency_key", "differs from the header Idempotency-Key; give one of them"),
        ([b""], "Idempotency-Key", "must have 1 to 255 characters"),
        ([b"a", b"b"], "Idempotency-Key", "is given twice; give it once"),
        ([b"\xe4"], "Idempotency-Key", "must be UTF-8"),
    ]
    for given, field, problem in keys:
        answer = idle.client.post("/v1/jobs", json=order, headers=[(b"idempotency-key", key) for key in given])
        assert answer.status_code == 422
        assert answer.json()["errors"] == [{"field": field, "problem": problem}, wrong]


BODY_ROUTES = ("/v1/jobs", "/v1/jobs/check", "/v1/jobs/adopt", "/v1/jobs/expect", "/v1/deliveries/retry")


@pytest.mark.parametrize("path", BODY_ROUTES)
def test_what_stands_in_the_address_instead_of_the_body_is_refused_and_not_missed(path: str, idle: Program) -> None:
    bodies = {
        "/v1/jobs/adopt": {"vendor": "vrex", "vendor_job_id": "vg_1"},
        "/v1/jobs/expect": {"vendor": "vrex"},
        "/v1/deliveries/retry": {},
    }
    body = bodies.get(path, {"vendor": "vrex", "prompt": "A coast"})
    answer = idle.client.post(path, params={"queue": "true", "handler": "team"}, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    text = "is not read from the address; give it in the body, as a JSON object"
    assert answer.json()["errors"] == [{"field": name, "problem": text} for name in ("queue", "handler")]


def test_everything_wrong_with_a_filter_or_a_replay_is_told_at_once(clipbell: Program) -> None:
    clipbell.start()
    clipbell.settled(clipbell.order()["id"])
    (event,) = clipbell.items("/v1/events", type="video.completed")
    bodies: list[tuple[str, dict[str, Any], list[str]]] = [
        ("/v1/deliveries/retry", {"state": "done", "job_id": 5, "colour": "red"}, ["colour", "job_id", "state"]),
        (f"/v1/events/{event['id']}/replay", {"handler": "nobody", "again": "x"}, ["again", "handler"]),
    ]
    for path, body, fields in bodies:
        answer = clipbell.client.post(path, json=body)
        assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, fields)


def test_unknown_things_are_404_and_wrong_filters_are_named(idle: Program) -> None:
    for path in ("/v1/jobs/job_x", "/v1/events/evt_x", "/v1/evidence/evd_x", "/v1/evidence/evd_x/body", "/v1/nothing"):
        answer = idle.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    answer = idle.client.get("/v1/jobs", params={"limit": "0", "colour": "red"})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["colour", "limit"]


WRONG_TYPES: dict[str, Any] = {
    "prompt": 7,
    "seconds": "8",
    "aspect_ratio": 5,
    "images": "x",
    "model": 4,
    "params": [],
    "tags": {},
    "metadata": [],
    "idempotency_key": "",
    "queue": "yes",
    "batch": 3,
}


def test_every_field_of_a_wrong_type_is_named_in_plain_words(idle: Program) -> None:
    problem = refused(idle, 422, "invalid_order", **WRONG_TYPES)
    assert {each["field"]: each["problem"] for each in problem["errors"]} == {
        "prompt": "must be text",
        "seconds": "must be a whole number",
        "aspect_ratio": "must be text",
        "images": "must be a list",
        "model": "must be text",
        "params": "must be an object",
        "tags": "must be a list",
        "metadata": "must be an object",
        "idempotency_key": "must not be empty",
        "queue": "must be true or false",
        "batch": "must be text",
    }


def test_a_key_that_was_used_for_another_order_is_409(clipbell: Program) -> None:
    clipbell.start()
    first = clipbell.order(idempotency_key="k")
    assert refused(clipbell, 409, "idempotency_mismatch", idempotency_key="k", prompt="A hill")["detail"] == (
        f"The idempotency key belongs to {first['id']}, which is another order; use a new key for a new order."
    )


def test_a_key_stands_in_the_header_or_in_the_field_and_is_never_empty(clipbell: Program) -> None:
    clipbell.start()
    order = {"vendor": "vrex", "prompt": "A coast"}
    first = clipbell.client.post("/v1/jobs", json=order, headers={"idempotency-key": "k"})
    again = clipbell.client.post("/v1/jobs", json={**order, "idempotency_key": "k"})
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 200, first.json()["id"])
    # the same text in either place is the same key, whatever it is
    umlaut = clipbell.client.post("/v1/jobs", json=order, headers=[(b"idempotency-key", "schlüssel".encode())])
    again = clipbell.client.post("/v1/jobs", json={**order, "idempotency_key": "schlüssel"})
    assert (umlaut.status_code, again.status_code, again.json()["id"]) == (202, 200, umlaut.json()["id"])
    for key in ("", "x" * 256):
        answer = clipbell.client.post("/v1/jobs", json=order, headers={"idempotency-key": key})
        assert (answer.status_code, answer.json()["errors"]) == (
            422,
            [{"field": "Idempotency-Key", "problem": "must have 1 to 255 characters"}],
        )


@pytest.mark.parametrize("declared", [True, False])
def test_an_order_above_64_mib_is_413(declared: bool, idle: Program) -> None:
    body = b"{" + b" " * (64 * 1024 * 1024)
    content: Any = body if declared else iter((body[: len(body) // 2], body[len(body) // 2 :]))
    answer = idle.client.post("/v1/jobs", content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["detail"] == "The body is larger than 64MiB; send less."
    assert idle.client.post("/v1/jobs", content=body[:-1]).json()["detail"] == (
        "body: is not JSON; send one JSON object"
    )


def test_the_api_speaks_of_its_mistakes_in_problems_only(idle: Program) -> None:
    wrong = (
        ("DELETE", "/v1/jobs", 405, "This address does not take DELETE; it takes GET, HEAD, POST."),
        ("GET", "/v1/jobs/adopt/", 404, "There is nothing at this address; /openapi.json lists what there is."),
        ("GET", "/v1", 404, "There is nothing at this address; /openapi.json lists what there is."),
        ("GET", f"/v1/jobs?tag={'x' * 3000}", 414, "The address is too long; shorten the filters."),
    )
    for method, path, status, detail in wrong:
        answer = idle.client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
        assert answer.json()["detail"] == detail
    assert idle.client.delete("/v1/jobs").headers["allow"] == "GET, HEAD, POST"


def test_whoever_opens_the_address_in_a_browser_is_told_where_to_go_on(idle: Program) -> None:
    answer = httpx.get(f"{idle.url}/", trust_env=False, verify=False)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.text.startswith("Clipbell is running here.")
    assert "/openapi.json describes it" in answer.text


NOT_TO_ASK: list[tuple[str, dict[str, Any], str, str]] = [
    ("/v1/jobs", {"limit": ["1", "2"]}, "limit", "is given twice; give it once"),
    ("/v1/jobs", {"limit": "201"}, "limit", "must be a whole number from 1 to 200"),
    ("/v1/jobs", {"cursor": "there"}, "cursor", "must be the next of an earlier answer"),
    (
        "/v1/ledger/summary",
        {"colour": "red"},
        "colour",
        "is not a parameter of this address; there are by, limit, cursor",
    ),
    ("/v1/handlers", {"limit": "0"}, "limit", "must be a whole number from 1 to 200"),
    ("/v1/handlers", {"cursor": "nobody"}, "cursor", "must be the next of an earlier answer"),
    ("/v1/vendors", {"colour": "red"}, "colour", "is not a parameter of this address; there are limit, cursor"),
]


def test_what_no_list_can_be_asked_is_refused(idle: Program) -> None:
    for path, query, field, problem in NOT_TO_ASK:
        answer = idle.client.get(path, params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (path, query)
        assert answer.json()["errors"] == [{"field": field, "problem": problem}]


def test_everything_wrong_with_an_adoption_is_told_at_once(idle: Program) -> None:
    answer = idle.client.post("/v1/jobs/adopt", json={"vendor": "nobody", "colour": "red", "seconds": "8"})
    assert [each["field"] for each in answer.json()["errors"]] == ["vendor_job_id", "colour", "seconds", "vendor"]
    answer = idle.client.post("/v1/jobs/expect", json={"prompt": 7})
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"field": "vendor", "problem": "is missing"}, {"field": "prompt", "problem": "must be text"}],
    )


def test_the_last_page_says_that_it_is_the_last(clipbell: Program) -> None:
    clipbell.start()
    ids = [clipbell.order(prompt=f"Clip {n}")["id"] for n in range(4)]
    first = clipbell.get("/v1/jobs", limit=2)
    second = clipbell.get("/v1/jobs", limit=2, cursor=first["next"])
    assert [job["id"] for job in (*first["items"], *second["items"])] == ids[::-1]
    assert (first["next"], second["next"]) == (ids[2], None)
    handlers = clipbell.get("/v1/handlers", limit=2)
    rest = clipbell.get("/v1/handlers", limit=2, cursor=handlers["next"])
    assert [each["name"] for each in (*handlers["items"], *rest["items"])] == ["files", "slack", "books"]
    assert rest["next"] is None


def test_ordering_again_takes_a_key_in_the_field_too_and_nothing_else(clipbell: Program) -> None:
    clipbell.start()
    first = clipbell.order()
    path = f"/v1/jobs/{first['id']}/again"
    placed = clipbell.client.post(path, json={"idempotency_key": "k"})
    repeated = clipbell.client.post(path, headers={"idempotency-key": "k"})
    assert (placed.status_code, repeated.status_code, repeated.json()["id"]) == (202, 200, placed.json()["id"])
    wrong: list[tuple[dict[str, Any], list[str]]] = [
        ({"json": {"prompt": "A hill", "idempotency_key": ""}}, ["prompt", "idempotency_key"]),
        ({"json": {"idempotency_key": 7}}, ["idempotency_key"]),
        ({"json": {"idempotency_key": "a"}, "headers": {"idempotency-key": "b"}}, ["idempotency_key"]),
        ({"params": {"idempotency_key": "a"}}, ["idempotency_key"]),
        ({"content": b"prompt"}, ["body"]),
        ({"json": []}, ["body"]),
    ]
    for request, fields in wrong:
        answer = clipbell.client.post(path, **request)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_order"), request
        assert [each["field"] for each in answer.json()["errors"]] == fields
    assert [job["id"] for job in clipbell.items("/v1/jobs")] == [placed.json()["id"], first["id"]]


def test_an_unknown_job_is_settled_by_a_persons_word(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.no_answer", times=2)
    plant(vendors, kind="callback.lost", times=2)
    clipbell.account_options["vrex"] = {"poll_every": "1s"}
    clipbell.start()
    sent, not_sent = clipbell.order(prompt="One"), clipbell.order(prompt="Two")
    found = httpx.get(f"{vendors.url}/control/jobs", trust_env=False, verify=False).json()["jobs"]
    vendor_id = next(each["id"] for each in found if each["prompt"] == "One")
    word = {"resolution": "sent", "vendor_job_id": vendor_id}
    assert clipbell.client.post(f"/v1/jobs/{sent['id']}/resolve", json=word).status_code == 200
    assert clipbell.settled(sent["id"])["vendor_job_id"] == vendor_id
    # "it was not sent" beside an id is no clear word
    unclear: list[tuple[dict[str, Any], list[str]]] = [
        ({"resolution": "not-sent", "vendor_job_id": "vg_1"}, ["vendor_job_id"]),
        ({"resolution": "maybe", "colour": "red"}, ["colour", "resolution"]),
    ]
    for body, fields in unclear:
        answer = clipbell.client.post(f"/v1/jobs/{not_sent['id']}/resolve", json=body)
        assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, fields)
    twice = clipbell.client.post(f"/v1/jobs/{not_sent['id']}/resolve", json=word)
    assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
    assert "belongs to another job" in twice.json()["detail"]
    answer = clipbell.client.post(f"/v1/jobs/{not_sent['id']}/resolve", json={"resolution": "not-sent"})
    assert answer.json()["state"] == "rejected"
    again = clipbell.client.post(f"/v1/jobs/{not_sent['id']}/resolve", json={"resolution": "not-sent"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert clipbell.items("/v1/alerts") == []


def test_what_was_given_up_as_unknown_can_still_be_settled_by_a_person(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="submit.no_answer", times=2)
    clipbell.account_options["ulazai"] = {"poll_every": "0.5s", "give_up_after": "1s"}
    clipbell.start()
    sent, not_sent = (clipbell.order("ulazai", prompt=prompt) for prompt in ("One", "Two"))
    for job in (sent, not_sent):
        clipbell.settled(job["id"], "abandoned", 20)
    shown = clipbell.command("job", sent["id"])
    assert f"clipbell job {sent['id']} --resolve sent VENDOR_JOB_ID" in shown.stdout
    refused = clipbell.command("refresh", sent["id"])
    assert (refused.returncode, "--resolve sent VENDOR_JOB_ID" in refused.stderr) == (1, True)
    found = httpx.get(f"{vendors.url}/control/jobs", trust_env=False, verify=False).json()["jobs"]
    vendor_id = next(each["id"] for each in found if each["prompt"] == "One")
    assert clipbell.command("job", sent["id"], "--resolve", "sent", vendor_id).returncode == 0
    assert clipbell.settled(sent["id"])["cost"] == {"amount": "240", "unit": "credits"}
    assert clipbell.command("job", not_sent["id"], "--resolve", "not-sent").returncode == 0
    assert clipbell.job(not_sent["id"])["state"] == "rejected"
    assert clipbell.items("/v1/alerts") == []
