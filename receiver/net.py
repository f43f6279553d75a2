"""Net: the only maker of outgoing HTTP calls, with a deadline for the whole of each, size caps and the address ban.

Every call has a connection of its own, opened to an address that was just judged, so what failed before the first
byte of the request is provably unsent (`Unsent`) and anything later is not (`Unanswered`): no connection is reused
that the other side may be closing. No redirects, no proxies, no cookies, no decompression, HTTP/1.1 only.

httpx supplies the URLs, httpcore (the engine below it) the protocol: httpx's own client logs every URL, and the URL
of a chat's webhook is a secret. A Net may be shared by several event loops.
"""

import asyncio
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import certifi
import h11
import httpcore
from anyio.lowlevel import checkpoint

from receiver.resolve import Resolve, SystemResolver, Target, judge, target_of
from schemas.addresses import Address, Network
from schemas.errors import Unanswered, Unsent
from schemas.vendor import Answer, Part

_OURS = frozenset(
    {
        "host",
        "connection",
        "accept-encoding",
        "content-length",
        "transfer-encoding",
        "user-agent",
    }
)


@dataclass(frozen=True, slots=True)
class _Call:
    """One request on its way: where to, as what, until when on the loop's clock."""

    target: Target
    wire: httpcore.Request
    deadline: float


class Net:
    """The way out. With `public_only` (handlers, downloads) banned addresses are refused; `allow` exempts networks.

    Without it (a vendor's `base_url`, the operator's word) any address and plain http will do. Seconds: `connect`
    for each address of a host, `stall` between two pieces of a streamed answer.
    """

    def __init__(
        self,
        *,
        allow: tuple[Network, ...] = (),
        public_only: bool = True,
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect: float = 5,
        stall: float = 30,
    ) -> None:
        self._allow = allow
        self._public_only = public_only
        self._resolve = resolve or SystemResolver()
        self._given_ssl = ssl_context
        self._connect_seconds = connect
        self._stall = stall
        self._backend = httpcore.AnyIOBackend()
        self._agent = f"clipbell/{_version()}"

    async def call(  # noqa: PLR0913 the protocol's six, and one of ours
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float = 15,
        max_bytes: int = 65_536,
        whole: bool = False,
    ) -> Answer:
        """Make one call within `timeout` seconds, redirects not followed.

        An answer longer than `max_bytes` is cut there; with `whole` it is Unanswered.
        Raises: Unsent (AddressRefused for a banned address), Unanswered.
        """
        call = self._prepared(method, url, headers, content, timeout)
        async with self._exchange(call) as response:
            body = bytearray()
            async for chunk in _pieces(call, response, stall=timeout):
                body += chunk
                if len(body) > max_bytes:
                    break
            if whole and len(body) > max_bytes:
                raise Unanswered(f"{call.target.host}: the answer is longer than {max_bytes} bytes")
            return Answer(response.status, _readable(response.headers), bytes(body[:max_bytes]))

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
        max_bytes: int,
    ) -> AsyncIterator["Streamed"]:
        """Open a GET; `timeout` is for the whole of it, in seconds.

        Raises: Unsent (AddressRefused for a banned address), Unanswered.
        """
        call = self._prepared("GET", url, headers, b"", timeout)
        async with self._exchange(call) as response:
            yield Streamed(call, response, self._stall, max_bytes)

    async def aclose(self) -> None:
        """Let go of what is held: nothing, since every call closes its own connection."""

    def _prepared(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        content: bytes,
        seconds: float,
    ) -> _Call:
        deadline = asyncio.get_running_loop().time() + seconds
        target = target_of(url)
        lines = {name.lower(): value for name, value in (headers or {}).items() if name.lower() not in _OURS}
        lines = {
            "host": target.authority,
            "accept": "*/*",
            **lines,
            "user-agent": self._agent,
        }
        lines |= {"accept-encoding": "identity", "connection": "close"}
        if content or method in ("POST", "PUT", "PATCH"):
            lines["content-length"] = str(len(content))
        try:
            # looked at here, since h11 would find it only when the connection is open
            h11.Request(method=method, target=target.path, headers=list(lines.items()))
        except (h11.LocalProtocolError, ValueError) as error:
            raise Unsent(f"{target.host}: a header of the request holds characters that HTTP cannot carry") from error
        url_parts = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        return _Call(
            target,
            httpcore.Request(method, url_parts, headers=list(lines.items()), content=content),
            deadline,
        )

    @asynccontextmanager
    async def _exchange(self, call: _Call) -> AsyncIterator[httpcore.Response]:
        stream = await self._connected(call)
        connection = httpcore.AsyncHTTP11Connection(call.wire.url.origin, stream)
        try:
            with _answering(call.target.host):
                async with asyncio.timeout_at(call.deadline):
                    response = await connection.handle_async_request(call.wire)
            yield response
        finally:
            await connection.aclose()

    async def _connected(self, call: _Call) -> httpcore.AsyncNetworkStream:
        host = call.target.host
        try:
            async with asyncio.timeout_at(call.deadline):
                addresses = await self._resolve(host, call.target.port)
                if self._public_only:
                    judge(call.target, addresses, self._allow)
                return await self._dialled(call.target, addresses)
        except TimeoutError as error:
            raise Unsent(f"{host}: no connection within the time given") from error

    async def _dialled(self, target: Target, addresses: Sequence[Address]) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._dial(target, address)
            except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
                failure = error
        raise Unsent(f"{target.host}: {_reason(failure)}") from failure

    async def _dial(self, target: Target, address: Address) -> httpcore.AsyncNetworkStream:
        seconds = self._connect_seconds
        stream = await self._backend.connect_tcp(str(address), target.port, timeout=seconds)
        if target.scheme == "http":
            return stream
        try:
            return await stream.start_tls(
                self._given_ssl or _trusting(), server_hostname=target.host.rstrip("."), timeout=seconds
            )
        except BaseException:
            await stream.aclose()
            raise


