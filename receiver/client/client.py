"""Clipbell and AsyncClipbell: the same routes over a synchronous and an asynchronous connection.

Redirects are not followed and proxies of the environment not used. httpx is imported when a client is made and asyncio
when it is used, so that `import clipbell` stays fast.
"""

import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, overload

from . import orders, routes
from .calls import Call, Conversation, Pause, Step, advance, error_from, finish
from .errors import BadAddress, ClipbellError, NoToken, ServerUnreachable
from .models import Changed
from .sse import Notices

if TYPE_CHECKING:
    import httpx

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8000"
TOKEN_VARIABLE = "CLIPBELL_API_TOKEN"  # noqa: S105 - the variable's name, not its value
CONNECT_TIMEOUT = 5.0
#: The server sends something at least every 15 s.
STREAM_TIMEOUT = 60.0


class _Route(Generic[P, T]):
    """A route as a method: a plain call of Clipbell, a coroutine of AsyncClipbell."""

    def __init__(self, converse: Callable[P, Conversation[T]]) -> None:
        self._converse = converse
        self.__doc__ = converse.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Conversation[T]]: ...
    @overload
    def __get__(self, client: "Clipbell", owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: "AsyncClipbell", owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: "Clipbell | AsyncClipbell | None", owner: type) -> Any:
        """Bind the route to a client; on the class itself it is the conversation."""
        if client is None:
            return self._converse

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.run(self._converse(*args, **kwargs))

        method.__doc__ = self.__doc__
        return method


class _Routes:
    """Every route once, for both clients."""

    submit = _Route(orders.submit)
    check = _Route(orders.check)
    batch = _Route(orders.batch)
    adopt = _Route(orders.adopt)
    expect = _Route(orders.expect)
    job = _Route(orders.job)
    wait = _Route(orders.wait)
    refresh = _Route(orders.refresh)
    waits = _Route(routes.waits)
    again = _Route(orders.again)
    resolve = _Route(orders.resolve)
    revoke_link = _Route(orders.revoke_link)
    ready = _Route(orders.ready)
    jobs = _Route(routes.jobs)
    events = _Route(routes.events)
    event = _Route(routes.event)
    replay = _Route(routes.replay)
    deliveries = _Route(routes.deliveries)
    retry = _Route(routes.retry)
    retry_all = _Route(routes.retry_all)
    evidence = _Route(routes.evidence)
    evidence_body = _Route(routes.evidence_body)
    alerts = _Route(routes.alerts)
    clips = _Route(routes.clips)
    ledger = _Route(routes.ledger)
    ledger_summary = _Route(routes.ledger_summary)
    findings = _Route(routes.findings)
    finding_sums = _Route(routes.finding_sums)
    handlers = _Route(routes.handlers)
    test_handler = _Route(routes.test_handler)
    vendors = _Route(routes.vendors)

    def __init__(self, url: str = DEFAULT_URL, *, token: str | None = None) -> None:
        """Talk to the server at `url`; `token` is its api_token, else taken from CLIPBELL_API_TOKEN.

        Raises: NoToken, BadAddress.
        """
        import httpx

        token = token or os.environ.get(TOKEN_VARIABLE)
        if not token:
            raise NoToken(
                f"give the server's api_token as token=… or in {TOKEN_VARIABLE}",
                code="no_token",
            )
        if not (token.isascii() and token.isprintable()):
            raise NoToken("the API token must be one line of ASCII letters, digits and signs", code="no_token")
        self.url = _checked(url)
        self._errors = httpx.TransportError
        self._options: dict[str, Any] = {
            "base_url": self.url,
            "headers": {
                "authorization": f"Bearer {token}",
                "accept": "application/json",
            },
            "trust_env": False,
            "follow_redirects": False,
        }

    def __repr__(self) -> str:
        """Show where it talks to, never the token."""
        return f"{type(self).__name__}({self.url!r})"

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        return {
            "method": call.method,
            "url": call.path,
            "params": dict(call.query),
            "json": call.body,
            "headers": dict(call.headers),
            "timeout": _deadlines(call.timeout),
        }

    def _lost(self, error: Exception) -> ServerUnreachable:
        import httpx

        sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        why = "the answer did not come in time or was cut" if sent else "nothing listens there"
        return ServerUnreachable(f"no clipbell server answers at {self.url}: {why}", sent=sent)


