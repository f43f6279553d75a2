"""A callback that comes to the web is one that the work's deliveries give way to: both go by the same account."""

import sys
import time

from tests.support import serve_yielding
from tests.support.http_server import Server
from tests.support.program import Program


def test_deliveries_give_way_to_the_callbacks_of_their_own_server(clipbell: Program, slack: Server) -> None:
    clipbell.serve = [sys.executable, str(serve_yielding.__file__)]
    clipbell.start()
    clipbell.settled(clipbell.order()["id"])
    settled_at = time.monotonic()
    clipbell.eventually(lambda: slack.seen, "the message")
    assert time.monotonic() - settled_at > serve_yielding.WAY / 2
