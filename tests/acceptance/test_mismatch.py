"""A clip that is not what was ordered: saved, told of once, and no word about one that is."""

import asyncio
import json
from pathlib import Path

import httpx

from receiver import clock
from receiver.store.opening import open_store
from schemas.job import Job, JobState
from tests.support.called_back import body_of, path_of
from tests.support.clips import film, track
from tests.support.http_server import Reply, Seen, closed_port, serving
from tests.support.program import program

WIDE = track(1280, 720)
#: What the host gives for the clip of a job that was ordered with 8 s and 16:9, and what is said of it.
FILES = {
    "job_asordered": (film(8040, 1000, WIDE), None),
    "job_short": (film(5000, 1000, WIDE), "it lasts 5 s instead of 8 s"),
    "job_tall": (film(8000, 1000, track(720, 1280)), "its picture is 720x1280 instead of 16:9"),
}


async def lay_out(folder: Path) -> None:
    async with open_store(f"sqlite:///{folder}/clipbell.db") as store:
        for id_ in FILES:
            ours = f"vg_{id_}"
            made = Job(
                id_, "vrex", "vrex", JobState.RUNNING, clock.micros(), vendor_job_id=ours, seconds=8, picture="16:9"
            )
            await store.place(made, b"{}")


def test_a_clip_of_another_length_or_picture_is_saved_and_told_of(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        name = seen.path.strip("/").removesuffix(".mp4")
        return Reply(200, FILES[name][0], {"content-type": "video/mp4"}) if name in FILES else Reply(200, b"ok")

    with serving() as others, program(tmp_path, {"vrex": others.url}, closed_port()) as clipbell:
        others.answer(answer)
        clipbell.handlers["team"] = {"type": "slack", "url": f"{others.url}/slack", "events": ["alert.raised"]}
        asyncio.run(lay_out(tmp_path))
        clipbell.start()
        for id_ in FILES:
            # the vendor says what was ordered, whatever it made
            body = body_of(id_, others.url, duration_sec=8)
            assert (
                httpx.post(clipbell.url + path_of(id_), content=body, trust_env=False, verify=False).status_code == 200
            )
            clipbell.delivered(id_, "files")
            assert (tmp_path / "clips" / "vrex" / f"{id_}-1.mp4").read_bytes() == FILES[id_][0]
        wrong = {id_: what for id_, (_, what) in FILES.items() if what}
        found = {alert["subject"]: alert for alert in clipbell.items("/v1/alerts")}
        assert {id_: alert["text"] for id_, alert in found.items()} == {
            id_: f"The clip of {id_} is not as ordered: {what}" for id_, what in wrong.items()
        }
        assert {(alert["code"], alert["job_id"] == id_) for id_, alert in found.items()} == {("clip.mismatch", True)}
        said = clipbell.eventually(lambda: _messages(others.seen, len(wrong)), "the messages")
        assert all(any(f"{id_} is not as ordered" in message for message in said) for id_ in wrong)
        assert "clip.mismatch" in clipbell.command("alerts").stdout


def _messages(seen: list[Seen], count: int) -> list[str]:
    found = [json.loads(each.body)["text"] for each in seen if each.path == "/slack"]
    return found if len(found) >= count else []
