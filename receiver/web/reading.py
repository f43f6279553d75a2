"""What a request of the API asks for: filters, pages and JSON bodies, every mistake named at once."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from receiver.store.protocol import Query
from receiver.web.body import read_body
from receiver.web.filters import Filters, problems_in
from schemas.errors import InvalidOrder, InvalidRequest, Problem, Unreadable
from schemas.reading import Reading

MOST, USUAL = 200, 50
MAX_ORDER, MAX_BODY = 64 * 1024 * 1024, 256 * 1024
# an id; any other text would be taken for a place in the list, and the client would read it from the start again
_CURSOR = re.compile(r"[a-z]{3}_[0-9a-z]{26}", re.ASCII)


def query_of(request: Request, allowed: Filters) -> Query:
    """The page that is asked for.

    Raises: InvalidRequest naming every parameter that the list does not have, and every word that it does not know.
    """
    given = dict(request.query_params)
    problems = []
    limit, cursor = given.pop("limit", str(USUAL)), given.pop("cursor", None)
    if not limit.isascii() or not limit.isdecimal() or not 1 <= int(limit[:9]) <= MOST:
        problems.append(Problem("limit", f"must be a whole number from 1 to {MOST}"))
    known = ", ".join(allowed)
    problems += [
        Problem(name, f"is not a filter of this list; there are {known}") for name in given if name not in allowed
    ]
    problems += problems_in(given, allowed)
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        problems.append(Problem("cursor", "must be the next of an earlier answer"))
    if problems:
        raise InvalidRequest(problems)
    return Query(given, int(limit), cursor)


async def json_of(request: Request, limit: int = MAX_BODY, refusal: type[InvalidOrder] = InvalidRequest) -> Any:
    """The body as plain JSON values; an empty body reads as {}.

    Raises: TooLarge, and `refusal` where it is not JSON.
    """
    body = await read_body(request.receive, request.scope["headers"], limit)
    if not body.strip():
        return {}
    try:
        return Reading.parse(body).plain()
    except Unreadable as error:
        raise refusal([Problem(error.path or "body", f"{error.problem}; send one JSON object")]) from error


async def fields_of(request: Request, allowed: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """The body as an object with only these fields, each of its type.

    Raises: TooLarge, InvalidRequest.
    """
    data = await json_of(request)
    if not isinstance(data, dict):
        raise InvalidRequest([Problem("body", "must be a JSON object")])
    problems = [
        Problem(name, f"is not a field here; there are {', '.join(allowed)}") for name in data if name not in allowed
    ]
    for name, kind in allowed.items():
        if name in data and data[name] is not None and not isinstance(data[name], kind):
            problems.append(Problem(name, "is of the wrong type"))
    if problems:
        raise InvalidRequest(problems)
    return data
