"""The living link: what is in a message today is good next month, for whoever has it and no longer than one wants."""

import json
import os
import re
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import command, control, plant
from tests.support.http_server import Server
from tests.support.mail_server import Mailbox, mail_server
from tests.support.program import Program
from tests.support.s3_server import client, s3_server, variables

MONTH = 30 * 86_400


def get(link: str, method: str = "GET", **headers: str) -> httpx.Response:
    """Ask as somebody who has nothing but the link."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, link, headers=named, trust_env=False, verify=False, timeout=20)


def linked(slack: Server, at: int = -1) -> str:
    """The link in a message."""
    found = re.search(
        r"<(http[^|>]+)\|Open the clip", json.loads(slack.seen[at].body)["blocks"][-1]["elements"][0]["text"]
    )
    assert found is not None
    return found[1].replace("&amp;", "&")


def made(clipbell: Program, slack: Server) -> tuple[dict[str, Any], str]:
    """A clip that was told, and its link."""
    job = clipbell.settled(clipbell.order()["id"])
    for handler in clipbell.handlers:
        clipbell.delivered(job["id"], handler)
    return job, linked(slack)


def a_month_later(clipbell: Program, vendors: RunningSimulator) -> None:
    """Let the vendor's URLs die, and us know it."""
    command(vendors, "clock", advance=MONTH)
    clipbell.stop()
    with sqlite3.connect(clipbell.folder / "clipbell.db") as file:
        past = "replace(outcome, substr(outcome, instr(outcome, '\"expires_at\":\"') + 14, 4), '2024')"
        file.execute(f"UPDATE jobs SET outcome = {past}")
    file.close()
    clipbell.start()


def looks(vendors: RunningSimulator) -> int:
    """How often the vendor was asked about a clip."""
    found = control(vendors, "requests")["requests"]
    return len([each for each in found if each["method"] == "GET" and "/videos/" in each["path"]])


def test_the_link_in_a_message_plays_the_saved_file_for_whoever_has_it(
    clipbell: Program, slack: Server, vendors: RunningSimulator, tmp_path: Path
) -> None:
    clipbell.start()
    job, link = made(clipbell, slack)
    assert link.startswith(f"{clipbell.url}/clips/{job['id']}-1.")
    a_month_later(clipbell, vendors)
    whole = (tmp_path / "clips" / "vrex" / f"{job['id']}-1.mp4").read_bytes()
    asked = looks(vendors)
    answer = get(link)
    assert (answer.status_code, answer.content) == (200, whole)
    assert {name: answer.headers[name] for name in SAFE} == SAFE
    assert answer.headers["content-disposition"] == f'inline; filename="{job["id"]}-1.mp4"'
    assert (answer.headers["accept-ranges"], answer.headers["content-length"]) == ("bytes", str(len(whole)))
    part = get(link, range="bytes=100-199", if_range=answer.headers["etag"])
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert get(link, range="bytes=100-199", if_range='"other"').status_code == 200
    assert get(link, range=f"bytes={len(whole)}-").status_code == 416
    assert get(link, if_none_match=answer.headers["etag"]).status_code == 304
    head = get(link, "HEAD", range="bytes=0-1")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole)))
    assert get(link, "POST").status_code == 405
    assert looks(vendors) == asked


SAFE = {
    "content-type": "video/mp4",
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'; media-src 'self'",
    "referrer-policy": "no-referrer",
    "cache-control": "private, no-cache",
}


