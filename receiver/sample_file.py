"""The sample's file: comes from the package, so that a handler that saves files is tried without the network."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files

from handlers.protocol import Download, Http
from schemas.vendor import Answer

#: Nobody is called there.
SAMPLE_URL = "https://example.com/sample.mp4"
#: How long it is; as long as the sample says.
SECONDS = 8


@dataclass
class SampleFile:
    """The sample's file as a streamed answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole of it at once."""
        yield _file()


@dataclass(frozen=True)
class SampleHttp:
    """The way out for a handler under test: everything is called as ever, but for the sample's file."""

    http: Http

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float = 15,
        max_bytes: int = 65_536,
    ) -> Answer:
        """Make one call."""
        return await self.http.call(method, url, headers=headers, content=content, timeout=timeout, max_bytes=max_bytes)

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float, max_bytes: int
    ) -> AbstractAsyncContextManager[Download]:
        """Open a GET, or the sample's file."""
        if url == SAMPLE_URL:
            return _open()
        return self.http.stream(url, headers=headers, timeout=timeout, max_bytes=max_bytes)


@asynccontextmanager
async def _open() -> AsyncIterator[Download]:
    content = _file()
    yield SampleFile(headers={"content-type": "video/mp4", "content-length": str(len(content))})


def _file() -> bytes:
    return (files("receiver.simulator") / "clips" / f"{SECONDS}.mp4").read_bytes()
