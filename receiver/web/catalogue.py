"""The API's routes about what is configured: handlers with their health, and vendors with what is known of them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from handlers.protocol import Done, GiveUp, Outcome, Parcel, TryLater
from receiver import registry
from receiver.kit import Kit
from receiver.looker import Looker
from receiver.posts import post_of
from receiver.sample_file import SampleHttp
from receiver.samples import sample_event
from receiver.settings import Account, HandlerConfig
from receiver.store.accounts import Gate
from receiver.store.parking import Pause
from receiver.store.protocol import Query
from receiver.ward import well_again
from receiver.web.reading import part_of
from receiver.web.shapes import time_json
from schemas.errors import NotFound
from schemas.event import MICROS
from schemas.units import say_duration, say_rate
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
        names, after = part_of(request, list(self._kit.settings.handlers))
        pauses = {pause.handler: pause for pause in await self._kit.store.pauses()}
        parked = await self._kit.store.parked()
        items = []
        for name in names:
            shown = _section(self._kit.settings.handlers[name])
            items.append({**shown, **await self._health(name, pauses.get(name)), "parked": parked.get(name, 0)})
        return JSONResponse({"items": items, "next": after})

    async def _health(self, name: str, pause: Pause | None) -> dict[str, Any]:
        latest = await self._kit.store.deliveries(Query({"handler": name}, 20))
        attempts = sorted((a for delivery in latest for a in delivery.attempts), key=lambda a: a.at)
        last = attempts[-1] if attempts else None
        health = "unused" if last is None else "ok" if last.outcome == "done" else "failing"
        return {
            "health": health if pause is None else "paused",
            "paused_since": time_json(pause.since) if pause else None,
            "paused_until": time_json(pause.until) if pause else None,
            "last_outcome": last.outcome if last else None,
            "last_reason": pause.reason if pause else last.reason if last else None,
        }

    async def test(self, request: Request) -> Response:
        """`POST /v1/handlers/{name}/test`: send a sample through one handler; nothing is recorded.

        If every target took it, a pause of the handler ends.
        """
        name = request.path_params["name"]
        config = self._kit.settings.handlers.get(name)
        if config is None:
            known = ", ".join(self._kit.settings.handlers) or "none"
            raise NotFound(f"There is no handler of this name; configured: {known}.")
        post = post_of(self._kit, self._looker, name, SampleHttp(self._kit.public))
        event = sample_event(self._kit.now(), self._kit.mint)
        results = []
        try:
            for number, target in enumerate(config.type.targets(config.options)):
                parcel = Parcel(f"{self._kit.mint('test_')}-{number}", event, target, elapsed=75)
                outcome = (await post.handler.deliver([parcel]))[parcel.key]
                results.append({"target": target, **_outcome_json(outcome)})
        finally:
            await post.handler.close()
        is_well = all(result["outcome"] == "done" for result in results)
        if is_well and any(pause.handler == name for pause in await self._kit.store.pauses()):
            await self._kit.store.resume_handler(name, well_again(self._kit, name))
        return JSONResponse({"handler": name, "ok": is_well, "sample": event.to_json(), "results": results})

    async def vendors(self, request: Request) -> Response:
        """`GET /v1/vendors`: what each vendor can do, its limits, prices and quirks, and what was seen of it here."""
        known = registry.vendors()
        names, after = part_of(request, list(known))
        items, gates = [], await self._kit.store.gates()
        closed = [gate for gate in gates if gate.stopped or gate.until > self._kit.now()]
        for vendor in (known[name] for name in names):
            accounts = [a for a in self._kit.settings.accounts.values() if a.vendor.name == vendor.name]
            seen = [
                {"account": a.name, **await self._kit.store.seen(a.name), **_closed(a.name, closed)} for a in accounts
            ]
            items.append({**vendor_json(vendor, accounts), "seen": seen})
        return JSONResponse({"items": items, "next": after})


def _section(config: HandlerConfig) -> dict[str, Any]:
    rate = config.rate
    return {
        "name": config.name,
        "type": config.type.name,
        "events": sorted(event.value for event in config.events),
        "vendors": sorted(config.vendors),
        "tags": sorted(config.tags),
        "where": dict(config.where),
        "targets": list(config.type.targets(config.options)),
        "concurrency": config.concurrency,
        "rate": say_rate(rate.count, rate.window / MICROS) if rate else None,
        "timeout": say_duration(config.timeout),
        "retry": None if config.retry is None else [say_duration(seconds) for seconds in config.retry],
    }


def vendor_json(vendor: Vendor, accounts: Sequence[Account]) -> dict[str, Any]:
    """A vendor's facts, and beside them what the configuration says instead for each account."""
    return {
        "name": vendor.name,
        "title": vendor.title,
        "docs": vendor.docs,
        "accounts": [account.name for account in accounts],
        "can": list(vendor.can),
        "callbacks": vendor.report_from_callback is not None,
        "models": list(vendor.models),
        "limits": list(vendor.limits),
        "order_limits": list(vendor.order_limits),
        "max_open": vendor.max_open,
        "prices": {name: price.to_json() for name, price in vendor.prices.items()},
        "prices_as_of": vendor.prices_as_of.isoformat(),
        "usd_per_credit": _worth(vendor.usd_per_credit),
        "charges": vendor.charges,
        "refunds_failed": vendor.refunds_failed,
        "url_life_seconds": vendor.url_life,
        "quirks": list(vendor.quirks),
        "terms": [_terms_json(account) for account in accounts],
    }


def _terms_json(account: Account) -> dict[str, Any]:
    """The limits and prices that hold for one account."""
    rates = [(rate.kind, say_rate(rate.count, rate.window / MICROS)) for rate in account.limits]
    return {
        "account": account.name,
        "limits": [said for kind, said in rates if kind is None],
        "order_limits": [said for kind, said in rates if kind is not None],
        "max_open": account.max_open,
        "prices": {name: price.to_json() for name, price in account.terms.prices.items()},
        "usd_per_credit": _worth(account.usd_per_credit),
    }


def _closed(account: str, gates: Sequence[Gate]) -> dict[str, Any]:
    """Which calls of an account are not made for now, and why."""
    shut = [
        {
            "calls": gate.kind or "all",
            "until": time_json(gate.until),
            "reason": gate.reason,
            "stopped": gate.stopped,
        }
        for gate in gates
        if gate.account == account
    ]
    return {"closed": shut}


def _worth(usd_per_credit: Decimal | None) -> str | None:
    return None if usd_per_credit is None else f"{usd_per_credit:f}"


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    words = {Done: "done", TryLater: "later", GiveUp: "gave_up"}[type(outcome)]
    reason = None if isinstance(outcome, Done) else outcome.reason
    saved = [file.path for file in outcome.saved] if isinstance(outcome, Done) else []
    return {"outcome": words, "reason": reason, "answer": outcome.answer, "saved": saved}
