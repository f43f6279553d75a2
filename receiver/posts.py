"""Posts: the configured handlers, made and ready. Who they are for, and how they get what they need."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from handlers.protocol import Http, Tools, Turns
from receiver import clock
from receiver.kit import Kit
from receiver.lane import Post
from receiver.links import Links
from receiver.looker import Looker
from receiver.routing import Route
from receiver.settings import Settings
from receiver.showing import Showing
from receiver.store.protocol import Query
from receiver.web.shapes import line_json

log = structlog.get_logger("clipbell.posts")


def routes_of(settings: Settings) -> list[Route]:
    """The configured handlers, as far as routing cares."""
    return [
        Route(
            handler=config.name,
            targets=tuple(config.type.targets(config.options)),
            events=config.events,
            vendors=config.vendors,
            tags=config.tags,
            where=config.where,
            perishable=config.type.perishable,
        )
        for config in settings.handlers.values()
    ]


def prepare(settings: Settings) -> None:
    """Have the types of the configured handlers do what would take long the first time, and hold callbacks up."""
    for kind in {config.type.name: config.type for config in settings.handlers.values()}.values():
        if kind.prepare is None:
            continue
        try:
            kind.prepare()
        except Exception as error:  # noqa: BLE001 - foreign code; its first delivery fails in the same way, and tells
            log.warning("handler type not prepared", type=kind.name, error=type(error).__name__)


def make_posts(kit: Kit, looker: Looker) -> list[Post]:
    """Make the configured handlers."""
    turns = Turns()
    return [post_of(kit, looker, name, kit.public, turns) for name in kit.settings.handlers]


def post_of(kit: Kit, looker: Looker, name: str, http: Http, turns: Turns | None = None) -> Post:
    """Make one configured handler with this way out."""

    async def ledger_lines(*job_ids: str) -> Sequence[Mapping[str, Any]]:
        lines = await kit.store.ledger(Query({"job_id": job_ids}, 200 * len(job_ids)))
        return [line_json(line) for line in reversed(lines)]

    links = Links(kit.settings)
    config = kit.settings.handlers[name]
    tools = Tools(
        http=http,
        folder=kit.settings.folder,
        now=clock.now,
        fresh_videos=looker.fresh_videos,
        ledger_lines=ledger_lines,
        clip_link=links.of,
        poster_link=links.poster,
        saved_clip=Showing(kit, routes_of(kit.settings)),
        turns=turns or Turns(),
    )
    return Post(config, config.type.make(config.options, tools))
