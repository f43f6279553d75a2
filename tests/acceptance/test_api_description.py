"""`/openapi.json` describes it all: every route served is in it, and answers hold to its shapes."""

import re
from typing import Any

import httpx
import jsonschema
import pytest

from receiver.web.openapi import OPERATIONS
from tests.support.program import Program


@pytest.fixture
def description(idle: Program) -> dict[str, Any]:
    found: dict[str, Any] = idle.get("/openapi.json")
    return found


def held(description: dict[str, Any], method: str, path: str, answer: httpx.Response) -> None:
    response = description["paths"][path][method]["responses"][str(answer.status_code)]
    schema = {**response["content"]["application/json"]["schema"], "components": description["components"]}
    jsonschema.validate(answer.json(), schema)


def test_every_answer_holds_to_its_shape(clipbell: Program, description: dict[str, Any]) -> None:
    clipbell.start()
    order = clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": "A coast"})
    held(description, "post", "/v1/jobs", order)
    job_id = order.json()["id"]
    clipbell.settled(job_id)
    for handler in ("files", "slack"):
        clipbell.delivered(job_id, handler)
    held(description, "get", "/v1/jobs/{id}", clipbell.client.get(f"/v1/jobs/{job_id}"))
    pages = ["jobs", "events", "deliveries", "evidence", "clips", "ledger", "alerts"]
    for name in pages:
        answer = clipbell.client.get(f"/v1/{name}", params={"job_id": job_id} if name != "jobs" else {})
        held(description, "get", f"/v1/{name}", answer)
        assert answer.json()["items"] or name == "alerts", name


def test_a_wrong_shape_would_be_seen(description: dict[str, Any]) -> None:
    answer = httpx.Response(200, json={"items": [{"id": 7}], "next": None})
    with pytest.raises(jsonschema.ValidationError):
        held(description, "get", "/v1/jobs", answer)


def test_what_is_described_is_served(idle: Program) -> None:
    for operation in OPERATIONS:
        if operation.path == "/v1/stream":
            continue
        path = re.sub(r"\{\w+\}", "none", operation.path)
        answer = idle.client.request(operation.method.upper(), path)
        assert answer.status_code not in (405, 500, 501), operation.path
        assert answer.json().get("detail", "").startswith("There is nothing at") is False if _is_json(answer) else True


def _is_json(answer: httpx.Response) -> bool:
    return "json" in answer.headers["content-type"]
