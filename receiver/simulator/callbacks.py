"""Sends the vendors' callbacks: once or several times, late, twice at once, garbled, or not at all, as faults have it.

A redirect is no success and is not followed. Who answers at the URL is not checked; this is a toy for one machine.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx

from receiver.simulator.clock import Timetable, iso
from receiver.simulator.faults import Fault, Faults
from receiver.simulator.garbage import garbage
from receiver.simulator.jobs import Job, State
from receiver.simulator.side import Callback, VendorSide

AT_ONCE = 100
READ_AT_MOST = 65_536
REFUSED = 300


class Callbacks:
    """The senders at work."""

    def __init__(self, timetable: Timetable, faults: Faults, *, timeout: float, speed: float) -> None:
        self.timetable = timetable
        self.faults = faults
        self.timeout = timeout
        self.speed = speed
        self.client: httpx.AsyncClient | None = None
        # counted here, not by the client's pool: waiting for a turn must not use up the receiver's time
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, side: VendorSide, job: Job) -> None:
        """Have the callback of a finished job sent, if it wants one."""
        if not side.callback_waits or job.draft.callback_url is None:
            return
        faults = self.faults.take_all("callback", side.name, job.draft.prompt, but=("early",))
        now = self.timetable.clock.now()
        if "lost" in faults:
            job.callbacks.append({"at": iso(now), "outcome": "lost"})
            return
        due = now + (faults["late"].number("seconds") if "late" in faults else 0)
        self.timetable.at(due, lambda: self._spawn(self._attempt(side, job, 0, faults)))

    async def ring_now(self, side: VendorSide, job: Job) -> None:
        """Send the callback and wait for its answer; what failed is tried again as usual."""
        if side.callback_waits and job.draft.callback_url is not None:
            await self._attempt(side, job, 0, {})

    async def send(self, job: Job, callback: Callback, attempt: int = 1) -> dict[str, Any]:
        """Send one callback; give and keep what came of it."""
        clock = self.timetable.clock
        entry: dict[str, Any] = {"at": iso(clock.now()), "attempt": attempt, "event": callback.event}
        job.callbacks.append(entry)
        async with self._turns:
            begun = clock.now()
            try:
                async with asyncio.timeout(self.timeout):
                    status = await self._post(str(job.draft.callback_url), callback)
                entry |= {"status": status, "outcome": "taken" if status < REFUSED else "refused"}
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
                entry |= {"outcome": "no answer", "error": type(error).__name__}
        entry["seconds"] = round(clock.now() - begun, 3)
        return entry

    async def _post(self, url: str, callback: Callback) -> int:
        if self.client is None:
            raise RuntimeError("the simulator is not running")
        async with self.client.stream("POST", url, content=callback.body, headers=dict(callback.headers)) as answer:
            size = 0
            async for part in answer.aiter_raw():
                size += len(part)
                if size > READ_AT_MOST:
                    break
            return answer.status_code

    async def _attempt(self, side: VendorSide, job: Job, number: int, faults: dict[str, Fault]) -> None:
        copies = int(faults["duplicate"].number("copies")) if "duplicate" in faults else 1
        outcomes: list[dict[str, Any]] = []
        for callback in versions(side.callback(job, job.state), faults.get("garbage")):
            sent = (self.send(job, callback, number + 1) for _ in range(copies))
            outcomes = list(await asyncio.gather(*sent))
        later = side.callback_waits[number + 1 :]
        if later and not any(entry["outcome"] == "taken" for entry in outcomes):
            due = self.timetable.clock.now() + later[0] / self.speed
            self.timetable.at(due, lambda: self._spawn(self._attempt(side, job, number + 1, faults)))

    async def again(self, side: VendorSide, job: Job, state: State, times: int, body: str | None) -> list[Any]:
        """Send a job's callback so many times at once, whatever was sent before."""
        callback = side.callback(job, state)
        if body is not None:
            callback = Callback(callback.event, body.encode(), callback.headers)
        return list(await asyncio.gather(*(self.send(job, callback) for _ in range(times))))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Stop all that is being sent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def versions(true: Callback, fault: Fault | None) -> list[Callback]:
    """Give the bodies to send, one after the other."""
    if fault is None:
        return [true]
    made = fault.parameters
    broken = Callback(true.event, garbage(made["style"], made["body"], true.body), true.headers)
    return [broken, true] if made["then_true"] else [broken]
