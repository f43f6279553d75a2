"""The downloader into a bucket, against a server that speaks as S3 does."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.buckets import Bucket, open_stored
from handlers.downloader import HANDLER, DownloaderOptions
from handlers.landing import Partial
from handlers.places import target_problem
from handlers.protocol import Done, GiveUp, Outcome, Saved, TryLater
from schemas.event import Event, Video
from tests.support.authority import authority
from tests.support.clips import HTML, mp4
from tests.support.http_server import Reply, Server, closed_port, serving
from tests.support.parcels import READY, parcel, tools
from tests.support.s3_server import client, s3_server, variables

CLIP = mp4()
JOB = READY.job_id


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make an empty bucket called clips, and an environment that leads there."""
    for name, value in variables(endpoint).items():
        monkeypatch.setenv(name, value)
    made = client(endpoint)
    made.create_bucket(Bucket="clips")
    yield made
    for item in made.list_objects_v2(Bucket="clips").get("Contents", []):
        made.delete_object(Bucket="clips", Key=item["Key"])
    made.delete_bucket(Bucket="clips")


def deliver(folder: Path, event: Event, **options: Any) -> Outcome:
    async def main() -> Outcome:
        found = DownloaderOptions.model_validate({"target": "s3://clips/made", **options})
        return (await HANDLER.make(found, tools(folder)).deliver([parcel(event)]))["dlv_1"]

    return asyncio.run(main())


def keys(bucket: Any) -> list[str]:
    return [item["Key"] for item in bucket.list_objects_v2(Bucket="clips").get("Contents", [])]


def body(bucket: Any, key: str) -> bytes:
    return bytes(bucket.get_object(Bucket="clips", Key=key)["Body"].read())


