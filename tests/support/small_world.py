"""A small world: clipbell's real pieces over a real SQLite file, a scripted vendor, and a clock that the test moves.

Everything is on one event loop, which runs only while something is let happen; a crash leaves what was committed.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from receiver.keeper import Keeper
from receiver.kit import Kit
from receiver.looker import Looker
from receiver.net import Net
from receiver.posts import routes_of
from receiver.routing import Router
from receiver.settings import Settings, load
from receiver.store.opening import open_store, open_store_now
from receiver.store.protocol import Change, Store
from receiver.submit import Submitter
from receiver.taking import Taker
from receiver.web.callbacks import Callbacks
from receiver.work import make_kit
from schemas.job import Job
from schemas.values import replace
from tests.support.scripted_vendor import ScriptedVendor
from tests.support.stored import NOON

T = TypeVar("T")
THE_TEST = "the test itself"
PUBLIC_URL = "https://hooks.example.com"
#: event type -> the handlers that are to be told, as the configuration below means it
WANTED = {
    "video.completed": {"team", "files", "all"},
    "video.failed": {"team", "all"},
    "clip.saved": {"all"},
    "alert.raised": {"team", "all"},
    "alert.cleared": {"team", "all"},
}
CONFIGURATION = f"""
public_url = "{PUBLIC_URL}"
secret_keys = ["the-secret-key-of-a-small-world-only"]
api_token = "the-api-token-of-a-small-world"
"""
# nobody listens where [vendors.away] is: an order provably does not arrive there
SECTIONS = """
[vendors]
vrex = {api_key = "sk-0123456789", limits = []}
aivideoapi = {api_key = "sk-0123456789", limits = []}
artnex = {api_key = "sk-0123456789", limits = []}
away = {type = "vrex", api_key = "sk-0123456789", limits = [], base_url = "http://127.0.0.1:9"}
[handlers.team]
type = "slack"
url = "https://hooks.slack.com/services/T0/B0/x"
[handlers.files]
type = "downloader"
target = "clips"
keep_free = "0B"
[handlers.all]
type = "webhook"
url = "https://receiver.example.com/"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
events = ["video.completed", "video.failed", "clip.saved", "alert.raised", "alert.cleared"]
"""


@cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        open_store_now(f"sqlite:///{folder}/clipbell.db").close_now()
        return (Path(folder) / "clipbell.db").read_bytes()


@cache
def _settings(confirm: str) -> Settings:
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "clipbell.toml"
        configuration.write_text(CONFIGURATION + f'confirm = "{confirm}"\n' + SECTIONS)
        return load(configuration, {})


@dataclass(frozen=True)
class Bug:
    """A mistake to be planted: a store, or a way out, that is put in place of the true one."""

    store: Callable[[Store], Store] = lambda store: store
    net: Callable[[Net], Net] = lambda net: net


@dataclass(frozen=True)
class Acknowledged:
    """A callback that was answered 200, and as which evidence."""

    evidence_id: str
    job_id: str
    body: bytes


@dataclass
class Life:
    """What lives between two crashes: the store and everything that works on it."""

    store: Store
    kit: Kit
    submitter: Submitter
    looker: Looker
    keeper: Keeper
    taker: Taker
    callbacks: Callbacks


class World:
    """One installation and its vendor."""

    def __init__(self, folder: Path, confirm: str = "failures", bug: Bug | None = None) -> None:
        self.now = NOON
        self.vendor = ScriptedVendor()
        self.acknowledged: list[Acknowledged] = []
        self._loop = asyncio.new_event_loop()
        self._folder = folder
        self._confirm = confirm
        self._bug = bug or Bug()
        self._numbers = itertools.count(1)
        self._lives = itertools.count(1)
        (folder / "clipbell.db").write_bytes(_empty_database())
        self.run(self.vendor.start())
        self.life = self.run(self._born(folder))

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """Let something happen, and wait for it."""
        return self._loop.run_until_complete(self._loop.create_task(what, name=THE_TEST))

    def close(self) -> None:
        """End everything."""
        self.run(self._ended())
        self.run(self.life.store.close())
        self.run(self.vendor.stop())
        self.run(self._loop.shutdown_default_executor())
        self._loop.close()

    # --- what happens ---

    async def callback(self, url: str, body: bytes) -> int:
        """Call back as a vendor does; answer the status."""
        path = url.removeprefix(PUBLIC_URL)
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            said.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": []}
        await self.life.callbacks(scope, receive, send)
        if said[0]["status"] == 200:
            evidence_id = dict(said[0]["headers"])[b"clipbell-accepted"].decode()
            self.acknowledged.append(Acknowledged(evidence_id, self.job_id(url), body))
        return int(said[0]["status"])

    def job_id(self, url: str) -> str:
        """Whose callback URL it is."""
        account, token = url.removeprefix(f"{PUBLIC_URL}/callbacks/").split("/")
        return self.life.kit.tokens.read(account, token)

    async def keep(self) -> None:
        """Let the keeper do all that is due, and the queue let go what may go."""
        keeper, store = self.life.keeper, self.life.store
        while await keeper._claim(32):
            for task in list(keeper._tending):
                await task
        for account in self.life.kit.settings.accounts:
            for job in await store.line(account, 100):
                going = await self.life.submitter.let_go(job)
                if going.task is None:
                    break
                await going.task

    async def crash(self) -> None:
        """Die in the middle of everything, and start again from what was committed."""
        there = self._folder / f"life-{next(self._lives)}"
        there.mkdir()
        old = self.life.store

        def copied(_: Job | None) -> Change:
            # on the writer's own thread, so that nothing is written or checkpointed meanwhile
            for file in self._here.glob("clipbell.db*"):
                if not file.name.endswith((".lock", "-shm")):
                    shutil.copy(file, there)
            return Change()

        await old.apply("job_none", copied)
        await self._ended()
        await old.close()
        self.life = await self._born(there)

    async def _ended(self) -> None:
        """Stop whatever runs of clipbell."""
        ours = [task for task in asyncio.all_tasks() - self.vendor.tasks if task.get_name() != THE_TEST]
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)

    async def _born(self, here: Path) -> Life:
        self._here = here
        settings = self._settings(here)
        store = self._bug.store(await open_store(settings.database_url))
        made = make_kit(settings, store)
        rules = replace(made.rules, router=Router(routes_of(settings), self.mint))
        kit = replace(made, rules=rules, net=self._bug.net(made.net), now=lambda: self.now, dice=lambda: 0.5)
        await store.release_leases(self.now)
        looker, submitter = Looker(kit), Submitter(kit)
        return Life(store, kit, submitter, looker, Keeper(kit, looker), Taker(kit, looker), Callbacks(kit))

    def mint(self, prefix: str) -> str:
        """An id that sorts after every other, also after a crash."""
        return f"{prefix}{next(self._numbers):08d}"

    def _settings(self, here: Path) -> Settings:
        usual = _settings(self._confirm)
        accounts = {
            name: replace(account, base_url=self.vendor.base_url(name)) if name != "away" else account
            for name, account in usual.accounts.items()
        }
        return replace(usual, database_url=f"sqlite:///{here}/clipbell.db", folder=here, accounts=accounts)
