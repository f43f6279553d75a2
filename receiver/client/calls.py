"""Call: one request to the server and how its answer is read, and conversations made of calls. No IO.

A conversation is a generator that yields calls and pauses and returns what came of them, so that the synchronous and
the asynchronous client share every route.
"""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .errors import (
    ClipbellError,
    InvalidOrder,
    NotFound,
    Problem,
    Refused,
    ServerFailed,
    Unauthorized,
)
from .models import Page
from .records import Record

T = TypeVar("T")
R = TypeVar("R", bound=Record)

USUAL_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. `read` turns the body of a 2xx answer into its result; `timeout` in seconds."""

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = USUAL_TIMEOUT


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Step = Call[Any] | Pause
Conversation = Generator[Step, Any, T]


def ask(call: Call[T]) -> Conversation[T]:
    """Make a conversation of a single call."""
    answer: T = yield call
    return answer


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a conversation stands: its next step, or its end with a result."""

    step: Step | None
    result: Any = None


def advance(talk: Conversation[Any], result: Any, error: ClipbellError | None) -> Turn:
    """Give a conversation the outcome of its last step and learn what it wants next."""
    try:
        return Turn(talk.throw(error) if error else talk.send(result))
    except StopIteration as end:
        return Turn(None, end.value)


# --- reading -------------------------------------------------------------------------------------------


def finish(call: Call[T], status: int, headers: Mapping[str, str], body: bytes) -> T:
    """Read an answer. Header names are in lower case.

    Raises: ClipbellError.
    """
    if not 200 <= status < 300:
        raise error_from(status, headers, body)
    try:
        return call.read(body)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        text = "the answer is not Clipbell's; does something else listen at this address?"
        raise ServerFailed(text, code="not_clipbell", status=status) from error


def one_of(record: type[R]) -> Callable[[bytes], R]:
    """Read an answer that is one object."""
    return lambda body: record.from_json(_object(body))


def page_of(record: type[R]) -> Callable[[bytes], Page[R]]:
    """Read an answer that is a list."""

    def read(body: bytes) -> Page[R]:
        data = _object(body)
        return Page([record.from_json(each) for each in data["items"]], data.get("next"))

    return read


def as_object(body: bytes) -> Mapping[str, Any]:
    """Read an answer as the object that it is."""
    return _object(body)


def _object(body: bytes) -> dict[str, Any]:
    data = json.loads(body)
    if not isinstance(data, dict):
        raise TypeError("not an object")
    return data


# --- refusals ------------------------------------------------------------------------------------------

_BY_CODE: Mapping[str, type[Refused]] = {
    "unauthorized": Unauthorized,
    "not_found": NotFound,
    "invalid_order": InvalidOrder,
}


def error_from(status: int, headers: Mapping[str, str], body: bytes) -> ClipbellError:
    """Turn an answer that is no success into an exception."""
    problem = _problem(body)
    code, text = problem.get("code"), problem.get("detail") or problem.get("title")
    if not isinstance(code, str) or not isinstance(text, str):
        return ServerFailed(_strange(status), code="not_clipbell", status=status, raw=problem)
    kind = Refused if status < 500 or code == "vendor_unreachable" else ServerFailed
    found = _BY_CODE.get(code, kind)
    wait = _seconds(headers.get("retry-after"))
    return found(
        text,
        code=code,
        status=status,
        problems=_problems(problem),
        retry_after=wait,
        raw=problem,
    )


def _problem(body: bytes) -> dict[str, Any]:
    try:
        return _object(body)
    except (ValueError, TypeError):
        return {}


def _strange(status: int) -> str:
    hint = "the address is redirected; give the server's own" if 300 <= status < 400 else "is this a Clipbell server?"
    return f"the answer was HTTP {status} without a reason; {hint}"


def _problems(problem: Mapping[str, Any]) -> Sequence[Problem]:
    found = problem.get("errors")
    return [
        Problem(str(each.get("field", "")), str(each.get("problem", "")))
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, dict)
    ]


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
