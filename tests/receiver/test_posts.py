"""Posts: what configured handlers share."""

import asyncio
import itertools
from pathlib import Path
from typing import cast

from structlog.testing import capture_logs

from receiver.looker import Looker
from receiver.net import Net
from receiver.posts import make_posts, prepare
from receiver.store.opening import open_store
from receiver.work import make_kit
from schemas.values import replace
from tests.support.configuration import TOP, configured
from tests.support.http_server import Reply, serving
from tests.support.parcels import parcels
from tests.support.setting_out import SettingOut

LOOPBACK = '\n[network]\nallow = ["127.0.0.0/8"]\n'


def section(name: str, url: str) -> str:
    """A Slack handler."""
    return f'\n[handlers.{name}]\ntype = "slack"\nurl = "{url}/services/T0/B0/secretsecret"\n'


async def tell_all(folder: Path, text: str) -> SettingOut:
    """Have each configured handler tell of two clips at once; answers when their calls set out."""
    settings = configured(folder, text)
    async with open_store(f"sqlite:///{folder}/clipbell.db") as store:
        kit = make_kit(settings, store)
        out = SettingOut(kit.public)
        kit = replace(kit, public=cast("Net", out))
        posts = make_posts(kit, Looker(kit))
        await asyncio.gather(*(post.handler.deliver(parcels(2)) for post in posts))
        await asyncio.gather(*(post.handler.close() for post in posts))
        return out


def test_two_sections_with_one_webhook_post_once_a_second_together(tmp_path: Path) -> None:
    with serving(Reply(200, b"ok")) as shared, serving(Reply(200, b"ok")) as other:
        sections = section("team", shared.url) + section("managers", shared.url) + section("pager", other.url)
        out = asyncio.run(tell_all(tmp_path, TOP + LOOPBACK + sections))
    assert len(shared.seen) == 4
    assert min(later - earlier for earlier, later in itertools.pairwise(out.at(shared.url))) >= 0.98
    # one that is another's does not wait for them
    assert len(other.seen) == 2
    assert other.seen[1].at < shared.seen[2].at


def test_each_type_prepares_once_and_one_that_cannot_is_no_reason_to_stop(tmp_path: Path) -> None:
    settings = configured(tmp_path, TOP + section("a", "http://127.0.0.1:1") + section("b", "http://127.0.0.1:2"))
    called: list[str] = []

    def fail() -> None:
        called.append("slack")
        raise ImportError("a module with a secret in its name")

    handlers = {n: replace(c, type=replace(c.type, prepare=fail)) for n, c in settings.handlers.items()}
    with capture_logs() as said:
        prepare(replace(settings, handlers=handlers))
    assert called == ["slack"]
    assert said == [
        {"event": "handler type not prepared", "type": "slack", "error": "ImportError", "log_level": "warning"}
    ]
