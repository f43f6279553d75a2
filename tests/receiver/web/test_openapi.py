"""The table of operations and the routes that are served are the same."""

from typing import Any

from receiver.web.books import Books
from receiver.web.catalogue import Catalogue
from receiver.web.health import Health
from receiver.web.jobs import Jobs
from receiver.web.links import LivingLinks
from receiver.web.lists import Lists
from receiver.web.openapi import OPERATIONS, Description
from receiver.web.stream import Stream


def test_every_route_is_described_and_every_description_is_a_route() -> None:
    # a room's routes need nothing of what it is built from
    kinds: list[Any] = [Health, Jobs, Lists, Books, Catalogue, Description, LivingLinks, Stream]
    rooms = [room.__new__(room) for room in kinds]
    served = {
        (method.lower(), route.path)
        for room in rooms
        for route in room.routes()
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == {(operation.method, operation.path) for operation in OPERATIONS}
