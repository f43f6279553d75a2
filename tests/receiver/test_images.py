"""Images behind URLs, on their way to a vendor that wants files: real TLS, real redirects, the simulated veo3gen."""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from receiver.images import MOST, with_content
from receiver.net import Net
from receiver.queued import Queue
from receiver.simulator import RunningSimulator, SimulatorSettings
from receiver.store.opening import open_store
from receiver.submit import Submitter
from receiver.work import make_kit
from schemas.addresses import Address
from schemas.errors import InvalidOrder, Unfit, Unsent, VendorUnreachable
from schemas.job import Job, JobState
from schemas.order import Order
from schemas.values import replace
from schemas.vendor import Part
from tests.support.authority import Authority, authority
from tests.support.configuration import TOP, configured
from tests.support.http_server import Reply, Server, serving
from tests.support.stored import the

HOST = "pictures.example.com"
JPEG, PNG = b"\xff\xd8\xff\xe0" + bytes(60), b"\x89PNG\r\n\x1a\n" + bytes(60)
TYPES = ("image/jpeg", "image/png")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def host(ca: Authority) -> Iterator[Server]:
    """A host of images, by TLS."""
    with serving(tls=ca.server(HOST)) as server:
        yield server


async def _here(host: str, port: int) -> Sequence[Address]:
    return (ipaddress.ip_address("127.0.0.1"),)


def net(ca: Authority, *, allow: str = "127.0.0.0/8") -> Net:
    return Net(allow=(ipaddress.ip_network(allow),), resolve=_here, ssl_context=ca.trusting())


def url(host: Server, path: str = "/a.jpg") -> str:
    return f"https://{HOST}:{host.port}{path}"


def part(host: Server, **fields: Any) -> Part:
    return replace(Part("image", b"", filename="image", url=url(host), max_bytes=100, types=TYPES), **fields)


def fetched(ca: Authority, wanted: Part, **options: Any) -> Part:
    return asyncio.run(with_content(net(ca, **options), wanted))


@pytest.mark.parametrize(
    ("body", "said", "kind"),
    [(JPEG, "image/jpeg", "image/jpeg"), (PNG, "application/octet-stream", "image/png"), (PNG, "", "image/png")],
)
def test_an_image_is_what_its_first_bytes_say(body: bytes, said: str, kind: str, ca: Authority, host: Server) -> None:
    host.script(Reply(200, body, {"content-type": said}))
    got = fetched(ca, part(host))
    name = f"image.{kind.partition('/')[2]}"
    assert (got.content, got.content_type, got.filename, got.url) == (body, kind, name, None)


def test_a_part_that_lies_here_is_left_as_it_is(ca: Authority) -> None:
    field = Part("prompt", b"A")
    assert fetched(ca, field) is field


def test_redirects_are_followed_three_times(ca: Authority, host: Server) -> None:
    steps = [Reply(302, b"", {"location": f"/{n}"}) for n in range(3)]
    host.script(*steps, Reply(200, JPEG))
    assert fetched(ca, part(host)).content == JPEG
    host.script(*steps, Reply(302, b"", {"location": "/3"}), Reply(200, JPEG))
    with pytest.raises(Unfit, match="HTTP 302"):
        fetched(ca, part(host))


@pytest.mark.parametrize("status", [400, 403, 404, 410, 301])
def test_what_is_not_there_is_of_no_use(status: int, ca: Authority, host: Server) -> None:
    host.script(Reply(status))
    with pytest.raises(Unfit, match=f"the image could not be fetched: its host answered HTTP {status}"):
        fetched(ca, part(host))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_be_there_later_is_tried_again(status: int, ca: Authority, host: Server) -> None:
    host.script(Reply(status))
    with pytest.raises(Unsent) as caught:
        fetched(ca, part(host))
    assert not isinstance(caught.value, Unfit)


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"", b"GIF89a"])
def test_what_is_no_image_of_the_vendors_kinds_is_of_no_use(body: bytes, ca: Authority, host: Server) -> None:
    host.script(Reply(200, body, {"content-type": "text/html"}))
    with pytest.raises(Unfit, match=r"is not one of image/jpeg, image/png"):
        fetched(ca, part(host))


def test_an_image_may_be_as_large_as_the_vendor_takes_and_no_larger(ca: Authority, host: Server) -> None:
    host.script(Reply(200, JPEG.ljust(100, b"\0")))
    assert len(fetched(ca, part(host)).content) == 100
    host.script(Reply(200, JPEG.ljust(101, b"\0")))
    with pytest.raises(Unfit, match="is larger than"):
        fetched(ca, part(host))
    host.script(Reply(200, JPEG.ljust(101, b"\0")))
    assert fetched(ca, part(host, max_bytes=None)).content_type == "image/jpeg"
    assert MOST == 20 * 2**20


