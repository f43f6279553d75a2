"""The ledger file in the hands of the tools that people open it with: sqlite-utils and Datasette, both as they are."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers import ledger_file
from handlers.ledger import HANDLER, LedgerOptions
from receiver.cli.exporting import export_to
from receiver.client import Clipbell
from schemas.values import replace
from tests.support.api_stand_in import TOKEN, api_stand_in, completed
from tests.support.http_server import closed_port
from tests.support.parcels import FAILED, READY, parcel, tools
from tests.support.waiting import eventually

AMOUNTS = {"charge": "0.136", "refund": "-0.136"}


def money(number: int, job_id: str, kind: str = "charge", at: str = "2025-01-01T12:00:00Z") -> dict[str, Any]:
    """A ledger line in the contract's shape."""
    return {
        "id": f"ldg_{number}",
        "at": at,
        "job_id": job_id,
        "vendor": "vrex",
        "account": "vrex",
        "kind": kind,
        "amount": {"amount": AMOUNTS[kind], "unit": "USD"},
        "basis": "vendor_figure",
        "evidence_id": "evd_1",
    }


LINES = [
    money(1, "job_1"),
    money(2, "job_2"),
    money(3, "job_3", at="2025-01-02T12:00:00Z"),
    money(4, "job_3", "refund"),
]


@pytest.fixture(params=["handler", "export"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The file, as the handler keeps it and as the command line exports it."""
    return _kept(tmp_path) if request.param == "handler" else _exported(tmp_path)


def _kept(folder: Path) -> Path:
    async def lines(*job_ids: str) -> Sequence[dict[str, Any]]:
        return [each for each in LINES if each["job_id"] in job_ids]

    handler = HANDLER.make(LedgerOptions(), tools(folder, lines=lines))
    news = [
        parcel(replace(READY, job_id="job_1", prompt="A red kite over the sea")),
        parcel(replace(READY, job_id="job_2", prompt="A red kite over the sea")),
        parcel(replace(FAILED, job_id="job_3", prompt="A paper boat in the rain")),
    ]
    asyncio.run(handler.deliver(news))
    return folder / "ledger.db"


def _exported(folder: Path) -> Path:
    file = folder / "mine.db"
    with api_stand_in() as server, Clipbell(server.url, token=TOKEN) as client:
        jobs = [completed(id=f"job_{n}", prompt="A red kite over the sea") for n in (1, 2)]
        failure = {"code": "BAD", "message": "no", "refunded": True, "refund_basis": "vendor_policy"}
        boat = completed(id="job_3", prompt="A paper boat in the rain", state="failed", failure=failure, videos=[])
        server.lists["/v1/jobs"], server.lists["/v1/ledger"] = [*jobs, boat], LINES
        server.lists["/v1/ledger/findings"] = []
        assert export_to(file, client) == 4
    return file


# --- sqlite-utils --------------------------------------------------------------------------------------------


def asked(*arguments: str) -> list[dict[str, Any]]:
    """What sqlite-utils, as a program, prints."""
    command = [sys.executable, "-m", "sqlite_utils", *arguments]
    found: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def test_sqlite_utils_reads_the_views_and_searches_the_prompts(file: Path) -> None:
    name = str(file)
    assert {each["view"] for each in asked("views", name)} == set(ledger_file.VIEWS)
    assert [(each["day"], each["total"]) for each in asked("rows", name, "by_day")] == [
        ("2025-01-01", "0.136"),
        ("2025-01-02", "0.136"),
    ]
    assert [each["jobs"] for each in asked("rows", name, "by_vendor")] == [3]
    assert [each["times"] for each in asked("rows", name, "paid_twice")] == [2]
    assert [each["job_id"] for each in asked("search", name, "clips", "boat")] == ["job_3"]


# --- Datasette -----------------------------------------------------------------------------------------------


@contextmanager
def datasette(file: Path, folder: Path) -> Iterator[httpx.Client]:
    """Datasette as a program, serving a file on loopback."""
    port = closed_port()
    command = [sys.executable, "-m", "datasette", "serve", str(file), "--host", "127.0.0.1", "--port", str(port)]
    environ = {**os.environ, "PYTHONWARNINGS": "ignore", "HOME": str(folder)}
    with (folder / "datasette.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, cwd=folder)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False, timeout=20) as client:

            def answers() -> bool:
                assert process.poll() is None, (folder / "datasette.log").read_text()
                try:
                    return client.get("/-/versions.json").status_code == 200
                except httpx.TransportError:
                    return False

            eventually(answers, "Datasette to answer", seconds=60)
            yield client
    finally:
        process.terminate()
        process.wait(20)


def shown(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    """The rows that Datasette shows at an address."""
    answer = client.get(f"{path}.json", params={"_shape": "array", **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_datasette_shows_the_views_and_searches_the_prompts(file: Path, tmp_path: Path) -> None:
    with datasette(file, tmp_path) as client:
        database = client.get(f"/{file.stem}.json").json()
        assert {each["name"] for each in database["views"]} == set(ledger_file.VIEWS)
        # that it offers the search means that it has found the index
        assert [each["fts_table"] for each in database["tables"] if each["name"] == "clips"] == ["clips_fts"]
        by_day = shown(client, f"/{file.stem}/by_day")
        assert [(each["day"], each["charged"], each["refunded"], each["total"]) for each in by_day] == [
            ("2025-01-01", "0.272", "-0.136", "0.136"),
            ("2025-01-02", "0.136", "0", "0.136"),
        ]
        assert [(each["vendor"], each["total"]) for each in shown(client, f"/{file.stem}/by_vendor")] == [
            ("vrex", "0.272")
        ]
        assert [each["times"] for each in shown(client, f"/{file.stem}/paid_twice")] == [2]
        assert shown(client, f"/{file.stem}/failed_not_refunded") == []
        found = shown(client, f"/{file.stem}/clips", _search="kite")
        assert [each["job_id"] for each in found] == ["job_1", "job_2"]
        assert shown(client, f"/{file.stem}/clips", _search="dragon") == []
        assert client.get(f"/{file.stem}/clips").status_code == 200  # the page for people
