"""Email over SMTP: a mail for each event, in text and HTML; more than five waiting ones become a single mail.

A target is one address: what the server says of one never touches another. A certificate is always verified. Refused
users and passwords count as trouble to be mended, so the mail waits; a 5xx to the mail itself is final.

https://www.rfc-editor.org/rfc/rfc5321 https://www.rfc-editor.org/rfc/rfc8314
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.utils import format_datetime
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, field_validator

from handlers import page
from handlers.masking import masked
from handlers.pictures import picture_of
from handlers.preview import of_mail
from handlers.protocol import Done, GiveUp, HandlerType, Options, Outcome, Parcel, Tools
from handlers.smtp import WIRE, address_of, connected, context, refusal, server_of, trouble
from handlers.words import DIGEST_OVER, digest, shortened, story, urgent_first

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_SUBJECT, _WHOLE = 150, 50


class EmailOptions(Options):
    """`smtp_url` with user and password where needed; `sender`; `to`, a target each; `ca_file` for an own authority."""

    smtp_url: SecretStr
    sender: str
    to: tuple[str, ...] = Field(min_length=1)
    ca_file: str | None = None

    @field_validator("smtp_url")
    @classmethod
    def _is_a_server(cls, value: SecretStr) -> SecretStr:
        server_of(value.get_secret_value())
        return value

    @field_validator("sender")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        address_of(value)
        return value

    @field_validator("to")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for number, text in enumerate(value):
            if address_of(text) != text:
                raise ValueError(f"number {number + 1} must be a bare address, such as ada@example.com")
        return tuple(dict.fromkeys(value))


def render(
    parcels: Sequence[Parcel], options: EmailOptions, tools: Tools, picture: bytes | None = None
) -> EmailMessage:
    """Write one mail to the parcels' target; `picture`: the JPEG that a mail about one clip carries."""
    stories = [story(p.event, p.elapsed, tools.clip_link, vendor=p.vendor_title) for p in urgent_first(parcels)]
    heading = stories[0].line if len(stories) == 1 else digest([p.event for p in parcels])
    message = EmailMessage(policy=WIRE)
    message["Subject"] = shortened(heading, _SUBJECT)
    message["From"] = options.sender
    message["To"] = parcels[0].target
    message["Date"] = format_datetime(tools.now())
    # the same mail sent again after a crash has the same id, so that mail programs show it once
    told = hashlib.sha256("\n".join(sorted(p.key for p in parcels)).encode()).hexdigest()[:32]
    host = address_of(options.sender).rpartition("@")[2]
    message["Message-ID"] = f"<{told}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(page.text(heading, stories), cte="quoted-printable")
    head = heading if len(stories) > 1 else stories[0].title
    cid = f"{told}.picture@{host}" if picture else None
    message.add_alternative(page.html(head, stories, cid), subtype="html", cte="quoted-printable")
    shown = message.get_body(("html",))
    if picture and isinstance(shown, EmailMessage):
        shown.add_related(picture, "image", "jpeg", cid=f"<{cid}>", filename="clip.jpg", disposition="inline")
    return message


class Email:
    """Sends mails, over one connection for each delivery."""

    def __init__(self, options: EmailOptions, tools: Tools) -> None:
        self._options, self._tools = options, tools
        self._secret = options.smtp_url.get_secret_value()
        self._server = server_of(self._secret)
        self._trust = context(tools.folder / options.ca_file if options.ca_file else None)

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Send each event, or all in one mail where there are more than five."""
        from aiosmtplib import SMTPException

        if parcels[0].target not in self._options.to:
            return {parcel.key: GiveUp("this address is no longer in to") for parcel in parcels}
        mails = [list(parcels)] if len(parcels) > DIGEST_OVER else [[parcel] for parcel in parcels]
        # before the server has to wait for us
        written = [(mail, await self._written(mail)) for mail in mails]
        found: dict[str, Outcome] = {}
        try:
            async with asyncio.timeout(_WHOLE), connected(self._server, self._trust) as smtp:
                for mail, wire in written:
                    outcome = await self._send(smtp, mail[0].target, wire)
                    found.update({parcel.key: outcome for parcel in mail})
        except (SMTPException, OSError) as error:
            # what was sent before stays done
            outcome = trouble(error, self._secret)
            return {parcel.key: found.get(parcel.key, outcome) for parcel in parcels}
        return found

    async def _written(self, mail: Sequence[Parcel]) -> bytes:
        picture = await picture_of(mail[0].event, self._tools) if len(mail) == 1 else None
        return render(mail, self._options, self._tools, picture).as_bytes()

    async def _send(self, smtp: "SMTP", target: str, wire: bytes) -> Outcome:
        from aiosmtplib import SMTPException

        try:
            _, said = await smtp.sendmail(address_of(self._options.sender), [target], wire)
        except (SMTPException, OSError) as error:
            return refusal(error, self._secret)
        return Done(masked(said, self._secret)[:200])

    async def close(self) -> None:
        """Nothing is held."""


def preview(options: EmailOptions, tools: Tools, parcels: Sequence[Parcel], picture: bytes | None) -> str:
    """Show a mail to the first address."""
    mail = [replace(parcel, target=options.to[0]) for parcel in parcels]
    return of_mail(render(mail, options, tools, picture))


def prepare() -> None:
    """Load the client, and compile the page."""
    import_module("aiosmtplib")
    page.template()


HANDLER = HandlerType(
    name="email",
    options=EmailOptions,
    make=Email,
    example={
        "smtp_url": "smtps://user:password@mail.example.com",
        "sender": "Clipbell <clips@example.com>",
        "to": ["ada@example.com"],
    },
    targets=attrgetter("to"),
    max_batch=50,
    concurrency=4,
    timeout=90,
    preview=preview,
    prepare=prepare,
)
