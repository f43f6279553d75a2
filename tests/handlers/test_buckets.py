"""The downloader into a bucket, against a server that speaks as S3 does."""

import asyncio
import errno
import hashlib
import json
import resource
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from obstore.exceptions import AlreadyExistsError, GenericError, NotFoundError, PermissionDeniedError
from pydantic import ValidationError

from handlers import bucket_program, bucket_run, pictures
from handlers.buckets import Bucket, open_stored
from handlers.downloader import HANDLER, DownloaderOptions
from handlers.landing import Partial
from handlers.places import target_problem
from handlers.protocol import Done, GiveUp, Outcome, Saved, Tools, TryLater
from schemas.event import Event, Video
from schemas.values import replace
from tests.support.authority import authority
from tests.support.clips import HTML, mp4
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.parcels import READY, parcel, tools
from tests.support.s3_server import client, s3_server, variables

CLIP = mp4()
JOB = READY.job_id
EXPIRED = "its TLS certificate is not accepted (it has expired)"


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
    place = Late("s3://clips/made", scratch=tmp_path, most=1 << 30)
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
    opened = open_stored("s3://clips/made/a.mp4")
    bucket.delete_object(Bucket="clips", Key="made/a.mp4")
    with pytest.raises(FileNotFoundError):
        opened.read(0, 1)
    with pytest.raises(FileNotFoundError):
        open_stored("s3://clips/made/a.mp4")
    file.close()


def test_a_stored_file_is_asked_for_once_by_whoever_reads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as store:
        for name, value in variables(store.url).items():
            monkeypatch.setenv(name, value)
        store.answer(_keeping(CLIP))
        file = open_stored("s3://clips/made/a.mp4")
        whole = b"".join(file.read(at, min(999, file.size - at)) for at in range(0, file.size, 999))
        assert (whole, file.etag) == (CLIP, '"x"')
        assert [seen.method for seen in store.seen] == ["HEAD", "GET"]


def _keeping(content: bytes) -> Callable[[Seen], Reply]:
    """A store that has one object."""
    head = {"etag": '"x"', "last-modified": "Wed, 01 Jan 2025 12:02:45 GMT"}

    def answer(seen: Seen) -> Reply:
        if seen.method == "HEAD":
            return Reply(200, content, head)
        first, last = map(int, seen.headers["range"].removeprefix("bytes=").split("-"))
        span = {"content-range": f"bytes {first}-{last}/{len(content)}"}
        return Reply(206, content[first : last + 1], {**head, **span})

    return answer


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