def _checked(url: str) -> str:
    import httpx

    try:
        found = httpx.URL(url)
        fits = found.scheme in ("http", "https") and bool(found.host)
    except httpx.InvalidURL:
        fits = False
    if not fits:
        text = "the server's address must be like http://127.0.0.1:8000 or https://clipbell.example.com"
        raise BadAddress(text, code="bad_address")
    return url.rstrip("/")


def _deadlines(seconds: float) -> "httpx.Timeout":
    import httpx

    return httpx.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds))


class Clipbell(_Routes):
    """A connection to a server; use it as a context manager or call `close`. Safe to share between threads."""

    def __init__(self, url: str = DEFAULT_URL, *, token: str | None = None) -> None:
        """See the base: `url` of the server, `token` its api_token."""
        import httpx

        super().__init__(url, token=token)
        self._http = httpx.Client(**self._options)

    def run(self, talk: Conversation[T]) -> T:
        """Carry out a conversation."""
        result, error = None, None
        while (turn := advance(talk, result, error)).step:
            result, error = None, None
            try:
                result = self._take(turn.step)
            except ClipbellError as raised:
                error = raised
        answer: T = turn.result
        return answer

    def stream(self) -> Iterator[Changed]:
        """Follow what changes, until the server ends it or is gone. First read what you show, then follow.

        Raises: ServerUnreachable, Refused.
        """
        notices = Notices()
        try:
            with self._http.stream("GET", "/v1/stream", timeout=_deadlines(STREAM_TIMEOUT)) as answer:
                if answer.status_code != 200:
                    raise error_from(answer.status_code, answer.headers, answer.read())
                yield from filter(None, map(notices.feed, answer.iter_lines()))
        except self._errors as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _take(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        try:
            answer = self._http.request(**self._request(step))
        except self._errors as error:
            raise self._lost(error) from error
        return finish(step, answer.status_code, answer.headers, answer.content)


class AsyncClipbell(_Routes):
    """The same for asyncio; use it with `async with` or await `close`."""

    def __init__(self, url: str = DEFAULT_URL, *, token: str | None = None) -> None:
        """See the base: `url` of the server, `token` its api_token."""
        import httpx

        super().__init__(url, token=token)
        self._http = httpx.AsyncClient(**self._options)

    async def run(self, talk: Conversation[T]) -> T:
        """Carry out a conversation."""
        result, error = None, None
        while (turn := advance(talk, result, error)).step:
            result, error = None, None
            try:
                result = await self._take(turn.step)
            except ClipbellError as raised:
                error = raised
        answer: T = turn.result
        return answer

    async def stream(self) -> AsyncIterator[Changed]:
        """Follow what changes, until the server ends it or is gone. First read what you show, then follow.

        Raises: ServerUnreachable, Refused.
        """
        notices = Notices()
        try:
            async with self._http.stream("GET", "/v1/stream", timeout=_deadlines(STREAM_TIMEOUT)) as answer:
                if answer.status_code != 200:
                    raise error_from(answer.status_code, answer.headers, await answer.aread())
                async for line in answer.aiter_lines():
                    if notice := notices.feed(line):
                        yield notice
        except self._errors as error:
            raise self._lost(error) from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Give itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def _take(self, step: Step) -> Any:
        import asyncio

        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        try:
            answer = await self._http.request(**self._request(step))
        except self._errors as error:
            raise self._lost(error) from error
        return finish(step, answer.status_code, answer.headers, answer.content)
