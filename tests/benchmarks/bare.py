"""The yardstick: a Starlette application that reads the body and answers 200, on our own server settings.

Usage: python -m tests.benchmarks.bare; prints its port and serves until SIGTERM.
"""

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.web.server import make_server


async def take(request: Request) -> Response:
    """Read the body, answer 200."""
    await request.body()
    return Response(status_code=200)


async def main() -> None:
    """Serve."""
    app = Starlette(routes=[Route("/callbacks/{account}/{token}", take, methods=["POST"])])
    server = make_server(app, "127.0.0.1", 0)
    print(server.port, flush=True)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(main())
