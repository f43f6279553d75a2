"""The web application: callbacks on the shortest way, everything else behind the token."""

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.kit import Kit
from receiver.looker import Looker
from receiver.submit import Submitter
from receiver.vitals import Vitals
from receiver.web.auth import TokenOnly
from receiver.web.body import Disconnected
from receiver.web.books import Books
from receiver.web.callbacks import PREFIX, Callbacks
from receiver.web.catalogue import Catalogue
from receiver.web.health import Health
from receiver.web.jobs import Jobs
from receiver.web.links import LivingLinks
from receiver.web.lists import Lists
from receiver.web.openapi import Description
from receiver.web.problems import Problem, problem_of
from receiver.web.stream import Stream
from schemas.errors import NetError, NotFound, RequestRefused, StoreUnavailable

log = structlog.get_logger("clipbell.web")


class Application:
    """The ASGI application. `submitter` is drained by whoever runs it."""

    def __init__(self, kit: Kit, vitals: Vitals) -> None:
        looker = Looker(kit)
        self.submitter = Submitter(kit)
        self.stream = Stream(kit.store)
        health = Health(kit, vitals)
        self.callbacks = Callbacks(kit, count=health.count_callback)
        described = Description()
        jobs, links = Jobs(kit, self.submitter, looker), LivingLinks(kit, looker)
        rooms = (health, described, jobs, links, Lists(kit), Books(kit), Catalogue(kit, looker), self.stream)
        rest = Starlette(
            routes=[route for room in rooms for route in room.routes()],
            middleware=[Middleware(TokenOnly, token=kit.settings.api_token)],
            exception_handlers={
                RequestRefused: _refused,
                StoreUnavailable: _unavailable,
                NetError: _unreachable,
                HTTPException: _http,
                Disconnected: _gone,
                Exception: _broken,
            },
        )
        # a redirect would lead to whatever host the request names
        rest.router.redirect_slashes = False
        self._rest: ASGIApp = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self.callbacks(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)  # noqa: S101 - registered for nothing else
    return problem_of(error)


async def _unavailable(request: Request, error: Exception) -> Response:
    text = "The store cannot commit now; nothing was changed. Try again, and see GET /readyz."
    return Problem(503, "store_unavailable", text, headers={"retry-after": "5"})


async def _unreachable(request: Request, error: Exception) -> Response:
    return Problem(502, "vendor_unreachable", f"The vendor gave no usable answer: {error}; try again.")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    if error.status_code == 404:
        return problem_of(NotFound("There is nothing at this address; /openapi.json lists what there is."))
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods(request)))
        text = f"This address does not take {request.method}; it takes {allowed}."
        return Problem(405, "method_not_allowed", text, headers={"allow": allowed})
    return Problem(error.status_code, "bad_request", str(error.detail))


def _methods(request: Request) -> set[str]:
    """What the address takes, in all routes of its path."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    path = next((route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE), None)
    return {method for route in routes if route.path == path for method in route.methods or ()}


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _broken(request: Request, error: Exception) -> Response:
    log.error("request broke", path=request.url.path, error=type(error).__name__)
    text = "This is a mistake of clipbell; its log says more."
    # the server hangs up after a mistake: whoever keeps connections has to know
    return Problem(500, "internal_error", text, headers={"connection": "close"})
