"""The files: real clips, ranges, URLs that expire, and every fault of a download."""

import io
import time
from typing import Any

import av
import httpx
import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from receiver.simulator.ranges import Unsatisfiable, byte_range


def video(sim: RunningSimulator, vrex: httpx.Client, **fields: Any) -> str:
    job = vrex.post("/videos", json={"prompt": "A heron", **fields}).json()["id"]
    sim.control.finish(job)
    return str(vrex.get(f"/videos/{job}").json()["video_url"])


@pytest.mark.parametrize("seconds", [4, 6, 8])
def test_a_clip_is_real_and_as_long_as_ordered(sim: RunningSimulator, vrex: httpx.Client, seconds: int) -> None:
    content = vrex.get(video(sim, vrex, seconds=seconds)).content
    with av.open(io.BytesIO(content), "r") as container:
        [stream] = container.streams
        frames = len(list(container.decode(video=0)))
        assert stream.codec_context.name == "h264"
        assert abs(frames / 12 - seconds) < 0.1


def test_no_two_clips_are_alike_and_one_is_always_the_same(sim: RunningSimulator, vrex: httpx.Client) -> None:
    one, other = video(sim, vrex), video(sim, vrex)
    assert vrex.get(one).content == vrex.get(one).content != vrex.get(other).content


def test_a_url_dies_after_an_hour_and_a_look_gives_a_living_one(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    sim.control.advance(3590)
    assert vrex.get(url).status_code == 200
    sim.control.advance(11)
    dead = vrex.get(url)
    assert (dead.status_code, dead.headers["content-type"]) == (403, "application/xml")
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in dead.text
    job = sim.control.jobs()[0]["id"]
    assert vrex.get(vrex.get(f"/videos/{job}").json()["video_url"]).status_code == 200


def test_urls_may_die_at_random_moments_sooner_than_was_said() -> None:
    settings = SimulatorSettings(url_dies_within=10)
    with RunningSimulator(settings) as sim, httpx.Client(trust_env=False, verify=False) as client:
        client.headers["authorization"] = "Bearer sk-test"
        client.base_url = httpx.URL(sim.base_urls["vrex"])
        urls = [video(sim, client) for _ in range(20)]
        sim.control.advance(5)
        alive = [url for url in urls if client.get(url).status_code == 200]
        assert 0 < len(alive) < 20
        sim.control.advance(6)
        assert [client.get(url).status_code for url in alive] == [403] * len(alive)


@pytest.mark.parametrize("change", [("sig=", "sig=0"), ("expires=", "expires=9"), ("sig=", "sig=é")])
def test_a_url_that_was_tampered_with_is_refused(
    sim: RunningSimulator, vrex: httpx.Client, change: tuple[str, str]
) -> None:
    url = video(sim, vrex)
    assert vrex.get(url.replace(*change)).status_code == 403
    assert vrex.get(url.partition("?")[0]).status_code == 403


def test_a_file_that_is_not_there_is_not_found(sim: RunningSimulator, vrex: httpx.Client) -> None:
    job = vrex.post("/videos", json={"prompt": "x"}).json()["id"]
    for path in (f"{job}/1.mp4", f"{job}/2.mp4", "vg_none/1.mp4"):
        answer = vrex.get(f"{sim.url}/files/vrex/{path}")
        assert (answer.status_code, "<Code>NoSuchKey</Code>" in answer.text) == (404, True)


def test_a_file_can_be_had_in_ranges(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    whole = vrex.get(url)
    size, tag = len(whole.content), whole.headers["etag"]
    assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", str(size))
    first = vrex.get(url, headers={"range": "bytes=0-999"})
    rest = vrex.get(url, headers={"range": "bytes=1000-", "if-range": tag})
    assert (first.status_code, first.headers["content-range"]) == (206, f"bytes 0-999/{size}")
    assert first.content + rest.content == whole.content
    assert rest.headers["etag"] == tag


def test_a_range_of_another_version_gives_the_whole(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    other = vrex.get(url, headers={"range": "bytes=10-", "if-range": '"other"'})
    assert (other.status_code, other.content) == (200, vrex.get(url).content)


def test_a_range_beyond_the_end_is_refused(sim: RunningSimulator, vrex: httpx.Client) -> None:
    answer = vrex.get(video(sim, vrex), headers={"range": "bytes=9999999-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"].startswith("bytes */")


def test_head_tells_the_size_without_the_body(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    answer = vrex.head(url)
    assert (answer.content, int(answer.headers["content-length"])) == (b"", len(vrex.get(url).content))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=2-99", (2, 10)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
    ],
)
def test_ranges_are_read_as_http_says(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0"])
def test_a_range_without_a_byte_is_unsatisfiable(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        byte_range(header, 10)


# --- faults ----------------------------------------------------------------------------------------------------


def test_a_download_can_be_cut(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    whole = vrex.get(url).content
    sim.control.fault("download.cut", fraction=0.25)
    got: list[bytes] = []
    with vrex.stream("GET", url) as answer:
        assert answer.headers["content-length"] == str(len(whole))
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(answer.iter_raw())
    assert b"".join(got) == whole[: len(whole) // 4]


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchKey"), (503, "SlowDown")])
def test_a_download_can_be_refused(sim: RunningSimulator, vrex: httpx.Client, status: int, code: str) -> None:
    url = video(sim, vrex)
    sim.control.fault(f"download.{status}", "vrex", retry_after=2)
    answer = vrex.get(url)
    assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (status, True)
    assert answer.headers["retry-after"] == "2"
    assert vrex.get(url).status_code == 200


def test_a_download_can_be_a_web_page_or_lead_elsewhere(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    sim.control.fault("download.html")
    sim.control.fault("download.redirect", to="http://10.0.0.1/")
    page, elsewhere = vrex.get(url), vrex.get(url)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (elsewhere.status_code, elsewhere.headers["location"]) == (302, "http://10.0.0.1/")


def test_a_download_can_drip(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    sim.control.fault("download.drip", bytes=2000, seconds=0.03)
    begun = time.monotonic()
    dripped = vrex.get(url).content
    assert time.monotonic() - begun > 0.08
    assert dripped == vrex.get(url).content


def test_a_download_can_be_endless(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    whole = vrex.get(url).content
    sim.control.fault("download.endless")
    got = 0
    with vrex.stream("GET", url) as answer:
        assert "content-length" not in answer.headers
        for part in answer.iter_raw():
            got += len(part)
            if got > 3_000_000:
                break
    assert got > 3_000_000
    assert vrex.get(url).content == whole


def test_a_file_can_end_in_its_middle_under_an_honest_length(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    whole = vrex.get(url).content
    sim.control.fault("download.truncated_container")
    half = vrex.get(url).content
    assert half == whole[: len(whole) // 2]


def test_a_file_can_change_between_two_ranges(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    sim.control.fault("download.changed", times=None)
    first = vrex.get(url, headers={"range": "bytes=0-99"})
    second = vrex.get(url, headers={"range": "bytes=100-", "if-range": first.headers["etag"]})
    assert (first.status_code, second.status_code) == (206, 200)
    assert first.headers["etag"] != second.headers["etag"]


def test_a_download_can_have_no_answer(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = video(sim, vrex)
    sim.control.fault("download.no_answer")
    with pytest.raises(httpx.RemoteProtocolError):
        vrex.get(url)