class Streamed:
    """A streamed answer. Header names are in lower case."""

    def __init__(self, call: _Call, response: httpcore.Response, stall: float, max_bytes: int) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = _readable(response.headers)
        self._call, self._response, self._stall, self._max_bytes = (
            call,
            response,
            stall,
            max_bytes,
        )

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they are on the wire (never decompressed), up to the cap.

        Raises: Unanswered where the stream breaks, stalls, passes its deadline or its cap.
        """
        length = self.headers.get("content-length", "")
        seen = int(length) if length.isdecimal() else 0
        self._hold_cap(seen)
        seen = 0
        async for chunk in _pieces(self._call, self._response, self._stall):
            seen += len(chunk)
            self._hold_cap(seen)
            yield chunk

    def _hold_cap(self, size: int) -> None:
        if size > self._max_bytes:
            raise Unanswered(f"{self._call.target.host}: the answer is longer than {self._max_bytes} bytes")


async def _pieces(call: _Call, response: httpcore.Response, stall: float) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    pieces = aiter(response.aiter_stream())
    while True:
        with _answering(call.target.host):
            async with asyncio.timeout_at(min(call.deadline, loop.time() + stall)):
                piece = await anext(pieces, None)
        if piece is None:
            return
        yield piece


@contextmanager
def _answering(host: str) -> Iterator[None]:
    """From here on the request may have been read: every failure is Unanswered."""
    try:
        yield
    except TimeoutError as error:
        raise Unanswered(f"{host}: no whole answer within the time given") from error
    except httpcore.ProtocolError as error:
        raise Unanswered(f"{host}: the answer was cut, or is not HTTP") from error
    except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
        raise Unanswered(f"{host}: the connection broke before the whole answer was there") from error


def _reason(error: BaseException | None) -> str:
    """Why a connection failed, in words; the libraries wrap the cause several times."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not accepted ({error.verify_message})"
        if isinstance(error, ssl.SSLError):
            return "the TLS handshake failed"
        if isinstance(error, TimeoutError):
            return "it did not take the connection in time"
        if isinstance(error, OSError) and error.errno:
            return os.strerror(error.errno).lower()
        error = error.__cause__ or error.__context__
    return "the connection failed"


def _readable(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def prepare() -> None:
    """Load once what the first call would take long for, and hold callbacks up."""
    _trusting()
    await checkpoint()  # anyio loads what it needs for a kind of loop at the first wait on it


@cache
def _trusting() -> ssl.SSLContext:
    """The system's certificates (an operator's own among them) and Mozilla's, since a slim image has none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _version() -> str:
    try:
        return version("clipbell")
    except PackageNotFoundError:
        return "0"


def multipart(parts: Sequence[Part]) -> tuple[str, bytes]:
    """Build a multipart/form-data body: its content type, and its bytes."""
    boundary = secrets.token_hex(16)
    body = b"".join(b"--%s\r\n%s\r\n%s\r\n" % (boundary.encode(), _part_head(part), part.content) for part in parts)
    return (
        f"multipart/form-data; boundary={boundary}",
        body + b"--%s--\r\n" % boundary.encode(),
    )


def _part_head(part: Part) -> bytes:
    head = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if part.filename is not None:
        head += f'; filename="{_quoted(part.filename)}"'
    if part.content_type is not None:
        head += f"\r\nContent-Type: {part.content_type}"
    return f"{head}\r\n".encode()


def _quoted(text: str) -> str:
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