@pytest.mark.parametrize("status", [301, 307, 400, 408, 410, 425, 429, 500, 503])
def test_what_a_store_refuses_with_is_said_and_a_redirect_takes_nothing_elsewhere(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with (
        serving() as elsewhere,
        serving(Reply(status, b"", {"location": f"{elsewhere.url}/x", "retry-after": "600"})) as store,
    ):
        outcome = at_a_store(tmp_path, monkeypatch, store)
        assert elsewhere.seen == []
    assert outcome == TryLater(f"s3://clips/made cannot be written: the store answered HTTP {status}")


@pytest.mark.parametrize("status", [409, 412])
def test_a_name_that_was_taken_only_for_a_moment_is_tried_later(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with serving() as store:
        clip = f"/clips/made/vrex/{JOB}-1.mp4"
        refused = {("PUT", clip): Reply(status), ("HEAD", clip): Reply(404)}
        store.answer(lambda seen: refused.get((seen.method, seen.path), Reply(200, b"", {"etag": '"x"'})))
        outcome = at_a_store(tmp_path, monkeypatch, store)
    assert outcome == TryLater("s3://clips/made cannot be written: a name was taken for a moment")


def test_a_store_whose_certificate_has_expired_gets_nothing(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    with serving(tls=ca.server(until=timedelta(days=-1))) as store:
        outcome = at_a_store(tmp_path, monkeypatch, store)
        assert store.seen == []
    assert outcome == TryLater(f"s3://clips/made cannot be written: {EXPIRED}")
    with serving(tls=ca.server()) as store:
        # the control: it says nothing of the files, and takes every one
        store.answer(lambda seen: Reply(200, b"", {"etag": '"x"'}) if seen.method == "PUT" else Reply(404))
        assert isinstance(at_a_store(tmp_path, monkeypatch, store), Done)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what takes long take a second."""
    monkeypatch.setattr(bucket_run, "SECONDS", 1.0)
    monkeypatch.setattr(bucket_run, "_MARGIN", 1.5)


ENDLESS = {
    "silent": Reply(silent=True),
    "dripping": Reply(500, b"x" * 10_000, pause=0.05),
    "dripping with a yes": Reply(200, b"x" * 10_000, {"etag": '"x"'}, pause=0.05),
}


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
@pytest.mark.parametrize("reply", ENDLESS.values(), ids=ENDLESS)
def test_a_store_that_is_slow_to_answer_holds_nothing_up(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hasty: None, reply: Reply, method: str
) -> None:
    event = PurePosixPath(f"/clips/made/vrex/{JOB}.json")
    with serving() as store:
        good = Reply(200, b"", {"etag": '"x"'})
        bad = {"HEAD": Reply(404), "PUT": good} | {method: reply}
        store.answer(lambda seen: good if seen.path == str(event) else bad[seen.method])
        begun = time.monotonic()
        outcome = at_a_store(tmp_path, monkeypatch, store)
        took = time.monotonic() - begun
    # the head of an answer to a PUT says that the object is there; its body says nothing more
    is_kept = reply.status == 200 and not reply.silent and method == "PUT"
    assert isinstance(outcome, Done if is_kept else TryLater)
    assert took < 12
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_without_an_end_takes_neither_the_memory_nor_the_program(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hasty: None, status: int
) -> None:
    with serving() as store:
        endless = Reply(status, b"x" * 1_000_000, {"etag": '"x"'}, endless=True)
        store.answer(lambda seen: Reply(404) if seen.method == "HEAD" else endless)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcome = at_a_store(tmp_path, monkeypatch, store)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert isinstance(outcome, Done if status == 200 else TryLater)
    assert grown < 64 << 10


def test_an_object_without_an_end_does_not_fill_the_disk(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hasty: None
) -> None:
    head = {"etag": '"x"', "last-modified": "Wed, 01 Jan 2025 12:02:45 GMT"}
    with serving() as store:
        # it says that it is small, then sends more and more
        store.answer(
            lambda seen: {
                "PUT": Reply(200, b"", {"etag": '"x"'}),
                "HEAD": Reply(200, b"x" * 5000, head),
                "GET": Reply(200, b"x" * 100_000, {**head, "content-length": str(10**13)}, endless=True),
            }[seen.method]
        )
        outcome = at_a_store(tmp_path, monkeypatch, store)
        assert outcome == TryLater("s3://clips/made cannot be written: the object has changed meanwhile")
    assert not list(tmp_path.rglob("*.partial"))


def test_an_object_that_is_larger_than_any_of_ours_is_for_a_person(bucket: Any, tmp_path: Path) -> None:
    bucket.put_object(Bucket="clips", Key=f"made/vrex/{JOB}-1.mp4", Body=mp4(3000))
    with serving(Reply(200, CLIP)) as server:
        outcome = deliver(tmp_path, replace(READY, videos=(Video(server.url),)), max_size="2KiB")
    assert isinstance(outcome, GiveUp)
    assert "more than max_size" in outcome.reason


@pytest.mark.parametrize(
    "reply", [Reply(silent=True), Reply(500, b"x" * 1_000_000, endless=True)], ids=["no", "endless"]
)
def test_a_stored_file_that_cannot_be_read_is_an_error_in_time(
    monkeypatch: pytest.MonkeyPatch, hasty: None, reply: Reply
) -> None:
    with serving() as store:
        for name, value in variables(store.url).items():
            monkeypatch.setenv(name, value)
        store.answer(lambda seen: _keeping(CLIP)(seen) if seen.method == "HEAD" else reply)
        file = open_stored("s3://clips/made/a.mp4")
        begun = time.monotonic()
        with pytest.raises(OSError, match="the store"):
            file.read(0, 9)
        assert time.monotonic() - begun < 8


def test_a_program_that_does_not_come_to_its_end_is_ended(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hasty: None
) -> None:
    monkeypatch.setattr(bucket_run, "_MARGIN", -0.99)
    with pytest.raises(OSError, match="did not answer in time"):
        open_stored("s3://clips/made/a.mp4")
    with pytest.raises(OSError, match="did not answer in time"):
        asyncio.run(Bucket("s3://clips", scratch=tmp_path, most=1).write(PurePosixPath("a.json"), b"{}"))
    assert keys(bucket) == []


def test_a_large_upload_that_is_cancelled_leaves_nothing_in_the_bucket(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4.dlv_1.partial"
    path.write_bytes(bytes(70 << 20))

    async def main() -> None:
        place = Bucket("s3://clips/made", scratch=tmp_path, most=1 << 30)
        task = asyncio.ensure_future(place.keep(Partial(path), PurePosixPath("a.mp4")))
        while not bucket.list_multipart_uploads(Bucket="clips").get("Uploads", []):
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert keys(bucket) == []


def in_process(bucket: str, **asked: Any) -> bytes:
    """Do one thing with a bucket as its program does."""
    content = asked.pop("content", b"")
    return asyncio.run(bucket_program.do({"bucket": bucket, "seconds": 20.0, **asked}, content))


def test_the_program_does_one_thing_at_a_time(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, copy = tmp_path / "a.partial", tmp_path / "copy"
    path.write_bytes(CLIP)
    monkeypatch.setattr(bucket_program, "ALONE", 100)
    for name in ("large", "small"):
        assert in_process("s3://clips/made", do="keep", key=f"{name}.mp4", path=str(path), size=len(CLIP)) == b""
        monkeypatch.setattr(bucket_program, "ALONE", 10_000)
    assert in_process("s3://clips", do="write", key="a.json", content=b"{}") == b""
    assert in_process("s3://clips", do="read", key="a.json", at=1, count=1) == b"}"
    assert json.loads(in_process("s3://clips", do="look", key="made/large.mp4"))["size"] == len(CLIP)
    in_process("s3://clips", do="load", key="made/small.mp4", path=str(copy), size=len(CLIP))
    assert copy.read_bytes() == CLIP
    assert keys(bucket) == ["a.json", "made/large.mp4", "made/small.mp4"]
    with pytest.raises(bucket_program.ChangedError) as changed:
        in_process("s3://clips", do="load", key="made/small.mp4", path=str(copy), size=1)
    assert bucket_program.refusal(changed.value) == (errno.EIO, "the object has changed meanwhile")
    with pytest.raises(AlreadyExistsError) as taken:
        in_process("s3://clips/made", do="keep", key="small.mp4", path=str(path), size=len(CLIP))
    assert bucket_program.refusal(taken.value) == (errno.EEXIST, "exists")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotFoundError("https://secret"), (errno.ENOENT, "no such object or bucket")),
        (PermissionDeniedError("https://secret"), (errno.EACCES, "permission denied")),
        (GenericError("https://secret status code: 503"), (errno.EIO, "the store answered HTTP 503")),
        (GenericError("https://secret Expired certificate"), (errno.EIO, EXPIRED)),
        (GenericError("https://secret certificate"), (errno.EIO, EXPIRED.removesuffix(" (it has expired)"))),
        (ValueError("https://secret"), (errno.EIO, "the store gave no answer")),
    ],
)
def test_a_refusal_is_said_without_the_librarys_words(error: Exception, told: tuple[int, str]) -> None:
    assert bucket_program.refusal(error) == told


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


@pytest.mark.parametrize("content", [b"\xff\xd8\xff a picture", None, b"", b"x" * (pictures.LARGEST + 1)])
def test_the_poster_of_a_message_is_got_from_the_bucket(bucket: Any, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        bucket.put_object(Bucket="clips", Key="made/a.jpg", Body=content)
    shown = content if content and len(content) <= pictures.LARGEST else None
    assert asyncio.run(pictures.picture_of(READY, _saved_in_a_bucket(tmp_path))) == shown


def test_a_bucket_that_is_silent_holds_no_message_back(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_SOON", 1.0)
    begun = time.monotonic()
    with serving(Reply(silent=True)) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        assert asyncio.run(pictures.picture_of(READY, _saved_in_a_bucket(tmp_path))) is None
    assert time.monotonic() - begun < 6


def _saved_in_a_bucket(folder: Path) -> Tools:
    saved = Saved(1, "s3://clips/made/a.mp4", 9, "0" * 64, poster="s3://clips/made/a.jpg")

    async def finds(event: Event, *, with_poster: bool = False) -> Saved | None:
        return saved

    return replace(tools(folder), saved_clip=finds)