def test_a_host_that_leads_inside_is_of_no_use_and_one_that_is_away_may_come_back(ca: Authority, host: Server) -> None:
    with pytest.raises(Unfit, match="is not a public address"):
        fetched(ca, part(host), allow="127.1.0.0/16")
    assert host.seen == []
    with pytest.raises(Unsent) as caught:
        fetched(ca, part(host, url="https://pictures.example.com:1/a.jpg"))
    assert not isinstance(caught.value, Unfit)


# --- the whole way -------------------------------------------------------------------------------------------

Scenario = Callable[[Submitter, Queue, RunningSimulator], Any]


def played(folder: Path, ca: Authority, scenario: Scenario) -> None:
    """Play a scenario at the simulated veo3gen, with a resolver that knows the host of images."""

    async def main(sim: RunningSimulator) -> None:
        account = f'api_key = "veo3_{"k" * 32}"\nbase_url = "{sim.base_urls["veo3gen"]}"\n'
        settings = configured(folder, f"{TOP}\n[vendors.veo3gen]\n{account}")
        async with open_store(settings.database_url) as store:
            kit = replace(make_kit(settings, store), public=net(ca))
            submitter = Submitter(kit)
            queue = Queue(kit, submitter)
            going = asyncio.create_task(queue.run())
            await scenario(submitter, queue, sim)
            queue.stop()
            await going

    with RunningSimulator(SimulatorSettings(duration=0.2)) as sim:
        asyncio.run(main(sim))


def order(*images: str, **fields: Any) -> Order:
    return Order(vendor="veo3gen", prompt="A kite", images=list(images), **fields)


def shown(sim: RunningSimulator) -> list[Any]:
    return [job["fields"]["imageInfo"] for job in sim.control.jobs()]


def test_images_behind_urls_arrive_at_the_vendor_as_files(tmp_path: Path, ca: Authority, host: Server) -> None:
    host.answer(lambda seen: Reply(200, PNG if "last" in seen.path else JPEG))

    async def scenario(submitter: Submitter, queue: Queue, sim: RunningSimulator) -> None:
        await submitter.order(order(url(host)))
        await submitter.order(order(url(host, "/first"), url(host, "/last")))
        info = {"originalName": "image.jpeg", "size": len(JPEG), "mimeType": "image/jpeg"}
        frames = [
            {"originalName": "firstFrame.jpeg", "size": len(JPEG), "mimeType": "image/jpeg"},
            {"originalName": "lastFrame.png", "size": len(PNG), "mimeType": "image/png"},
        ]
        assert shown(sim) == [info, frames]

    played(tmp_path, ca, scenario)


def test_an_order_whose_image_is_gone_is_invalid_and_leaves_no_job(tmp_path: Path, ca: Authority, host: Server) -> None:
    host.answer(lambda _: Reply(404))

    async def scenario(submitter: Submitter, queue: Queue, sim: RunningSimulator) -> None:
        with pytest.raises(InvalidOrder) as caught:
            await submitter.order(order(url(host)))
        assert [(each.field, "HTTP 404" in each.problem) for each in caught.value.problems] == [("images", True)]
        host.answer(lambda _: Reply(503))
        with pytest.raises(VendorUnreachable, match="HTTP 503"):
            await submitter.order(order(url(host)))
        assert sim.control.jobs() == []

    played(tmp_path, ca, scenario)


def test_a_queued_order_whose_image_is_gone_is_rejected_and_holds_up_none_behind_it(
    tmp_path: Path, ca: Authority, host: Server
) -> None:
    host.answer(lambda _: Reply(410))

    async def scenario(submitter: Submitter, queue: Queue, sim: RunningSimulator) -> None:
        gone = (await submitter.order(order(url(host), queue=True))).job
        behind = (await submitter.order(order(queue=True))).job
        queue.wake()
        rejected = await until(submitter, gone, JobState.REJECTED)
        assert rejected.failure is not None
        assert (rejected.failure.code, "HTTP 410" in rejected.failure.message) == ("invalid_order", True)
        await until(submitter, behind, JobState.RUNNING)

    played(tmp_path, ca, scenario)


async def until(submitter: Submitter, job: Job, state: JobState) -> Job:
    end = time.monotonic() + 15
    while (found := the(await submitter._kit.store.job(job.id))).state is not state:
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)
    return found