def test_a_clip_that_was_saved_in_a_bucket_is_read_from_there(
    clipbell: Program, slack: Server, vendors: RunningSimulator
) -> None:
    with s3_server() as endpoint:
        bucket = client(endpoint)
        bucket.create_bucket(Bucket="clips")
        clipbell.handlers["files"] |= {"target": "s3://clips/made"}
        clipbell.variables |= variables(endpoint)
        clipbell.start()
        job, link = made(clipbell, slack)
        a_month_later(clipbell, vendors)
        whole = bucket.get_object(Bucket="clips", Key=f"made/vrex/{job['id']}-1.mp4")["Body"].read()
        answer = get(link)
        assert (answer.status_code, answer.content) == (200, whole)
        assert {name: answer.headers[name] for name in SAFE} == SAFE
        part = get(link, range="bytes=100-199", if_range=answer.headers["etag"])
        assert (part.status_code, part.content) == (206, whole[100:200])
        assert clipbell.command("clips", "--verify").stdout.splitlines()[1].split()[0] == "ok"
        bucket.put_object(Bucket="clips", Key=f"made/vrex/{job['id']}-1.mp4", Body=whole[:-1] + b"?")
        assert json.loads(clipbell.command("clips", "--verify", "--json").stdout)[0]["file"] == "damaged"
        bucket.delete_object(Bucket="clips", Key=f"made/vrex/{job['id']}-1.mp4")
        missing = clipbell.command("clips", "--verify", "--json")
        assert (missing.returncode, json.loads(missing.stdout)[0]["file"]) == (1, "missing")
        plant(vendors, kind="look.404", times=None)
        assert get(link).status_code == 410
    answer = get(link)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "bucket" in answer.text


def test_what_is_no_link_opens_nothing_and_a_link_opens_nothing_else(clipbell: Program, slack: Server) -> None:
    clipbell.start()
    job, link = made(clipbell, slack)
    signature = link.rpartition(".")[2]
    for wrong in (
        link[:-1] + ("A" if link[-1] != "A" else "E"),
        link.replace(f"{job['id']}-1.", f"{job['id']}-2."),
        f"{clipbell.url}/clips/{job['id']}-1",
        f"{clipbell.url}/clips/{signature}",
        f"{clipbell.url}/clips/..%2f..%2fclipbell.toml",
        f"{clipbell.url}/clips/",
    ):
        assert get(wrong).status_code == 404, wrong
    assert get(f"{clipbell.url}/v1/jobs", authorization=f"Bearer {signature}").status_code == 401
    # the control
    assert get(link).status_code == 200


@pytest.mark.parametrize("lost", [False, True])
def test_without_a_file_here_the_link_leads_to_the_vendor_whose_url_is_renewed_at_the_click(
    clipbell: Program, slack: Server, vendors: RunningSimulator, lost: bool
) -> None:
    if not lost:
        clipbell.handlers.pop("files")
    clipbell.start()
    job, link = made(clipbell, slack)
    if lost:
        (clipbell.folder / "clips" / "vrex" / f"{job['id']}-1.mp4").unlink()
    first = get(link)
    assert (first.status_code, first.headers["location"]) == (302, job["videos"][0]["url"])
    assert first.headers["cache-control"] == "no-store"
    a_month_later(clipbell, vendors)
    assert get(job["videos"][0]["url"]).status_code in (403, 410)
    asked = looks(vendors)
    again = get(link)
    assert again.status_code == 302
    assert get(again.headers["location"]).content[4:8] == b"ftyp"
    assert get(link).headers["location"] == again.headers["location"]
    assert looks(vendors) == asked + 1


