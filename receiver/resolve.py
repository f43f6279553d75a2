"""From a URL to addresses that may be called: taken apart, resolved once, every address judged. Connects to nothing.

However an address is spelled (`127.1`, `0x7f.1`, a name that points inside), the system's resolver has the last word
and its answer is judged, not the spelling. Who calls this must connect to one of the answered addresses and look
nothing up again, else a name that changes its answer gets past the judgement.
"""

import asyncio
import ipaddress
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx

from schemas.addresses import Address, Network, is_allowed
from schemas.errors import AddressRefused, Unsent

#: (host, port) -> its addresses, best first. Raises Unsent where there is none.
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

_POLL = 0.02
_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"^[^/?#]*//([^/?#]*)")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `host` is ASCII in lower case, an IPv6 address without brackets; `path` has the query too."""

    scheme: str
    host: str
    port: int
    path: bytes
    #: The host as the header of this name carries it.
    authority: str


def target_of(url: str) -> Target:
    """Take a URL apart, with nothing of it in the words of a refusal.

    Raises: AddressRefused where it is no http(s) URL, or one that two readers could understand in two ways.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused("the URL is not valid; give a full one that begins with https://") from error
    host = parsed.raw_host.decode("ascii").lower()
    if parsed.scheme not in _PORTS:
        raise AddressRefused("the URL must begin with https://")
    if "@" in "".join(_AUTHORITY.findall(url)[:1]):
        raise AddressRefused("the URL holds a user name or an @ before its host; take it out")
    if not _HOST.fullmatch(host) and literal(host) is None:
        raise AddressRefused("the URL has no valid host name")
    port = parsed.port if parsed.port is not None else _PORTS[parsed.scheme]
    if not 0 < port < 65_536:
        raise AddressRefused("the URL has no valid port")
    return Target(parsed.scheme, host, port, parsed.raw_path, parsed.netloc.decode("ascii").lower())


def literal(host: str) -> Address | None:
    """The address that a host spells in the usual way; None for a name, a zone or an odd spelling."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def judge(target: Target, addresses: Sequence[Address], allow: tuple[Network, ...]) -> None:
    """Let a target pass if every one of its addresses may be called.

    Raises: AddressRefused.
    """
    for address in addresses:
        if not is_allowed(address, allow):
            where = target.host if target.host == str(address) else f"{target.host} is at {address}, which"
            raise AddressRefused(f"{where} is not a public address; network.allow can exempt it")
        if target.scheme == "http" and not _is_exempt(address, allow):
            raise AddressRefused(
                f"{target.host} is not in network.allow, so plain http is refused; use a URL that begins with https://"
            )


def _is_exempt(address: Address, allow: tuple[Network, ...]) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in network for network in allow)


class SystemResolver:
    """The system's resolver in daemon threads: so many look-ups at once, each given up after so many seconds.

    A look-up that hangs keeps its place until it ends, but never an event loop or the end of the program. May be
    shared by several event loops.
    """

    def __init__(
        self,
        *,
        threads: int = 16,
        timeout: float = 5,
        look_up: Callable[[str, int], Sequence[Address]] | None = None,
    ) -> None:
        self._addresses = look_up or _addresses
        self._places = threading.Semaphore(threads)
        self._timeout = timeout

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        """Look a host up; an address is its own answer."""
        if (address := literal(host)) is not None:
            return (address,)
        try:
            async with asyncio.timeout(self._timeout):
                while not self._places.acquire(blocking=False):  # noqa: ASYNC110 an Event belongs to one loop
                    await asyncio.sleep(_POLL)
                return await self._look_up(host, port)
        except TimeoutError as error:
            raise Unsent(f"{host}: the name did not resolve within {self._timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise Unsent(f"{host}: the name does not resolve") from error

    def _look_up(self, host: str, port: int) -> asyncio.Future[Sequence[Address]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Address]] = loop.create_future()

        def settle(found: Sequence[Address] | Exception) -> None:
            if answer.done():
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def work() -> None:
            found: Sequence[Address] | Exception
            try:
                found = self._addresses(host, port)
            except (OSError, ValueError) as error:
                found = error
            self._places.release()
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=work, name="resolver", daemon=True).start()
        return answer


def _addresses(host: str, port: int) -> Sequence[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return tuple(ipaddress.ip_address(text) for text in texts)
