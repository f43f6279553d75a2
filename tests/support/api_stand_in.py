"""A stand-in for the server's API on a real socket: answers in the contract's shapes what a test put into it.

Knows just enough for the client and the command line: the token, lists with pages, one of a kind, refusals.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.http_server import Reply, Seen, Server, serving

TOKEN = "token-of-the-stand-in-0123456789"
JOB_ID = "job_01jz00000000000000000000aa"
EVENT_ID = "evt_01jz00000000000000000000aa"
DELIVERY_ID = "dlv_01jz00000000000000000000aa"


def job(**changes: Any) -> dict[str, Any]:
    """A running job, with changes."""
    return {
        "id": JOB_ID,
        "vendor": "vrex",
        "account": "vrex",
        "origin": "ordered",
        "state": "running",
        "vendor_job_id": "vg_1",
        "prompt": "a red kite over the sea",
        "model": "veo-3.1-lite",
        "params": {},
        "tags": ["spring"],
        "metadata": {"scene": 4},
        "batch": None,
        "estimate": {"amount": "0.136", "unit": "USD"},
        "cost": None,
        "videos": [],
        "failure": None,
        "overdue_at": None,
        "callback": True,
        "settled_by": None,
        "created_at": "2026-11-20T12:00:00.250Z",
        "submitted_at": "2026-11-20T12:00:01Z",
        "settled_at": None,
        "event_ids": [],
        **changes,
    }


def completed(**changes: Any) -> dict[str, Any]:
    """The same job, completed."""
    video = {"url": "https://files.example/1.mp4", "mime_type": "video/mp4", "expires_at": "2026-11-20T13:01:15Z"}
    done = {"state": "completed", "videos": [video], "cost": {"amount": "0.136", "unit": "USD"}}
    return job(
        **{**done, "settled_by": "callback", "settled_at": "2026-11-20T12:01:15Z", "event_ids": [EVENT_ID], **changes}
    )


def event(**changes: Any) -> dict[str, Any]:
    """The event of the completed job."""
    return {
        "id": EVENT_ID,
        "version": 1,
        "type": "video.completed",
        "vendor": "vrex",
        "account": "vrex",
        "job_id": JOB_ID,
        "vendor_job_id": "vg_1",
        "occurred_at": "2026-11-20T12:01:15Z",
        "received_at": "2026-11-20T12:01:15.500Z",
        "source": "callback",
        "trust": "token",
        "prompt": "a red kite over the sea",
        "model": "veo-3.1-lite",
        "duration_seconds": 8,
        "resolution": None,
        "videos": completed()["videos"],
        "cost": {"amount": "0.136", "unit": "USD"},
        "failure": None,
        "tags": ["spring"],
        "metadata": {},
        "batch": None,
        "detail": None,
        "raw": {},
        **changes,
    }


def delivery(**changes: Any) -> dict[str, Any]:
    """A delivery that is done."""
    attempt = {"at": "2026-11-20T12:01:16Z", "outcome": "done", "reason": None, "answer": "ok"}
    return {
        "id": DELIVERY_ID,
        "event_id": EVENT_ID,
        "job_id": JOB_ID,
        "handler": "team",
        "target": "",
        "state": "done",
        "attempts": [attempt],
        "next_at": None,
        "created_at": "2026-11-20T12:01:15.500Z",
        **changes,
    }


def evidence(**changes: Any) -> dict[str, Any]:
    """The callback that said it."""
    return {
        "id": "evd_01jz0000000000000000000aaa",
        "at": "2026-11-20T12:01:15.500Z",
        "job_id": JOB_ID,
        "account": "vrex",
        "kind": "callback",
        "verdict": "accepted",
        "status": None,
        "headers": {},
        "size": 211,
        "sha256": "ab" * 32,
        **changes,
    }


def line(**changes: Any) -> dict[str, Any]:
    """What the clip cost."""
    return {
        "id": "led_01jz0000000000000000000aaa",
        "at": "2026-11-20T12:00:01Z",
        "job_id": JOB_ID,
        "vendor": "vrex",
        "account": "vrex",
        "kind": "charge",
        "amount": {"amount": "0.136", "unit": "USD"},
        "basis": "vendor_figure",
        "evidence_id": "evd_01jz0000000000000000000aaa",
        **changes,
    }


def clip(**changes: Any) -> dict[str, Any]:
    """The file that was saved."""
    return {
        "id": "clp_01jz0000000000000000000aaa",
        "job_id": JOB_ID,
        "number": 1,
        "handler": "clips",
        "path": "clips/vrex/one.mp4",
        "bytes": 4,
        "sha256": "ab" * 32,
        "mime_type": "video/mp4",
        "poster": None,
        "at": "2026-11-20T12:01:17Z",
        **changes,
    }


def problem(status: int, code: str, detail: str, **more: Any) -> Reply:
    """A refusal."""
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code, **more}
    headers = {"content-type": "application/problem+json"}
    if "retry_after" in more:
        headers["retry-after"] = str(more["retry_after"])
    return Reply(status, json.dumps(body).encode(), headers)


class StandIn:
    """What it would answer. `lists`: by path, newest first; `single`: by method and path, over everything else."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.single: dict[tuple[str, str], Reply] = {}
        #: So many requests of a route are taken without an answer that arrives whole.
        self.lost: Counter[tuple[str, str]] = Counter()
        server.answer(self._answer)

    @property
    def url(self) -> str:
        """The address."""
        return self.server.url

    def says(self, method: str, path: str, body: Any, status: int = 200) -> None:
        """Answer one route with JSON."""
        self.single[method, path] = Reply(status, json.dumps(body).encode())

    def requests(self, method: str, path: str) -> list[Seen]:
        """What came to one route, whatever the query."""
        return [seen for seen in self.server.seen if (seen.method, urlsplit(seen.path).path) == (method, path)]

    def bodies(self, method: str, path: str) -> list[Any]:
        """The JSON bodies that came to one route."""
        return [json.loads(seen.body) for seen in self.requests(method, path)]

    def _answer(self, seen: Seen) -> Reply:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return problem(401, "unauthorized", "The token is missing or wrong.")
        url = urlsplit(seen.path)
        if self.lost[seen.method, url.path] > 0:
            self.lost[seen.method, url.path] -= 1
            return Reply(202, b'{"id": ', {"content-length": "900"})
        if (seen.method, url.path) in self.single:
            return self.single[seen.method, url.path]
        if seen.method == "GET" and url.path in self.lists:
            return self._page(self.lists[url.path], dict(parse_qsl(url.query)))
        if seen.method == "GET":
            folder, _, wanted = url.path.rpartition("/")
            for each in self.lists.get(folder, []):
                if each["id"] == wanted:
                    return Reply(body=json.dumps(each).encode())
        return problem(404, "not_found", "There is nothing of this id.")

    def _page(self, rows: list[dict[str, Any]], query: dict[str, str]) -> Reply:
        start, limit = int(query.pop("cursor", "0")), int(query.pop("limit", "50"))
        query = {name: value for name, value in query.items() if name not in ("all", "by")}
        found = [row for row in rows if all(str(row.get(name)) == value for name, value in query.items())]
        more = str(start + limit) if len(found) > start + limit else None
        return Reply(body=json.dumps({"items": found[start : start + limit], "next": more}).encode())


@contextmanager
def api_stand_in() -> Iterator[StandIn]:
    """A stand-in that is there as long as it is needed."""
    with serving() as server:
        made = StandIn(server)
        made.lists = {
            f"/v1/{name}": []
            for name in ("jobs", "events", "deliveries", "evidence", "alerts", "clips", "ledger", "ledger/findings")
        }
        yield made
