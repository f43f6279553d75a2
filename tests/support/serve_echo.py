"""A program that serves `Echo` under our limits, or (`plain`) under uvicorn as it comes; it prints its port.

python -m tests.support.serve_echo ours|plain [limit=seconds…]
"""

import asyncio
import socket
import sys

import uvicorn

from receiver.web.guard import Limits
from receiver.web.server import make_server
from tests.support.web import Echo


def _say(port: int) -> None:
    print(port, flush=True)


def _ours(limits: dict[str, float]) -> None:
    server = make_server(Echo(slow=0.5), "127.0.0.1", 0, limits=Limits(**limits))  # type: ignore[arg-type]
    server.on_start = lambda: _say(server.port)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve())


def _plain() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(Echo(slow=0.5), http="httptools", log_level="critical", lifespan="on")
    _say(listener.getsockname()[1])
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        _plain()
    else:
        _ours({name: float(value) for name, value in (each.split("=") for each in sys.argv[2:])})
