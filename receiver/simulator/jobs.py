"""The jobs that a simulated vendor has, and how often it was asked for each. In memory; forgets nothing until told."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from receiver.simulator.clock import iso

State = Literal["queued", "processing", "completed", "failed"]


@dataclass(frozen=True)
class Draft:
    """An order that a vendor has found valid."""

    prompt: str
    cost: Decimal
    seconds: float
    fields: dict[str, Any]
    """The request's fields with the vendor's defaults filled in."""
    callback_url: str | None = None
    clips: int = 1


@dataclass
class Job:
    """One accepted order and what became of it."""

    id: str
    vendor: str
    key: str
    draft: Draft
    origin: str
    """The address by which the caller reached us; the job's file URLs begin with it."""
    created_at: float
    starts_at: float
    ends_at: float
    state: State = "queued"
    ended_at: float | None = None
    will_fail: bool = False
    failure_code: str | None = None
    failure: str | None = None
    lag: float = 0.0
    """Seconds by which a look still finds the job at work after it has ended."""
    looks: int = 0
    downloads: int = 0
    callbacks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether the verdict is reached."""
        return self.state in {"completed", "failed"}

    def shown(self, now: float) -> State:
        """Give the state that a look finds."""
        if self.ended_at is not None and now < self.ended_at + self.lag:
            return "processing"
        return self.state


class JobBook:
    """Every job of every vendor."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Job] = {}
        self.by_prompt: Counter[tuple[str, str, str]] = Counter()
        self.by_key: Counter[tuple[str, str]] = Counter()

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Take in a new job and count the submission."""
        self._jobs[job.vendor, job.id] = job
        self.by_prompt[job.vendor, job.key, job.draft.prompt] += 1
        self.by_key[job.vendor, job.key] += 1

    def get(self, vendor: str, job_id: str) -> Job | None:
        """Find a vendor's job."""
        return self._jobs.get((vendor, job_id))

    def find(self, job_id: str) -> Job | None:
        """Find a job of any vendor."""
        return next((job for job in self if job.id == job_id), None)

    def shown(self, job: Job) -> dict[str, Any]:
        """Describe a job for `GET /control/jobs`."""
        return {
            "id": job.id,
            "vendor": job.vendor,
            "key": shortened(job.key),
            "prompt": job.draft.prompt,
            "state": job.state,
            "submissions": self.by_prompt[job.vendor, job.key, job.draft.prompt],
            "fields": {name: _brief(value) for name, value in job.draft.fields.items()},
            "callback_url": job.draft.callback_url,
            "created_at": iso(job.created_at),
            "ended_at": iso(job.ended_at) if job.ended_at is not None else None,
            "cost": str(job.draft.cost),
            "failure": job.failure,
            "looks": job.looks,
            "downloads": job.downloads,
            "callbacks": job.callbacks,
        }

    def counts(self) -> dict[str, Any]:
        """Count the accepted submissions by prompt and by key, per vendor."""
        prompts: dict[str, Counter[str]] = {}
        keys: dict[str, Counter[str]] = {}
        for (vendor, _, prompt), count in self.by_prompt.items():
            prompts.setdefault(vendor, Counter())[prompt] += count
        for (vendor, key), count in self.by_key.items():
            keys.setdefault(vendor, Counter())[shortened(key)] += count
        return {"by_prompt": prompts, "by_key": keys}


def shortened(key: str) -> str:
    """Show a made-up key whole, and only the ends of one that is as long as a true one."""
    return key if len(key) <= 24 else f"{key[:7]}…{key[-4:]}"


def _brief(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 200 and value.startswith("data:"):
        return f"{value[:40]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [_brief(item) for item in value]
    return value
