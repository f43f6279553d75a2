"""Email: what is written, and how mail servers' answers, certificates and silences are taken."""

import asyncio
import email
import smtplib
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers import email as email_handler
from handlers import pictures, smtp
from handlers.email import HANDLER, EmailOptions, render
from handlers.protocol import Done, GiveUp, Outcome, Parcel, Saved, TryLater
from handlers.smtp import address_of, server_of
from schemas.errors import ConfigurationError
from schemas.event import Event, Failure
from schemas.values import replace
from tests.support.authority import Authority, authority
from tests.support.golden import assert_golden
from tests.support.http_server import closed_port
from tests.support.mail_server import Mailbox, mail_server
from tests.support.parcels import ALERT, FAILED, READY, SAVED, parcel, parcels, tools

# the test's own server says so of itself
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
GOLDEN = Path(__file__).parent / "golden" / "email"
ADA, BOB = "ada@example.com", "bob@example.com"
SECRET = "s3cret pa%ss@word"
URL_SECRET = "s3cret%20pa%25ss%40word"


def options(url: str, **more: Any) -> EmailOptions:
    """Make options for two people."""
    return EmailOptions.model_validate(
        {"smtp_url": url, "sender": "Clipbell <clips@example.org>", "to": [ADA, BOB], **more}
    )


def deliver(url: str, given: Sequence[Parcel], **more: Any) -> Mapping[str, Outcome]:
    """Send parcels through a mail server."""

    async def main() -> Mapping[str, Outcome]:
        handler = HANDLER.make(options(url, **more), tools(Path()))
        try:
            return await handler.deliver(given)
        finally:
            await handler.close()

    return asyncio.run(main())


def written(*given: Parcel) -> EmailMessage:
    """Write a mail as it goes over the wire, and read it again."""
    wire = render(given, options("smtp://mail.example.com"), tools(Path())).as_bytes()
    return email.message_from_bytes(wire, policy=policy.default)


def part(message: EmailMessage, kind: str) -> str:
    """The text of one part."""
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


