"""The demo's stage: a folder, the simulated vendors, the inboxes, and `clipbell serve` as a program of its own.

Everything listens on 127.0.0.1 only and is gone when the block ends; the folder stays.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from receiver.cli.demo_inboxes import LOOPBACK, Inbox, mail_server, slack_stand_in
from receiver.cli.starting import write_new
from receiver.cli.trouble import Failure

if TYPE_CHECKING:
    from receiver.client import Clipbell

#: So many times as fast as the vendors: their slowest clip takes ten seconds.
SPEED = 25.0
#: Seconds that the server may take to start.
START = 20.0
_SETTINGS = ("CLIPBELL_", "DATABASE_URL", "PORT")
KEYS = {"veo3gen": "veo3_demo-key-of-nobody-0123456789"}
USUAL_KEY = "sk-demo-key-of-nobody-0123456789abcd"


@dataclass(frozen=True, slots=True)
class Stage:
    """What there is to play with."""

    folder: Path
    url: str
    api_token: str
    vendors: tuple[str, ...]
    slack: Inbox
    mail: Inbox
    client: "Clipbell"


@contextmanager
def stage() -> Iterator[Stage]:
    """Build it up and, at the end, down. Raises: Failure where the server does not start."""
    from receiver.client import Clipbell
    from receiver.simulator import RunningSimulator, SimulatorSettings

    folder = Path(tempfile.mkdtemp(prefix="clipbell-demo-"))
    api_token = secrets.token_urlsafe(24)
    with ExitStack() as stack:
        simulator = stack.enter_context(RunningSimulator(SimulatorSettings(speed=SPEED)))
        slack, mail = stack.enter_context(slack_stand_in()), stack.enter_context(mail_server())
        port = _free_port()
        base_urls = simulator.base_urls
        write_new(folder / "clipbell.toml", _configuration(port, api_token, base_urls, slack.port, mail.port))
        url = f"http://{LOOPBACK}:{port}"
        client = stack.enter_context(Clipbell(url, token=api_token))
        process = stack.enter_context(_server(folder))
        _wait_for(client, process, folder)
        yield Stage(folder, url, api_token, tuple(base_urls), slack, mail, client)


def _configuration(port: int, api_token: str, base_urls: Mapping[str, str], slack: int, mail: int) -> str:
    quoted = json.dumps
    accounts = "".join(
        f"\n[vendors.{name}]\napi_key = {quoted(KEYS.get(name, USUAL_KEY))}\nbase_url = {quoted(url)}\n"
        # looks as quick as the simulated vendors are, and nothing to keep below
        f'poll_after = "1s"\npoll_every = "1s"\nlimits = ["1000/minute"]\n'
        for name, url in base_urls.items()
    )
    return f"""\
# Written by `clipbell demo`: nothing in it is worth anything.
public_url = "http://{LOOPBACK}:{port}"
listen = "{LOOPBACK}:{port}"
secret_keys = ["{secrets.token_urlsafe(36)}"]
api_token = "{api_token}"

[network]
allow = ["127.0.0.0/8"]
{accounts}
[handlers.clips]
type = "downloader"
target = "clips"
keep_free = "16MiB"

[handlers.team]
type = "slack"
url = "http://{LOOPBACK}:{slack}/services/T0/B0/demo"

[handlers.mail]
type = "email"
smtp_url = "smtp://{LOOPBACK}:{mail}"
sender = "clipbell@example.com"
to = ["you@example.com"]

[handlers.books]
type = "ledger"
file = "ledger.db"
"""


@contextmanager
def _server(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`clipbell serve` in this folder, without the settings of the person who looks on."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    command = [sys.executable, "-m", "receiver.cli", "serve", "--config", str(folder / "clipbell.toml")]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(client: "Clipbell", process: "subprocess.Popen[bytes]", folder: Path) -> None:
    from receiver.client import ServerFailed, ServerUnreachable
    from receiver.clock import monotonic

    end = monotonic() + START
    while monotonic() < end and process.poll() is None:
        try:
            client.ready()
        except (ServerUnreachable, ServerFailed):
            time.sleep(0.05)
        else:
            return
    raise Failure(f"The server did not start; what it said is in {folder / 'serve.log'}:\n{_tail(folder)}")


def _tail(folder: Path) -> str:
    return "\n".join((folder / "serve.log").read_text("utf-8", "replace").splitlines()[-10:])


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port
