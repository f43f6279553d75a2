"""Serve: web and work in one process, in two threads with a loop each; or the work alone.

SIGTERM ends it with 0: no new connections, answers under way finish, deliveries get a moment, leases are given back,
the store is checkpointed.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from receiver import clock, log, net, posts, registry
from receiver.loops import new_loop
from receiver.secrets_of import secrets_of
from receiver.settings import Settings
from receiver.share import Share
from receiver.store.opening import open_store
from receiver.store.protocol import Store
from receiver.vitals import Vitals
from receiver.web.app import Application
from receiver.web.server import make_server
from receiver.work import GRACE_DELIVERIES, GRACE_ORDERS, Work, WorkThread, make_kit
from schemas.event import EventType

#: Threads hold the interpreter for so long before another gets it; a callback's answer must not wait for the work.
SWITCH_INTERVAL = 0.0001
#: Allocations until the collector looks at the young, and how often it looks at older ones.
COLLECT_AFTER = (20_000, 20, 50)
logger = structlog.get_logger("clipbell")


def run(settings: Settings, *, work: bool = True) -> int:
    """Run the web application, and with it the work unless told otherwise. Answers the exit code.

    Raises: ConfigurationError, StoreUnavailable.
    """
    log.configure(secrets_of(settings))
    registry.check_plug_ins()
    sys.setswitchinterval(SWITCH_INTERVAL)
    return _run(_serve(settings, work=work))


def run_work(settings: Settings) -> int:
    """Run the work alone; on SQLite `serve` does it, so this only waits. Answers the exit code.

    Raises: ConfigurationError, StoreUnavailable.
    """
    log.configure(secrets_of(settings))
    registry.check_plug_ins()
    if settings.database_url.startswith("sqlite"):
        logger.info("on SQLite clipbell serve does the work itself: nothing to do here, waiting for SIGTERM")
        return _run(_wait())
    return _run(_work(settings))


def run_migrate(settings: Settings) -> int:
    """Bring the database to this version's schema. Answers the exit code."""
    from receiver.store.opening import migrate

    sys.stdout.write(f"The database has the schema of this version ({migrate(settings.database_url)}).\n")
    return 0


def _run(main: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


async def _serve(settings: Settings, *, work: bool) -> int:
    stop = _stop_on_signals()
    vitals = Vitals(clock.monotonic, works=work, last_beat=clock.monotonic())
    store = await open_store(settings.database_url)
    try:
        share = Share()
        app = Application(make_kit(settings, store, share), vitals)
        host, port = settings.listen
        server = make_server(app, host, port, hatch=app.callbacks)
        server.on_stop = app.stream.close
        server.on_start = lambda: _greet(settings, host, server.port)
        worker = WorkThread(Work(settings, store, vitals, share)) if work else None
        await _begin(settings, store, worker)
        # told to end before it listened, it does not listen for long
        ending = asyncio.create_task(_then(stop, server.stop))
        try:
            await server.serve()
        finally:
            ending.cancel()
            if worker is not None:
                worker.stop()
            await app.submitter.drain(GRACE_ORDERS)
            if worker is not None:
                await asyncio.to_thread(worker.join, GRACE_DELIVERIES + GRACE_ORDERS + 5)
    finally:
        await store.close()
    return 0


async def _begin(settings: Settings, store: Store, worker: WorkThread | None) -> None:
    await net.prepare()
    if worker is not None:
        posts.prepare(settings)
    await store.release_leases(clock.micros())
    _calm_collector()
    savers = [h for h in settings.handlers.values() if h.type.name == "downloader" and EventType.COMPLETED in h.events]
    if not savers:
        logger.warning("nothing saves clips: vendors delete them within hours; add a handler of type downloader")
    if not settings.accounts:
        logger.warning("no vendor is configured: add a section [vendors.NAME] with its api_key")
    if settings.public_url is None:
        logger.warning("public_url is not set: no callback is registered, every job is looked at")
    if worker is not None:
        worker.start()


def _calm_collector() -> None:
    """Let the collector pass over what is here to stay, and come less often: callbacks make no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _greet(settings: Settings, host: str, port: int) -> None:
    where = settings.public_url or "nowhere (public_url is not set)"
    logger.info("listening", address=f"http://{host}:{port}", callbacks_at=where)


async def _work(settings: Settings) -> int:
    stop = _stop_on_signals()
    vitals = Vitals(clock.monotonic, last_beat=clock.monotonic())
    store = await open_store(settings.database_url)
    try:
        await Work(settings, store, vitals, Share()).run(stop)
    finally:
        await store.close()
    return 0


async def _wait() -> int:
    await _stop_on_signals().wait()
    return 0


async def _then(event: asyncio.Event, act: Callable[[], None]) -> None:
    await event.wait()
    act()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop
