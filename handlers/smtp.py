"""A mail server as an operator writes it down, a connection to it, its answers, and a mail's lines. Writes no mails."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.header import Header
from email.policy import EmailPolicy
from email.utils import parseaddr
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from handlers.masking import masked
from handlers.protocol import GiveUp, Outcome, TryLater
from schemas.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from aiosmtplib import SMTP

#: scheme -> its usual port
_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
#: authentication wanted, too weak, wrong, or only under TLS: a person mends the configuration, then the mail may go
_CREDENTIALS = frozenset({530, 534, 535, 538})
_STEP_SECONDS = 20
_ADDRESS = re.compile(r"[!-9;=?A-Z^-~]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_FORM = 'must be like "smtps://user:password@mail.example.com" (or smtp://, smtp+starttls://; %40 for an @)'


class _Wire(EmailPolicy):
    """SMTP's policy, but for a subject's lines: Python 3.11 puts spaces into the middle of words ("$0. 136").

    https://www.rfc-editor.org/rfc/rfc2047#section-2
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        """Put a header into lines."""
        if name != "Subject":
            return super().fold_binary(name, value)
        lines = Header(str(value), "utf-8", maxlinelen=76, header_name=name).encode(linesep=self.linesep)
        return f"{name}: {lines}{self.linesep}".encode("ascii")


#: How a mail goes over the wire.
WIRE = _Wire(linesep="\r\n")


@dataclass(frozen=True, slots=True, repr=False)
class Server:
    """Where mails go: `scheme` is smtp (plain), smtps (TLS) or smtp+starttls; user "" is none."""

    scheme: str
    host: str
    port: int
    user: str
    password: str


def server_of(url: str) -> Server:
    """Read an smtp URL; user and password are percent-decoded.

    Raises: ValueError, without the URL in its words.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_FORM) from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(_FORM)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], user, password)


def address_of(text: str) -> str:
    """Take the bare address out of `ada@example.com` or `Ada <ada@example.com>`.

    Raises: ValueError.
    """
    address = parseaddr(text)[1]
    if not _ADDRESS.fullmatch(address) or len(address) > 254 or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("must be an email address, such as ada@example.com")
    return address


def context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the system's authorities (SSL_CERT_FILE names others), Mozilla's, and the operator's own.

    Raises: ConfigurationError.
    """
    import certifi

    found = ssl.create_default_context()
    found.load_verify_locations(certifi.where())
    if ca_file:
        try:
            found.load_verify_locations(ca_file)
        except OSError as error:
            problem = "cannot be read as certificates; give the path of a PEM file"
            raise ConfigurationError([Problem("ca_file", problem)]) from error
    return found


@asynccontextmanager
async def connected(server: Server, trust: ssl.SSLContext) -> AsyncIterator["SMTP"]:
    """Connect, encrypt and log in; say goodbye at the end, or just hang up where something broke."""
    from aiosmtplib import SMTP, SMTPException

    smtp = SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.scheme == "smtps",
        start_tls=server.scheme == "smtp+starttls",
        username=server.user or None,
        password=server.password or None,
        tls_context=trust,
        timeout=_STEP_SECONDS,
    )
    hang_up: Callable[[], None] | None = None
    try:
        await smtp.connect()
        hang_up = getattr(smtp.transport, "abort", None)
        yield smtp
        with suppress(SMTPException, OSError):
            await smtp.quit()
    finally:
        smtp.close()
        if hang_up:
            # all is said: closing TLS politely would keep the socket until the other side agrees
            hang_up()
            await asyncio.sleep(0)


def trouble(error: Exception, secret: str) -> TryLater:
    """Say why there is no connection: always worth another try, since the mail itself was not refused."""
    from aiosmtplib import SMTPAuthenticationError, SMTPResponseException

    if isinstance(error, SMTPAuthenticationError) or getattr(error, "code", 0) in _CREDENTIALS:
        return TryLater("the mail server did not take the user and password of smtp_url", answer=_said(error, secret))
    if isinstance(error, SMTPResponseException):
        return TryLater("the mail server does not want to talk to us now", answer=_said(error, secret))
    return TryLater(_cause(error) or masked(str(error).rstrip(": "), secret))


def refusal(error: Exception, secret: str) -> Outcome:
    """Say what became of one mail: 4xx is for later, 5xx is final for this address."""
    from aiosmtplib import SMTPRecipientsRefused, SMTPResponseException

    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if not isinstance(error, SMTPResponseException) or error.code in _CREDENTIALS:
        return trouble(error, secret)
    if error.code >= 500:
        return GiveUp(f"the mail server refused the mail for good ({error.code})", answer=_said(error, secret))
    return TryLater(f"the mail server cannot take the mail now ({error.code})", answer=_said(error, secret))


def _said(error: Exception, secret: str) -> str:
    return masked(f"{getattr(error, 'code', '')} {getattr(error, 'message', '')}".strip(), secret)[:200]


def _cause(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the mail server's TLS certificate is not accepted ({error.verify_message})"
        if isinstance(error, ssl.SSLError):
            return "the TLS handshake with the mail server failed"
        if isinstance(error, TimeoutError):
            return "the mail server did not answer in time"
        error = error.__cause__ or error.__context__
    return None