def test_a_clip_that_nobody_keeps_any_more_is_gone_and_the_vendor_is_asked_once_a_minute(
    clipbell: Program, slack: Server, vendors: RunningSimulator
) -> None:
    clipbell.handlers.pop("files")
    clipbell.start()
    _, link = made(clipbell, slack)
    a_month_later(clipbell, vendors)
    plant(vendors, kind="look.404", times=None)
    asked = looks(vendors)
    answers = [get(link) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {410}
    assert answers[0].text == "This clip is gone: it is not saved here, and its vendor does not keep it any more.\n"
    assert looks(vendors) == asked + 1


def test_a_vendor_that_is_down_is_no_reason_to_call_a_clip_gone(
    clipbell: Program, slack: Server, vendors: RunningSimulator
) -> None:
    clipbell.handlers.pop("files")
    clipbell.start()
    _, link = made(clipbell, slack)
    a_month_later(clipbell, vendors)
    plant(vendors, kind="look.500", times=None)
    answer = get(link)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_a_link_can_be_revoked_job_by_job(clipbell: Program, slack: Server) -> None:
    clipbell.start()
    (job, link), (_, other) = made(clipbell, slack), made(clipbell, slack)
    assert get(f"{clipbell.url}/v1/jobs/{job['id']}/revoke-link", "POST").status_code == 401
    said = clipbell.command("job", job["id"], "--revoke-link")
    assert (said.returncode, said.stderr) == (0, f"No link to the clips of {job['id']} opens any more.\n")
    revoked = clipbell.client.post(f"/v1/jobs/{job['id']}/revoke-link")
    assert (revoked.status_code, revoked.json()) == (200, {"job_id": job["id"], "revoked": True})
    assert [get(each).status_code for each in (link, other)] == [410, 200]
    assert clipbell.client.post("/v1/jobs/job_none/revoke-link").json()["code"] == "not_found"
    clipbell.stop()
    clipbell.start()
    assert get(link).status_code == 410


def test_links_can_be_switched_off_and_messages_then_show_the_vendors_url_with_its_end(
    clipbell: Program, slack: Server
) -> None:
    clipbell.start()
    _, link = made(clipbell, slack)
    clipbell.stop()
    clipbell.options["links"] = False
    clipbell.start()
    assert get(link).status_code == 404
    job, own = made(clipbell, slack)
    assert own == job["videos"][0]["url"]
    end = job["videos"][0]["expires_at"].replace("T", " ")[:16]
    assert f"|Open the clip (until {end} UTC)>" in slack.seen[-1].body.decode()


def test_a_poster_comes_with_the_mail_and_under_the_link(clipbell: Program, slack: Server) -> None:
    clipbell.handlers["files"]["posters"] = True
    with mail_server(Mailbox()) as box:
        clipbell.handlers["mail"] = {
            "type": "email",
            "smtp_url": f"smtp://127.0.0.1:{box.port}",
            "sender": "clips@example.org",
            "to": ["ada@example.com"],
            # by then the poster is there, however slow the machine is
            "events": ["clip.saved"],
        }
        clipbell.start()
        job, link = made(clipbell, slack)
    poster = (clipbell.folder / "clips" / "vrex" / f"{job['id']}-1.jpg").read_bytes()
    [image] = [part for part in box.messages[0].walk() if part.get_content_type() == "image/jpeg"]
    assert image.get_payload(decode=True) == poster
    answer = get(f"{link}/poster.jpg")
    assert (answer.status_code, answer.content) == (200, poster)
    assert {name: answer.headers[name] for name in SAFE} == {**SAFE, "content-type": "image/jpeg"}
    assert get(f"{link[:-1]}x/poster.jpg").status_code == 404
    clipbell.client.post(f"/v1/jobs/{job['id']}/revoke-link")
    assert get(f"{link}/poster.jpg").status_code == 410


def test_a_clip_without_a_poster_has_none_under_its_link(clipbell: Program, slack: Server) -> None:
    clipbell.start()
    _, link = made(clipbell, slack)
    assert get(f"{link}/poster.jpg").status_code == 404
    # the control
    assert get(link).status_code == 200


def test_readers_that_do_not_read_hold_up_nobody(clipbell: Program, slack: Server) -> None:
    clipbell.start()
    job, link = made(clipbell, slack)
    # a large file, as far as anybody can see
    os.truncate(clipbell.folder / "clips" / "vrex" / f"{job['id']}-1.mp4", 3 << 30)
    path, readers = link.removeprefix(clipbell.url), []
    try:
        for _ in range(20):
            reader = socket.create_connection(("127.0.0.1", clipbell.port))
            reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            readers.append(reader)
        time.sleep(0.5)
        began = time.monotonic()
        for _ in range(20):
            # not get(): making a client, with its TLS context, takes longer than the answer
            assert clipbell.client.get("/healthz").status_code == 200
        assert time.monotonic() - began < 2
        assert get(link, range="bytes=4-7").content == b"ftyp"
    finally:
        for reader in readers:
            reader.close()
    clipbell.eventually(lambda: open_files(clipbell, ".mp4") == 0, "every file to be closed")


def open_files(clipbell: Program, ending: str) -> int:
    """How many files of this ending the server holds open."""
    assert clipbell.process is not None
    folder = Path(f"/proc/{clipbell.process.pid}/fd")
    return len([each for each in folder.iterdir() if os.path.islink(each) and os.readlink(each).endswith(ending)])
