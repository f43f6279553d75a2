"""The API's routes about what is configured: handlers with their health, and vendors with what is known of them."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from handlers.protocol import Done, GiveUp, Outcome, Parcel, TryLater
from receiver import registry
from receiver.kit import Kit
from receiver.looker import Looker
from receiver.posts import make_posts
from receiver.samples import sample_event
from receiver.settings import HandlerConfig
from receiver.store.protocol import Query
from schemas.errors import NotFound
from schemas.vendor import Vendor


class Catalogue:
    """The routes, and what they need."""

    def __init__(self, kit: Kit, looker: Looker) -> None:
        self._kit = kit
        self._looker = looker

    def routes(self) -> list[Route]:
        """What is served."""
        return [
            Route("/v1/handlers", self.handlers),
            Route("/v1/handlers/{name}/test", self.test, methods=["POST"]),
            Route("/v1/vendors", self.vendors),
        ]

    async def handlers(self, request: Request) -> Response:
        """`GET /v1/handlers`: what is configured, and how it fares."""
        items = [await self._handler(config) for config in self._kit.settings.handlers.values()]
        return JSONResponse({"items": items, "next": None})

    async def _handler(self, config: HandlerConfig) -> dict[str, Any]:
        latest = await self._kit.store.deliveries(Query({"handler": config.name}, 20))
        attempts = sorted((a for delivery in latest for a in delivery.attempts), key=lambda a: a.at)
        last = attempts[-1] if attempts else None
        return {
            "name": config.name,
            "type": config.type.name,
            "events": sorted(event.value for event in config.events),
            "vendors": sorted(config.vendors),
            "tags": sorted(config.tags),
            "targets": list(config.type.targets(config.options)),
            "health": "unused" if last is None else "ok" if last.outcome == "done" else "failing",
            "last_outcome": last.outcome if last else None,
            "last_reason": last.reason if last else None,
        }

    async def test(self, request: Request) -> Response:
        """`POST /v1/handlers/{name}/test`: send a sample through one handler; nothing is recorded."""
        name = request.path_params["name"]
        config = self._kit.settings.handlers.get(name)
        if config is None:
            known = ", ".join(self._kit.settings.handlers) or "none"
            raise NotFound(f"There is no handler of this name; configured: {known}.")
        (post,) = make_posts(self._kit, self._looker, [name])
        event = sample_event(self._kit.now(), self._kit.mint)
        results = []
        try:
            for number, target in enumerate(config.type.targets(config.options)):
                parcel = Parcel(f"{self._kit.mint('test_')}-{number}", event, target, elapsed=75)
                outcome = (await post.handler.deliver([parcel]))[parcel.key]
                results.append({"target": target, **_outcome_json(outcome)})
        finally:
            await post.handler.close()
        return JSONResponse({"handler": name, "ok": all(r["outcome"] == "done" for r in results), "results": results})

    async def vendors(self, request: Request) -> Response:
        """`GET /v1/vendors`: what each vendor can do, its limits, prices and quirks."""
        accounts = self._kit.settings.accounts.values()
        items = [
            vendor_json(vendor, [a.name for a in accounts if a.vendor.name == vendor.name])
            for vendor in registry.vendors().values()
        ]
        return JSONResponse({"items": items, "next": None})


def vendor_json(vendor: Vendor, accounts: list[str]) -> dict[str, Any]:
    """A vendor's facts."""
    return {
        "name": vendor.name,
        "title": vendor.title,
        "docs": vendor.docs,
        "accounts": accounts,
        "callbacks": vendor.report_from_callback is not None,
        "models": list(vendor.models),
        "limits": list(vendor.limits),
        "order_limits": list(vendor.order_limits),
        "max_open": vendor.max_open,
        "prices": {name: price.to_json() for name, price in vendor.prices.items()},
        "prices_as_of": vendor.prices_as_of.isoformat(),
        "charges": vendor.charges,
        "refunds_failed": vendor.refunds_failed,
        "url_life_seconds": vendor.url_life,
        "quirks": list(vendor.quirks),
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    words = {Done: "done", TryLater: "later", GiveUp: "gave_up"}[type(outcome)]
    reason = None if isinstance(outcome, Done) else outcome.reason
    return {"outcome": words, "reason": reason, "answer": outcome.answer}