def test_a_clip_goes_into_the_bucket_with_its_event(bucket: Any, tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        event = replace(READY, videos=(Video(server.url),))
        first, again = deliver(tmp_path, event), deliver(tmp_path, event)
        assert len(server.seen) == 1
    sha256 = hashlib.sha256(CLIP).hexdigest()
    address = f"s3://clips/made/vrex/{JOB}-1.mp4"
    assert first == again == Done("1 saved, 5.1 kB", (Saved(1, address, len(CLIP), sha256),))
    assert keys(bucket) == [f"made/vrex/{JOB}-1.mp4", f"made/vrex/{JOB}.json"]
    assert body(bucket, f"made/vrex/{JOB}-1.mp4") == CLIP
    assert json.loads(body(bucket, f"made/vrex/{JOB}.json")) == event.to_json()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_large_clip_goes_up_in_parts(bucket: Any, tmp_path: Path) -> None:
    large = mp4(12 << 20)
    with serving(Reply(200, large)) as server:
        assert isinstance(deliver(tmp_path, replace(READY, videos=(Video(server.url),))), Done)
    assert hashlib.sha256(body(bucket, f"made/vrex/{JOB}-1.mp4")).digest() == hashlib.sha256(large).digest()


def test_an_object_of_another_job_is_not_overwritten(bucket: Any, tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        event = replace(READY, videos=(Video(server.url),))
        deliver(tmp_path, event, name="{slug}")
        server.script(Reply(200, mp4(9)))
        other = deliver(tmp_path, replace(event, job_id="job_other"), name="{slug}")
        server.script(Reply(200, mp4(10)))
        assert isinstance(deliver(tmp_path, replace(event, job_id="job_other"), name="{slug}"), GiveUp)
    assert isinstance(other, Done)
    assert other.saved[0].path == "s3://clips/made/a-cat-rides-a-bicycle-job_other.mp4"
    assert body(bucket, "made/a-cat-rides-a-bicycle.mp4") == CLIP


class Late(Bucket):
    """A bucket at which somebody looked for the name before another took it."""

    async def _refuse_taken(self, name: PurePosixPath) -> None:
        pass


@pytest.mark.parametrize("size", [5000, 66 << 20])
def test_a_name_that_another_took_meanwhile_is_refused_by_the_store_itself(
    bucket: Any, tmp_path: Path, size: int
) -> None:
    path, name = tmp_path / "a.mp4.dlv_1.partial", PurePosixPath("vrex/a.mp4")
    path.write_bytes(mp4(size))
    place = Late("s3://clips/made", scratch=tmp_path)
    asyncio.run(place.keep(Partial(path), name))
    assert hashlib.sha256(body(bucket, "made/vrex/a.mp4")).digest() == hashlib.sha256(mp4(size)).digest()
    bucket.put_object(Bucket="clips", Key="made/vrex/a.mp4", Body=b"another's")
    with pytest.raises(FileExistsError):
        asyncio.run(place.keep(Partial(path), name))
    assert (keys(bucket), body(bucket, "made/vrex/a.mp4")) == (["made/vrex/a.mp4"], b"another's")
    assert bucket.list_multipart_uploads(Bucket="clips").get("Uploads", []) == []


def test_a_stored_file_is_read_in_parts(bucket: Any) -> None:
    bucket.put_object(Bucket="clips", Key="made/a.mp4", Body=CLIP)
    file = open_stored("s3://clips/made/a.mp4")
    assert (file.size, file.read(4, 4), file.read(file.size - 3, 3)) == (len(CLIP), b"ftyp", CLIP[-3:])
    bucket.delete_object(Bucket="clips", Key="made/a.mp4")
    with pytest.raises(FileNotFoundError):
        file.read(0, 1)
    with pytest.raises(FileNotFoundError):
        open_stored("s3://clips/made/a.mp4")
    file.close()


def test_what_is_no_video_does_not_go_up(bucket: Any, tmp_path: Path) -> None:
    with serving(Reply(200, HTML)) as server:
        assert isinstance(deliver(tmp_path, replace(READY, videos=(Video(server.url),))), TryLater)
    assert keys(bucket) == [f"made/vrex/{JOB}.json"]


def test_a_bucket_that_is_not_there_is_tried_later(bucket: Any, tmp_path: Path) -> None:
    with serving(Reply(200, CLIP)) as server:
        outcome = deliver(tmp_path, replace(READY, videos=(Video(server.url),)), target="s3://nowhere")
    assert outcome == TryLater("s3://nowhere cannot be written: no such object or bucket")


@pytest.mark.parametrize("status", [403, 500])
def test_a_store_that_refuses_is_tried_later_and_tells_no_key(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with serving(Reply(200, CLIP)) as server, serving(Reply(status)) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        outcome = deliver(tmp_path, replace(READY, videos=(Video(server.url),)))
    assert isinstance(outcome, TryLater)
    assert "hunter2" not in str(outcome)
    assert ("permission denied" in outcome.reason) == (status == 403)


def test_a_store_that_is_down_is_tried_later(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    with serving(Reply(200, CLIP)) as server:
        assert isinstance(deliver(tmp_path, replace(READY, videos=(Video(server.url),))), TryLater)


def at_a_store(folder: Path, monkeypatch: pytest.MonkeyPatch, store: Server) -> Outcome:
    """Deliver to a bucket at this server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    with serving(Reply(200, CLIP)) as host:
        return deliver(folder, replace(READY, videos=(Video(host.url),)))


@pytest.mark.parametrize("status", [301, 307, 400, 408, 429, 500, 503])
def test_what_a_store_refuses_with_is_said_and_a_redirect_takes_nothing_elsewhere(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with serving() as elsewhere, serving(Reply(status, b"", {"location": f"{elsewhere.url}/x"})) as store:
        outcome = at_a_store(tmp_path, monkeypatch, store)
        assert elsewhere.seen == []
    assert outcome == TryLater(f"s3://clips/made cannot be written: the store answered HTTP {status}")


def test_a_store_whose_certificate_has_expired_gets_nothing(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    with serving(tls=ca.server(until=timedelta(days=-1))) as store:
        outcome = at_a_store(tmp_path, monkeypatch, store)
        assert store.seen == []
    words = "its TLS certificate is not accepted (it has expired)"
    assert outcome == TryLater(f"s3://clips/made cannot be written: {words}")
    with serving(tls=ca.server()) as store:
        # the control: it says nothing of the files, and takes every one
        store.answer(lambda seen: Reply(200, b"", {"etag": '"x"'}) if seen.method == "PUT" else Reply(404))
        assert isinstance(at_a_store(tmp_path, monkeypatch, store), Done)


def test_a_store_that_hangs_up_is_tried_later(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Reply(200, b"x" * 10, {"content-length": "900"})) as store:
        outcome = at_a_store(tmp_path, monkeypatch, store)
    assert isinstance(outcome, TryLater)


def test_targets_that_are_none_are_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="must name a bucket"):
        DownloaderOptions(target="s3:///prefix")
    with pytest.raises(ValidationError, match="must be a folder"):
        DownloaderOptions(target="gs://bucket")
    assert target_problem("s3://bucket", lambda _: False) == "needs the extra s3: pip install 'clipbell[s3]'"
    assert target_problem("s3://bucket", lambda _: True) is None