@contextmanager
def saying(words: bytes, *, pause: float = 0, endless: bool = False, stays: bool = False) -> Iterator[int]:
    """Run a server that says this to everybody, byte by byte where there is a pause; answer its port."""
    over = threading.Event()

    class Says(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.say()
            if stays:
                over.wait(20)

        def say(self) -> None:
            for piece in [words[n : n + 1] for n in range(len(words))] if pause else [words]:
                self.request.sendall(piece)
                over.wait(pause)
            while endless and not over.is_set():
                self.request.sendall(words)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Says) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        over.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no system trusts."""
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize(("name", "event"), [("ready", READY), ("failed", FAILED), ("alert", ALERT), ("saved", SAVED)])
def test_every_event_has_its_mail(name: str, event: Event) -> None:
    message = written(parcel(event, target=ADA))
    assert_golden(part(message, "plain"), GOLDEN / f"{name}.txt")
    assert_golden(part(message, "html"), GOLDEN / f"{name}.html")


def test_many_events_have_one_mail() -> None:
    message = written(*parcels(7, ADA))
    assert message["Subject"] == "6 clips done, 1 failed, $0.816"
    assert_golden(part(message, "plain"), GOLDEN / "digest.txt")
    assert_golden(part(message, "html"), GOLDEN / "digest.html")


def test_the_headers_say_who_to_whom_when_and_that_a_machine_wrote_it() -> None:
    message = written(parcel(target=ADA))
    assert message["Subject"] == "Ready: 'A cat rides a bicycle' · Vrex · 8 s · $0.136 · took 1 min 15 s"
    assert (message["From"], message["To"]) == ("Clipbell <clips@example.org>", ADA)
    assert message["Date"] == "Wed, 01 Jan 2025 12:02:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"


def test_the_same_parcel_has_the_same_message_id_and_another_has_not() -> None:
    first, again, other = (written(parcel(key=key, target=ADA))["Message-ID"] for key in ("a", "a", "b"))
    assert first == again != other
    assert first.endswith("@example.org>")


def test_no_prompt_can_add_a_header_or_markup() -> None:
    hostile = "x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>\u202egpj"
    event = replace(READY, prompt=hostile, model=hostile, failure=Failure(hostile, hostile))
    for kind in (READY.type, FAILED.type):
        message = written(parcel(replace(event, type=kind), target=ADA))
        assert message["Bcc"] is None
        assert message.get_content_type() == "multipart/alternative"
        assert "<script" not in part(message, "html")
        assert "\u202e" not in message.as_string()
        assert "http-equiv" not in part(message, "html")


@pytest.mark.parametrize(
    "prompt", ["A paper boat on a rainy street, close to the ground", "Ein Boot fährt " * 3, "日本語" * 20]
)
def test_a_subject_arrives_as_it_was_written(prompt: str) -> None:
    given = parcel(replace(READY, prompt=prompt), target=ADA)
    with mail_server(Mailbox()) as box:
        deliver(f"smtp://127.0.0.1:{box.port}", [given])
    [got] = box.messages
    # a price that is broken in two would be another price
    assert got["Subject"] == written(given)["Subject"]
    assert " · $0.136 · took" in got["Subject"]


@pytest.mark.parametrize("prompt", ["A cat", "x" * 100, "日本語 🎬 " * 30, "é" * 80])
def test_no_line_of_a_head_is_longer_than_mail_programs_read(prompt: str) -> None:
    wire = render([parcel(replace(READY, prompt=prompt), target=ADA)], options("smtp://h"), tools(Path())).as_bytes()
    assert max(map(len, wire.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78


def test_a_subject_is_kept_short() -> None:
    assert len(written(parcel(replace(READY, prompt="word " * 2000), target=ADA))["Subject"]) <= 150


def test_a_plain_server_takes_the_mail_for_one_address() -> None:
    with mail_server(Mailbox()) as box:
        assert deliver(f"smtp://127.0.0.1:{box.port}", [parcel(target=ADA)]) == {"dlv_1": Done("kept")}
    assert (box.senders, box.recipients, box.encrypted) == (["clips@example.org"], [[ADA]], [False])
    assert box.messages[0]["Message-ID"] == written(parcel(target=ADA))["Message-ID"]


def test_user_and_password_are_percent_decoded() -> None:
    with mail_server(Mailbox(login=("us@er", SECRET))) as box:
        url = f"smtp://us%40er:{URL_SECRET}@127.0.0.1:{box.port}"
        assert deliver(url, [parcel(target=ADA)]) == {"dlv_1": Done("kept")}


def test_a_wrong_password_waits_for_a_person_and_is_not_told() -> None:
    with mail_server(Mailbox(login=("user", "right"))) as box:
        outcome = deliver(f"smtp://user:{URL_SECRET}@127.0.0.1:{box.port}", [parcel(target=ADA)])["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert outcome.reason == "the mail server did not take the user and password of smtp_url"
    assert SECRET not in str(outcome)
    assert URL_SECRET not in str(outcome)
    assert box.messages == []


def test_a_missing_login_waits_for_a_person() -> None:
    with mail_server(Mailbox(login=("user", "right"))) as box:
        outcome = deliver(f"smtp://127.0.0.1:{box.port}", [parcel(target=ADA)])["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert outcome.answer is not None
    assert outcome.answer.startswith("530")


def test_tls_and_starttls_encrypt_with_an_authority_of_ones_own(ca: Authority) -> None:
    with mail_server(Mailbox(), tls=ca.server()) as box:
        url = f"smtps://127.0.0.1:{box.port}"
        assert deliver(url, [parcel(target=ADA)], ca_file=str(ca.file)) == {"dlv_1": Done("kept")}
    assert box.encrypted == [True]
    with mail_server(Mailbox(), starttls=ca.server()) as box:
        url = f"smtp+starttls://127.0.0.1:{box.port}"
        assert deliver(url, [parcel(target=ADA)], ca_file=str(ca.file)) == {"dlv_1": Done("kept")}
    assert box.encrypted == [True]


def test_the_authorities_that_the_environment_names_are_trusted(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    with mail_server(Mailbox(), tls=ca.server()) as box:
        assert deliver(f"smtps://127.0.0.1:{box.port}", [parcel(target=ADA)]) == {"dlv_1": Done("kept")}


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
@pytest.mark.parametrize(
    ("host", "days", "trusted", "reason"),
    [
        ("127.0.0.1", -1, True, "certificate has expired"),
        ("mail.example.com", 1, True, "IP address mismatch"),
        ("127.0.0.1", 1, False, "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_is_not_good_sends_nothing(
    ca: Authority, scheme: str, host: str, days: int, *, trusted: bool, reason: str
) -> None:
    context = ca.server(host, until=timedelta(days=days))
    kind = {"tls": context} if scheme == "smtps" else {"starttls": context}
    more = {"ca_file": str(ca.file)} if trusted else {}
    with mail_server(Mailbox(login=("user", "right")), **kind) as box:
        url = f"{scheme}://user:{URL_SECRET}@127.0.0.1:{box.port}"
        outcome = deliver(url, [parcel(target=ADA)], **more)["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert "the mail server's TLS certificate is not accepted" in outcome.reason
    assert reason in outcome.reason
    assert box.messages == []


def test_a_server_without_starttls_gets_no_plain_mail() -> None:
    with mail_server(Mailbox()) as box:
        outcome = deliver(f"smtp+starttls://127.0.0.1:{box.port}", [parcel(target=ADA)])["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert "STARTTLS" in outcome.reason
    assert box.messages == []


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (
            "450 mailbox busy",
            TryLater("the mail server cannot take the mail now (450)", answer="450 mailbox busy"),
        ),
        (
            "550 no such user",
            GiveUp("the mail server refused the mail for good (550)", answer="550 no such user"),
        ),
    ],
)
def test_what_the_server_says_of_an_address_decides(answer: str, outcome: Outcome) -> None:
    with mail_server(Mailbox(refused={ADA: answer})) as box:
        url = f"smtp://127.0.0.1:{box.port}"
        assert deliver(url, [parcel(target=ADA)]) == {"dlv_1": outcome}
        assert deliver(url, [parcel(target=BOB)]) == {"dlv_1": Done("kept")}


def test_what_the_server_says_of_the_mail_decides() -> None:
    with mail_server(Mailbox(data_answer="554 spam")) as box:
        assert isinstance(deliver(f"smtp://127.0.0.1:{box.port}", [parcel(target=ADA)])["dlv_1"], GiveUp)
    with mail_server(Mailbox(data_answer="452 disk full")) as box:
        assert isinstance(deliver(f"smtp://127.0.0.1:{box.port}", [parcel(target=ADA)])["dlv_1"], TryLater)


def test_five_events_are_five_mails_and_six_are_one() -> None:
    with mail_server(Mailbox()) as box:
        assert set(deliver(f"smtp://127.0.0.1:{box.port}", parcels(5, ADA)).values()) == {Done("kept")}
        assert len(box.messages) == 5
        outcomes = deliver(f"smtp://127.0.0.1:{box.port}", parcels(6, ADA))
    assert len(box.messages) == 6
    assert outcomes == {f"dlv_{n}": Done("kept") for n in range(1, 7)}
    assert all(f"Clip {n}" in part(box.messages[5], "plain") for n in range(1, 7))


def test_no_server_is_for_later() -> None:
    outcome = deliver(f"smtp://user:{URL_SECRET}@127.0.0.1:{closed_port()}", [parcel(target=ADA)])["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert SECRET not in str(outcome)


def test_a_server_that_speaks_something_else_is_for_later() -> None:
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        for scheme in ("smtp", "smtps", "smtp+starttls"):
            outcome = deliver(f"{scheme}://127.0.0.1:{port}", [parcel(target=ADA)])["dlv_1"]
            assert isinstance(outcome, TryLater)


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "smtp+starttls"])
@pytest.mark.parametrize("words", [b"", b"220-welcome\r\n" * 100], ids=["silent", "dripping"])
def test_a_server_that_does_not_come_to_an_end_is_for_later(
    scheme: str, words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_STEP_SECONDS", 0.4)
    begin = time.monotonic()
    with saying(words, pause=0.05, stays=True) as port:
        outcome = deliver(f"{scheme}://127.0.0.1:{port}", [parcel(target=ADA)])["dlv_1"]
    assert time.monotonic() - begin < 5
    assert isinstance(outcome, TryLater)
    assert outcome.reason in {
        "the mail server did not answer in time",
        "the TLS handshake with the mail server failed",  # a drip that is no TLS is seen at once
    }


@pytest.mark.parametrize("words", [b"220-welcome\r\n" * 1000, b"2" * 10_000], ids=["lines", "one line"])
def test_an_endless_greeting_ends(words: bytes) -> None:
    begin = time.monotonic()
    with saying(words, endless=True) as port:
        outcome = deliver(f"smtp://127.0.0.1:{port}", [parcel(target=ADA)])["dlv_1"]
    assert time.monotonic() - begin < 15
    assert isinstance(outcome, TryLater)
    assert len(str(outcome)) < 1000


def test_a_server_that_drips_all_through_the_talk_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_handler, "_WHOLE", 0.5)

    class Slow(Mailbox):
        async def handle_RCPT(self, *given: Any) -> str:  # noqa: N802
            await asyncio.sleep(5)
            return "250 OK"

    begin = time.monotonic()
    with mail_server(Slow()) as box:
        outcome = deliver(f"smtp://127.0.0.1:{box.port}", [parcel(target=ADA)])["dlv_1"]
        assert time.monotonic() - begin < 4
    assert outcome == TryLater("the mail server did not answer in time")


@pytest.mark.parametrize("code", [421, 450, 451, 452])
def test_every_4xx_waits_for_that_address_only(code: int) -> None:
    with mail_server(Mailbox(refused={ADA: f"{code} later"})) as box:
        url = f"smtp://127.0.0.1:{box.port}"
        assert isinstance(deliver(url, [parcel(target=ADA)])["dlv_1"], TryLater)
        assert deliver(url, [parcel(target=BOB)]) == {"dlv_1": Done("kept")}


@pytest.mark.parametrize("code", [550, 551, 552, 553, 554])
def test_every_5xx_gives_up_that_address_only_and_goes_nowhere_else(code: int) -> None:
    # 551 is SMTP's redirect: "user not local; please try <other@elsewhere.example>"
    with mail_server(Mailbox(refused={ADA: f"{code} please try <other@elsewhere.example>"})) as box:
        url = f"smtp://127.0.0.1:{box.port}"
        assert isinstance(deliver(url, [parcel(target=ADA)])["dlv_1"], GiveUp)
        assert deliver(url, [parcel(target=BOB)]) == {"dlv_1": Done("kept")}
    assert box.recipients == [[BOB]]


def test_a_lost_connection_leaves_done_what_was_sent() -> None:
    class Quits(Mailbox):
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            if self.messages:
                server.transport.abort()
                return "421 bye"
            return await super().handle_DATA(server, session, envelope)

    with mail_server(Quits()) as box:
        outcomes = deliver(f"smtp://127.0.0.1:{box.port}", parcels(3, ADA))
    assert outcomes["dlv_1"] == Done("kept")
    assert isinstance(outcomes["dlv_2"], TryLater)
    assert isinstance(outcomes["dlv_3"], TryLater)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://a:b@/",
        "smtp://host:99999",
        "smtp://host/path",
        "smtps://host?x=hunter22",
    ],
)
def test_a_server_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValidationError, match="must be like") as caught:
        options(url)
    assert "hunter22" not in str(caught.value.errors(include_input=False))


def test_usual_ports_are_known() -> None:
    assert [server_of(f"{s}://h").port for s in ("smtp", "smtps", "smtp+starttls")] == [25, 465, 587]


@pytest.mark.parametrize("text", ["", "ada", "ada@", "a b@example.com", "ada@example.com\r\nBcc: x@y.z", "ä@b.c"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an email address"):
        address_of(text)
    with pytest.raises(ValidationError, match="must be an email address"):
        options("smtp://h", to=[text])


def test_an_address_with_a_name_is_for_the_sender_only() -> None:
    with pytest.raises(ValidationError, match="number 1 must be a bare address"):
        options("smtp://h", to=["Ada <ada@example.com>"])


def test_an_address_that_is_no_longer_configured_gets_nothing() -> None:
    with mail_server(Mailbox()) as box:
        outcomes = deliver(f"smtp://127.0.0.1:{box.port}", parcels(2, "eve@example.com"))
    assert outcomes == dict.fromkeys(("dlv_1", "dlv_2"), GiveUp("this address is no longer in to"))
    assert box.messages == []


def test_no_field_of_an_event_can_add_a_header() -> None:
    for end in ("\r\n", "\n", "\r", "\x85", "\u2028", "\x0b"):
        hostile: Any = f"x{end}Bcc: eve@example.com{end}{end}body"
        detail = {"text": hostile, "next_step": hostile, "code": hostile, "subject": hostile}
        events = [replace(ALERT, detail=detail)]
        for field in ("prompt", "model", "vendor_job_id", "job_id", "vendor", "account"):
            given: dict[str, Any] = {"prompt": None, field: hostile}
            events.append(replace(READY, **given))
        for event in events:
            mail = written(parcel(event, target=ADA))
            names = ["Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
            assert mail.keys() == names
            assert "\n" not in mail["Subject"]


def test_each_address_is_a_target_once() -> None:
    assert HANDLER.targets(options("smtp://h", to=[ADA, BOB, ADA])) == (ADA, BOB)


def test_a_missing_authority_file_is_told_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="ca_file: cannot be read"):
        HANDLER.make(options("smtp://h", ca_file="nowhere.pem"), tools(Path("/nonexistent")))


def test_pythons_own_mail_library_agrees_that_the_mail_is_whole() -> None:
    with mail_server(Mailbox()) as box, smtplib.SMTP("127.0.0.1", box.port) as other:
        other.send_message(written(parcel(target=ADA)))
        assert deliver(f"smtp://127.0.0.1:{box.port}", [parcel(target=ADA)]) == {"dlv_1": Done("kept")}
    assert part(box.messages[0], "html") == part(box.messages[1], "html")


PICTURE = b"\xff\xd8\xff\xe0 a picture"


def with_picture(folder: Path, content: bytes | None, *given: Parcel) -> list[EmailMessage]:
    """Deliver with a poster of this content on the disk; the mails that came."""
    poster = folder / "job_1-1.jpg"
    if content is not None:
        poster.write_bytes(content)

    async def finds(event: Event, *, with_poster: bool = False) -> Saved | None:
        assert with_poster
        return Saved(1, str(folder / "job_1-1.mp4"), 1, "0" * 64, poster=str(poster))

    async def main(url: str) -> Mapping[str, Outcome]:
        return await HANDLER.make(options(url), replace(tools(Path()), saved_clip=finds)).deliver(given)

    with mail_server(Mailbox()) as box:
        assert set(asyncio.run(main(f"smtp://127.0.0.1:{box.port}")).values()) == {Done("kept")}
    return box.messages


def test_a_poster_is_a_part_of_the_mail_and_shown_in_its_place(tmp_path: Path) -> None:
    [mail] = with_picture(tmp_path, PICTURE, parcel(target=ADA))
    [image] = [each for each in mail.walk() if each.get_content_type() == "image/jpeg"]
    assert image.get_payload(decode=True) == PICTURE
    assert image.get_content_disposition() == "inline"
    assert f'src="cid:{image["Content-ID"][1:-1]}"' in part(mail, "html")
    assert "src=" not in part(written(parcel(target=ADA)), "html")
    # the text stands by itself
    assert part(mail, "plain") == part(written(parcel(target=ADA)), "plain")


@pytest.mark.parametrize("content", [None, b"", b"x" * (pictures.LARGEST + 1)], ids=["gone", "empty", "huge"])
def test_a_poster_that_cannot_be_sent_does_not_keep_the_mail_back(tmp_path: Path, content: bytes | None) -> None:
    [mail] = with_picture(tmp_path, content, parcel(target=ADA))
    assert "image/jpeg" not in [each.get_content_type() for each in mail.walk()]


def test_a_digest_has_no_pictures(tmp_path: Path) -> None:
    [mail] = with_picture(tmp_path, PICTURE, *parcels(6, ADA))
    assert "image/jpeg" not in [each.get_content_type() for each in mail.walk()]


def test_what_needs_somebody_stands_first_in_a_digest() -> None:
    text = part(written(*parcels(6, ADA)), "plain")
    assert text.index("Clip 6") < text.index("Clip 1")


def test_a_very_long_prompt_is_cut_and_its_facts_are_not() -> None:
    message = written(parcel(replace(READY, prompt="word " * 20_000), target=ADA))
    assert message["Subject"].endswith("took 1 min 15 s")
    assert len(part(message, "plain")) < 3000
    assert len(message.as_bytes()) < 20_000
