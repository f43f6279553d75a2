"""What a request of the API asks for: filters, pages and JSON bodies, every mistake named at once."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request

from receiver.store.protocol import Query
from receiver.web.body import read_body
from receiver.web.filters import Filters, Taken, problems_in, value_of
from schemas.errors import InvalidOrder, InvalidRequest, Problem, Unreadable
from schemas.reading import Reading

T = TypeVar("T")

_TYPES = {str: "text", bool: "true or false"}
MOST, USUAL = 200, 50
#: Parameters that change nothing where a list is never cut.
WHOLE = ("limit", "cursor")
MAX_ORDER, MAX_BODY = 64 * 1024 * 1024, 256 * 1024
# an id; any other text would be taken for a place in the list, and the client would read it from the start again
_CURSOR = re.compile(r"[a-z]{3}_[0-9a-z]{26}", re.ASCII)


def query_of(request: Request, filters: Filters, cursors: Collection[str] | None = None) -> Query:
    """The page that is asked for, and one row more, by which `cut` knows whether it is the last.

    `cursors`: what a cursor may be, where it is no id.
    Raises: InvalidRequest naming every parameter that the list does not have, or that cannot be so.
    """
    given, problems = parameters_of(request, (*filters, "limit", "cursor"))
    limit, cursor = given.pop("limit", str(USUAL)), given.pop("cursor", None)
    if not limit.isascii() or not limit.isdecimal() or not 1 <= int(limit[:9]) <= MOST:
        problems.append(Problem("limit", f"must be a whole number from 1 to {MOST}"))
    problems += problems_in(given, filters)
    if cursor is not None and not (_CURSOR.fullmatch(cursor) if cursors is None else cursor in cursors):
        problems.append(Problem("cursor", "must be the next of an earlier answer"))
    if problems:
        raise InvalidRequest(problems)
    return Query({name: _value(text, filters[name]) for name, text in given.items()}, int(limit) + 1, cursor)


def _value(text: str, taken: Taken) -> str | int | None:
    return value_of(text, taken) if isinstance(taken, range) else text


def cut(rows: Sequence[T], query: Query) -> tuple[Sequence[T], T | None]:
    """The rows that were asked for, and the last of them where there are more."""
    page = rows[: query.limit - 1]
    return page, page[-1] if len(rows) > len(page) else None


def part_of(request: Request, names: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """Which of these names are asked for, and the cursor of the rest; without a limit: all of them.

    Raises: InvalidRequest.
    """
    query = query_of(request, {}, cursors=names)
    begin = names.index(query.before) + 1 if query.before is not None else 0
    end = begin + query.limit - 1 if "limit" in request.query_params else len(names)
    return names[begin:end], names[end - 1] if end < len(names) else None


def parameters_of(request: Request, known: Collection[str]) -> tuple[dict[str, str], list[Problem]]:
    """The query's parameters, and what is wrong with their names."""
    given = request.query_params.multi_items()
    counted = Counter(name for name, _ in given)
    text = f"is not a parameter of this address; there are {', '.join(known)}"
    problems = [Problem(name, text) for name in counted if name not in known]
    problems += [Problem(name, "is given twice; give it once") for name, times in counted.items() if times > 1]
    return dict(given), problems


def hold_parameters(request: Request, known: Collection[str]) -> None:
    """Refuse a query with other parameters than these. Raises: InvalidRequest."""
    _, problems = parameters_of(request, known)
    if problems:
        raise InvalidRequest(problems)


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


async def fields_of(
    request: Request,
    allowed: Mapping[str, type],
    more: Callable[[Mapping[str, Any]], Iterable[Problem]] = lambda _: (),
    refusal: type[InvalidOrder] = InvalidRequest,
) -> dict[str, Any]:
    """The body as an object with only these fields, each of its type; null is as if it were left out.

    `more`: what else is wrong with the fields that are of their type.
    Raises: TooLarge, and `refusal` with every problem.
    """
    data = await json_of(request, refusal=refusal)
    if not isinstance(data, dict):
        raise refusal([Problem("body", "must be a JSON object")])
    problems = strays(request)
    problems += [
        Problem(name, f"is not a field here; there are {', '.join(allowed)}") for name in data if name not in allowed
    ]
    given = {name: data[name] for name in allowed if data.get(name) is not None}
    wrong = [name for name in given if not isinstance(given[name], allowed[name])]
    problems += [Problem(name, f"must be {_TYPES[allowed[name]]}") for name in wrong]
    sound = {name: value for name, value in given.items() if name not in wrong}
    problems += [problem for problem in more(sound) if problem.field not in wrong]
    if problems:
        raise refusal(problems)
    return given


def strays(request: Request) -> list[Problem]:
    """The parameters in the address of a request that takes what it takes in its body, where they would be missed."""
    text = "is not read from the address; give it in the body, as a JSON object"
    return [Problem(name, text) for name in dict.fromkeys(request.query_params.keys())]
