"""The simulator as one Starlette application: each vendor under its own prefix, the files, the control routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from receiver.simulator import download
from receiver.simulator.aivideoapi import Aivideoapi
from receiver.simulator.artnex import Artnex
from receiver.simulator.control import BadWish, Control
from receiver.simulator.lines import Lines
from receiver.simulator.log import Logged
from receiver.simulator.remote import trust
from receiver.simulator.settings import SimulatorSettings
from receiver.simulator.ulazai import Ulazai
from receiver.simulator.veo3gen import Veo3gen
from receiver.simulator.vrex import Vrex
from receiver.simulator.world import World

SIDES = (Vrex, Aivideoapi, Ulazai, Artnex, Veo3gen)


def build(settings: SimulatorSettings, lines: Lines | None = None) -> Starlette:
    """Make the application. Without the `lines` of its own runner it cannot hang up in the middle of an answer."""
    world = World(settings, lines or Lines(), SIDES)
    control = Control(world)
    vendors: list[BaseRoute] = [
        # a path without its slash at the end is another path: a redirect would hide a caller's mistake
        Mount(f"/{name}", app=Router(side.routes(), redirect_slashes=False))
        for name, side in world.sides.items()
    ]
    routes = [*vendors, *download.routes(world), *control.routes(), Route("/", control.overview)]
    app = Starlette(routes=routes, lifespan=_living, exception_handlers={BadWish: _explained})
    app.state.world = world
    app.user_middleware.append(Middleware(Logged, state=app.state))
    return app


async def _explained(request: Request, problem: Exception) -> Response:
    return JSONResponse({"error": str(problem)}, 400)


@asynccontextmanager
async def _living(app: Starlette) -> AsyncIterator[None]:
    world: World = app.state.world
    # a callback is sent once: none may be lost to a kept connection that its receiver has just closed
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    seconds = world.settings.callback_timeout
    async with httpx.AsyncClient(trust_env=False, verify=trust(), limits=limits, timeout=seconds) as client:
        world.callbacks.client = client
        timer = asyncio.create_task(world.timetable.run())
        yield
        timer.cancel()
        with suppress(asyncio.CancelledError):
            await timer
        await world.callbacks.stop()
