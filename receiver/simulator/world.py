"""The simulated world: time, jobs, books and files of all vendors, and the two turns in a job's life.

Everything lives in memory and on one event loop, so nothing here needs a lock.
"""

import uuid
from decimal import Decimal
from random import Random

from receiver.simulator.books import Account, Books
from receiver.simulator.callbacks import Callbacks
from receiver.simulator.clock import Clock, Timetable
from receiver.simulator.faults import Faults
from receiver.simulator.files import Signer
from receiver.simulator.jobs import Draft, Job, JobBook, State
from receiver.simulator.limits import Windows
from receiver.simulator.lines import Lines
from receiver.simulator.log import RequestLog
from receiver.simulator.settings import SimulatorSettings
from receiver.simulator.side import VendorSide

FAILS_BY_PROMPT = "[fails]"
#: the part of a job's time that it waits in the queue
QUEUED_PART = 0.1


class World:
    """All that the vendors know and do."""

    def __init__(self, settings: SimulatorSettings, lines: Lines, sides: tuple[type[VendorSide], ...]) -> None:
        self.settings = settings
        self.lines = lines
        self.clock = Clock()
        self.timetable = Timetable(self.clock)
        self.signer = Signer(self.clock, settings)
        self.faults = Faults(tuple(side.name for side in sides))
        waits = {"timeout": settings.callback_timeout, "speed": settings.speed}
        self.callbacks = Callbacks(self.timetable, self.faults, **waits)
        self.sides = {side.name: side(self) for side in sides}
        self.forget()

    def forget(self) -> None:
        """Begin anew: no job, no account, no fault, the true time."""
        self.timetable.clear()
        self.clock.advanced = 0.0
        self.faults.remove()
        self.random = Random(self.settings.seed)  # noqa: S311 - repeatable on purpose, guards nothing
        self.jobs = JobBook()
        self.books = Books(self._opened)
        self.windows = Windows()
        self.log = RequestLog(self.clock)

    def _opened(self, vendor: str, key: str) -> Account:
        side = self.sides[vendor]
        usual = Decimal(0) if key in self.settings.poor_keys else self.settings.balances.get(vendor, side.opening)
        return Account(vendor, key, side.unit, usual, usual, bad=key in self.settings.bad_keys)

    def uuid(self) -> str:
        """Make an id that comes out the same again with the same seed."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def accept(self, side: VendorSide, draft: Draft, account: Account, origin: str) -> Job:
        """Make a job of a valid order, charge it, and plan what becomes of it."""
        now = self.clock.now()
        faults = self.faults.take_all("job", side.name, draft.prompt)
        lasts = self.settings.duration
        if lasts is None:
            lasts = self.random.uniform(*side.times(draft)) / self.settings.speed
        if "slow" in faults:
            lasts *= faults["slow"].number("factor")
        starts_at = now + lasts * QUEUED_PART
        job = Job(side.new_id(), side.name, account.key, draft, origin, now, starts_at, now + lasts)
        job.lag = faults["lag"].number("seconds") if "lag" in faults else 0.0
        job.will_fail = "fails" in faults or FAILS_BY_PROMPT in draft.prompt
        if "fails" in faults:
            job.failure_code, job.failure = faults["fails"].parameters["code"], faults["fails"].parameters["message"]
        self.jobs.add(job)
        if not side.charges_at_end:
            account.take(job, now)
        self.timetable.at(starts_at, lambda: self._start(job))
        if "stuck" not in faults:
            self.timetable.at(job.ends_at, lambda: self.finish(job))
        return job

    def _start(self, job: Job) -> None:
        if not job.is_over:
            job.state = "processing"

    def finish(self, job: Job, verdict: State | None = None, *, ring: bool = True) -> None:
        """Bring a job to its verdict, once: settle the money, ring the callback."""
        if job.is_over:
            return
        side, account = self.sides[job.vendor], self.books.account(job.vendor, job.key)
        job.state = verdict or ("failed" if job.will_fail else "completed")
        job.ended_at = self.clock.now()
        if job.state == "completed" and side.charges_at_end:
            account.take(job, job.ended_at)
        if job.state == "failed" and not side.charges_at_end:
            account.give_back(job, job.ended_at)
        if ring:
            self.callbacks.ring(side, job)

    def file_urls(self, job: Job, origin: str | None = None) -> list[str]:
        """Give fresh URLs of a job's clips."""
        life = self.sides[job.vendor].url_life
        return [self.signer.url(origin or job.origin, job, n, life) for n in range(1, job.draft.clips + 1)]
