"""`/openapi.json` is the truth: schemathesis sends what it allows and what it forbids to the real server.

What an answer may be is held exactly: status, media type, shape, the header Allow. That every body of a right shape is
taken is not: which accounts exist, and what a vendor makes, no schema says.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http_server import Reply, serving
from tests.support.program import API_TOKEN, Program

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection,missing_required_header,unsupported_method,ignored_auth"
)
#: Never ends, hence tested elsewhere.
STREAM = "/v1/stream"


def told(description: str, server: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", description, "--url", server]
    options = ["--checks", CHECKS, "--phases", "coverage", "--generation-deterministic"]
    header = ["--header", f"Authorization: Bearer {API_TOKEN}", "--exclude-path", STREAM, "--request-timeout", "30"]
    return subprocess.run(
        [*command, *options, *header, *more], cwd=folder, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.fixture
def busy(clipbell: Program) -> Program:
    """A server that has had a job of each vendor."""
    del clipbell.handlers["slack"]
    clipbell.start()
    for vendor in ("vrex", "aivideoapi"):
        clipbell.settled(clipbell.order(vendor)["id"])
    return clipbell


@pytest.mark.timeout(300)
def test_what_is_described_is_what_is_answered(busy: Program, tmp_path: Path) -> None:
    ended = told(f"{busy.url}/openapi.json", busy.url, tmp_path)
    assert ended.returncode == 0, ended.stdout[-6000:]
    assert "Failures:" not in ended.stdout


def test_a_server_that_answers_otherwise_is_seen(busy: Program, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(busy.client.get("/openapi.json").text)
    with serving(Reply(body=b'{"items": [{"id": 7}]}', headers={"content-type": "application/json"})) as liar:
        ended = told(str(tmp_path / "openapi.json"), liar.url, tmp_path, "--include-path", "/v1/jobs")
    assert ended.returncode == 1, ended.stdout[-6000:]
    assert "Response violates schema" in ended.stdout
