"""The table of operations and the routes that are served are the same."""

from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from receiver.web.books import Books
from receiver.web.catalogue import Catalogue
from receiver.web.guard import REFUSALS
from receiver.web.health import Health
from receiver.web.jobs import Jobs
from receiver.web.links import LivingLinks
from receiver.web.lists import Lists
from receiver.web.openapi import OPERATIONS, Description, document
from receiver.web.openapi_shapes import SCHEMAS
from receiver.web.stream import Stream
from schemas.errors import RequestRefused


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


def codes_of(kind: type[RequestRefused]) -> set[str]:
    return {kind.code, *(code for each in kind.__subclasses__() for code in codes_of(each))}


def test_every_code_of_a_refusal_is_described() -> None:
    described = set(SCHEMAS["Problem"]["properties"]["code"]["enum"])
    assert codes_of(RequestRefused) | {code for code, _ in REFUSALS.values()} <= described


def test_the_callbacks_are_described_without_the_token_of_the_api() -> None:
    callback = document()["paths"]["/callbacks/{account}/{token}"]["post"]
    assert (callback["security"], sorted(callback["responses"])) == ([], ["200", "404", "413", "503"])


def test_the_description_is_an_openapi_document() -> None:
    OpenAPIV31SpecValidator(document()).validate()
