"""The API's routes about money: the ledger's lines, their sums, and what does not add up."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.findings import finding_json, sum_json
from receiver.kit import Kit
from receiver.web import filters, shapes
from receiver.web.lists import page_of
from receiver.web.reading import WHOLE, hold_parameters, query_of
from schemas.errors import InvalidRequest


class Books:
    """The routes, and what they need."""

    def __init__(self, kit: Kit) -> None:
        self._store = kit.store
        #: The handlers that save clips.
        self._savers = [name for name, config in kit.settings.handlers.items() if config.type.perishable]

    def routes(self) -> list[Route]:
        """What is served."""
        return [
            Route("/v1/ledger", self.ledger),
            Route("/v1/ledger/summary", self.summary),
            Route("/v1/ledger/findings", self.findings),
            Route("/v1/ledger/findings/summary", self.findings_summary),
        ]

    async def ledger(self, request: Request) -> Response:
        """`GET /v1/ledger`."""
        query = query_of(request, filters.LEDGER)
        return page_of(await self._store.ledger(query), query, shapes.line_json, lambda line: line.id)

    async def summary(self, request: Request) -> Response:
        """`GET /v1/ledger/summary?by=`."""
        hold_parameters(request, (*filters.SUMS, *WHOLE))
        by = request.query_params.get("by", "vendor")
        problems = list(filters.problems_in({"by": by}, filters.SUMS))
        if problems:
            raise InvalidRequest(problems)
        rows = [shapes.sum_json(row) for row in await self._store.ledger_sums(by)]
        return JSONResponse({"items": rows, "next": None})

    async def findings(self, request: Request) -> Response:
        """`GET /v1/ledger/findings`: what does not add up, and what to do about it."""
        query = query_of(request, filters.FINDINGS)
        found = await self._store.findings(query, self._savers)
        return page_of(found, query, lambda each: finding_json(each, self._savers), lambda each: each.id)

    async def findings_summary(self, request: Request) -> Response:
        """`GET /v1/ledger/findings/summary`: how many there are of each kind, and what they come to."""
        query = query_of(request, filters.FINDINGS)
        sums = await self._store.finding_sums(query, self._savers)
        return JSONResponse({"items": [sum_json(each) for each in sums], "next": None})
