"""Health: is it up, is it ready, and its figures for Prometheus."""

import asyncio
from collections import Counter

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.kit import Kit
from receiver.vitals import Vitals
from receiver.watch import NONCE, PROOF, proof, seal_of
from receiver.web.auth import is_authorized
from schemas.errors import StoreUnavailable

#: Seconds that the store may take for a small commit.
COMMIT_WITHIN = 5.0


class Health:
    """The routes, and what they look at."""

    def __init__(self, kit: Kit, vitals: Vitals) -> None:
        self._kit = kit
        self._vitals = vitals
        self._seal = seal_of(kit.settings.secret_keys)
        self.callbacks: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        """What is served."""
        return [
            Route("/healthz", self.alive),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
        ]

    def count_callback(self, outcome: str) -> None:
        """Count how a callback ended."""
        self.callbacks[outcome] += 1

    async def alive(self, request: Request) -> Response:
        """`GET /healthz`: the process answers, and who asks for a proof that it is one of ours gets it."""
        proven = proof(self._seal, request.headers.get(NONCE))
        return JSONResponse({"status": "ok"}, headers={PROOF: proven} if proven else None)

    async def ready(self, request: Request) -> Response:
        """`GET /readyz`: callbacks would be kept and work is done; with the token also why not."""
        problems = [*await self._store_problems(), *self._vitals.problems()]
        body: dict[str, object] = {"status": "unavailable" if problems else "ready"}
        if is_authorized(request, self._kit.settings.api_token):
            counts = {} if problems else dict(await self._kit.store.counts())
            body |= {"problems": problems, "counts": counts}
        return JSONResponse(body, 503 if problems else 200)

    async def metrics(self, request: Request) -> Response:
        """`GET /metrics`: figures in Prometheus' text format."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

        registry = CollectorRegistry()
        taken = Counter("clipbell_callbacks", "Callbacks by how they ended", ["outcome"], registry=registry)
        for outcome, number in self.callbacks.items():
            taken.labels(outcome).inc(number)
        rows = Gauge("clipbell_rows", "Jobs and deliveries by state, standing alerts", ["kind"], registry=registry)
        for kind, number in (await self._kit.store.counts()).items():
            rows.labels(kind).set(number)
        healthy = Gauge("clipbell_working", "1 while the working loop gives signs of life", registry=registry)
        healthy.set(0 if self._vitals.problems() else 1)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def _store_problems(self) -> list[str]:
        try:
            async with asyncio.timeout(COMMIT_WITHIN):
                await self._kit.store.check()
        except StoreUnavailable as error:
            return [str(error)]
        except TimeoutError:
            return [f"the store did not commit within {COMMIT_WITHIN:g} s"]
        return []
