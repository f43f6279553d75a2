"""Where the demo's messages arrive: a stand-in for Slack's incoming webhooks and a mail server, on loopback only."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOOPBACK = "127.0.0.1"
#: More than any message of ours has.
_MOST = 1 << 20


@dataclass
class Inbox:
    """What came: the texts of Slack messages, or the subjects of mails."""

    port: int = 0
    messages: list[str] = field(default_factory=list)


@contextmanager
def slack_stand_in() -> Iterator[Inbox]:
    """Take messages as Slack does, for the length of a block."""
    inbox = Inbox()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("content-length", 0)), _MOST))
            inbox.messages.append(str(json.loads(body).get("text", "")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Keep quiet: the address is a secret even here."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Hook)
    inbox.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def mail_server() -> Iterator[Inbox]:
    """Take mail, for the length of a block."""
    from aiosmtpd.smtp import SMTP

    inbox, loop = Inbox(), asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: SMTP(_Postman(inbox), loop=loop), LOOPBACK, 0))
    inbox.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Postman:
    """Puts a mail's subject into the inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        message = message_from_bytes(envelope.content, policy=policy.default)
        self._inbox.messages.append(str(message["subject"]))
        return "250 kept"
