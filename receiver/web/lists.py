"""The API's routes about what was sent, told, delivered, saved and raised."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.kit import Kit
from receiver.store.protocol import Delivery, Query
from receiver.web import filters, shapes
from receiver.web.reading import cut, fields_of, query_of
from schemas.errors import Conflict, NotFound, Problem
from schemas.event import Event

#: Why a delivery is not tried again, and what to do instead; one that runs is being tried.
_NOT_AGAIN = {
    "done": "{0.id} is done; to deliver {0.event_id} to {0.handler} once more: "
    "clipbell replay {0.event_id} --handler {0.handler} --again",
    "parked": "{0.id} is kept until {0.handler} takes deliveries again; once it is mended: "
    "clipbell handlers test {0.handler}",
    "gone": "{0.id} is kept for {0.handler}, which is not in the configuration; put the section [handlers.{0.handler}] "
    "back and start again, and it is delivered",
}


class Lists:
    """The routes, and what they need."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._store = kit.store

    def routes(self) -> list[Route]:
        """What is served."""
        return [
            Route("/v1/events", self.events),
            Route("/v1/events/{id}", self.event),
            Route("/v1/events/{id}/replay", self.replay, methods=["POST"]),
            Route("/v1/deliveries", self.deliveries),
            Route("/v1/deliveries/retry", self.retry_many, methods=["POST"]),
            Route("/v1/deliveries/{id}/retry", self.retry, methods=["POST"]),
            Route("/v1/evidence", self.evidence),
            Route("/v1/evidence/{id}", self.one_evidence),
            Route("/v1/evidence/{id}/body", self.evidence_body),
            Route("/v1/alerts", self.alerts),
            Route("/v1/clips", self.clips),
        ]

    # --- events ---

    async def events(self, request: Request) -> Response:
        """`GET /v1/events`."""
        query = query_of(request, filters.EVENTS)
        return page_of(await self._store.events(query), query, Event.to_json, lambda event: event.id)

    async def event(self, request: Request) -> Response:
        """`GET /v1/events/{id}`."""
        return JSONResponse((await self._event(request)).to_json())

    async def replay(self, request: Request) -> Response:
        """`POST /v1/events/{id}/replay`: deliver again what has not succeeded, or everything with `again`."""
        event = await self._event(request)
        data = await fields_of(request, {"handler": str, "again": bool}, self._unknown_handler)
        told = self._kit.rules.router.told(event)
        handler = data.get("handler")
        wanted = [new for new in told.deliveries if handler in (None, new.handler)]
        if handler is not None and not wanted:
            # asked for by name: it is told although its configuration would not want this event
            wanted = list(self._kit.rules.router.to(handler, event))
        ids = await self._store.replay(event.id, wanted, self._kit.now(), again=bool(data.get("again")))
        return JSONResponse({"deliveries": ids}, 202)

    def _unknown_handler(self, given: Mapping[str, Any]) -> Iterator[Problem]:
        if "handler" in given and given["handler"] not in self._kit.settings.handlers:
            yield Problem("handler", "is not a configured handler; see GET /v1/handlers")

    async def _event(self, request: Request) -> Event:
        found = await self._store.events(Query({"id": request.path_params["id"]}, 1))
        if not found:
            raise NotFound("There is no event of this id; list them with GET /v1/events (clipbell events).")
        return found[0]

    # --- deliveries ---

    async def deliveries(self, request: Request) -> Response:
        """`GET /v1/deliveries`."""
        query = query_of(request, filters.DELIVERIES)
        return page_of(await self._store.deliveries(query), query, shapes.delivery_json, lambda delivery: delivery.id)

    async def retry(self, request: Request) -> Response:
        """`POST /v1/deliveries/{id}/retry`."""
        delivery_id = request.path_params["id"]
        retried = await self._store.retry_deliveries([delivery_id], self._kit.now())
        found = await self._store.deliveries(Query({"id": delivery_id}, 1))
        if not found:
            raise NotFound("There is no delivery of this id; list them with GET /v1/deliveries (clipbell deliveries).")
        is_gone = found[0].state == "parked" and found[0].handler not in self._kit.settings.handlers
        why = _NOT_AGAIN.get("gone" if is_gone else found[0].state)
        if not retried and why is not None:
            raise Conflict(why.format(found[0]))
        return JSONResponse(shapes.delivery_json(found[0]), 202)

    async def retry_many(self, request: Request) -> Response:
        """`POST /v1/deliveries/retry`: every delivery of a filter (default: all that are dead)."""
        words = partial(filters.problems_in, filters=filters.RETRIES)
        wanted = {"state": "dead", **await fields_of(request, dict.fromkeys(filters.RETRIES, str), words)}
        retried: list[str] = []
        before: str | None = None
        while True:
            found: list[Delivery] = await self._store.deliveries(Query(wanted, 200, before))
            ids = [delivery.id for delivery in found]
            retried += await self._store.retry_deliveries(ids, self._kit.now()) if ids else []
            if len(found) < 200:
                return JSONResponse({"retried": len(retried), "deliveries": retried}, 202)
            before = ids[-1]

    # --- evidence ---

    async def evidence(self, request: Request) -> Response:
        """`GET /v1/evidence`."""
        query = query_of(request, filters.EVIDENCE)
        return page_of(await self._store.evidence(query), query, shapes.evidence_json, lambda row: row["id"])

    async def one_evidence(self, request: Request) -> Response:
        """`GET /v1/evidence/{id}`."""
        return JSONResponse(shapes.evidence_json(await self._evidence(request)))

    async def evidence_body(self, request: Request) -> Response:
        """`GET /v1/evidence/{id}/body`: the bytes as they came, never rendered by a browser."""
        row = await self._evidence(request)
        body = await self._store.body(row["sha256"])
        if body is None:
            raise NotFound("The bytes of this evidence are not kept any more (retention.evidence).")
        headers = {
            "content-disposition": f'attachment; filename="{row["id"]}.bin"',
            "content-security-policy": "sandbox; default-src 'none'",
        }
        return Response(body, media_type="application/octet-stream", headers=headers)

    async def _evidence(self, request: Request) -> Any:
        found = await self._store.evidence(Query({"id": request.path_params["id"]}, 1))
        if not found:
            raise NotFound("There is no evidence of this id; list it with GET /v1/evidence (clipbell evidence).")
        return found[0]

    # --- alerts, clips ---

    async def alerts(self, request: Request) -> Response:
        """`GET /v1/alerts`: what is raised now; with `all=true` also what was."""
        query = query_of(request, filters.ALERTS)
        wanted = dict(query.filters)
        if wanted.pop("all", "false") != "true":
            wanted["standing"] = True
        query = Query(wanted, query.limit, query.before)
        return page_of(await self._store.alerts(query), query, shapes.alert_json, lambda row: row["id"])

    async def clips(self, request: Request) -> Response:
        """`GET /v1/clips`."""
        query = query_of(request, filters.CLIPS)
        return page_of(await self._store.clips(query), query, shapes.clip_json, lambda clip: clip.id)


def page_of(
    found: Sequence[Any], query: Query, shape: Callable[[Any], dict[str, Any]], id_of: Callable[[Any], str]
) -> Response:
    """The answer to a list."""
    rows, last = cut(found, query)
    return JSONResponse({"items": [shape(row) for row in rows], "next": id_of(last) if last else None})
