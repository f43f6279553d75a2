"""Findings in words: what does not add up, how much money it is, and what one may do next. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.store.auditing import Finding, FindingSum
from schemas.event import Money, at, rfc3339
from schemas.job import Job, JobState


@dataclass(frozen=True, slots=True)
class Words:
    """What a finding says to a person."""

    text: str
    next_step: str


def finding_json(finding: Finding, savers: Sequence[str]) -> dict[str, Any]:
    """A finding as the API gives it. `savers`: the handlers that save clips."""
    job, words = finding.job, words_for(finding, savers)
    return {
        "id": finding.id,
        "kind": finding.kind,
        "at": rfc3339(at(job.created_at)),
        "job_id": job.id,
        "vendor": job.vendor,
        "account": job.account,
        "vendor_job_id": job.vendor_job_id,
        "prompt": job.prompt,
        "amount": finding.amount.to_json() if finding.amount else None,
        "other_job_id": finding.other_job_id,
        "text": words.text,
        "next_step": words.next_step,
    }


def sum_json(found: FindingSum) -> dict[str, Any]:
    """How much there is of one kind."""
    amount = found.amount.to_json() if found.amount else None
    return {"kind": found.kind, "vendor": found.vendor, "count": found.count, "amount": amount}


def words_for(finding: Finding, savers: Sequence[str]) -> Words:
    """Say it, and what to do about it."""
    return _WORDS[finding.kind](finding, savers)


def _no_file(finding: Finding, savers: Sequence[str]) -> Words:
    job, paid = finding.job, _paid(finding.amount)
    if job.state is JobState.ABANDONED:
        return Words(
            f"{paid}, and it was given up without a result",
            f"Ask the vendor about {_id_of(job)}; a late result still counts: clipbell refresh {job.id}",
        )
    text = f"{paid}, and no file of it is saved"
    if not savers:
        step = 'Nothing saves clips: add a handler with type = "downloader", then replay the event that'
        return Words(text, f"{step} clipbell events --job {job.id} shows")
    return Words(
        text,
        f"See why with: clipbell job {job.id}; try again with: clipbell retry --job {job.id} --handler {savers[0]}, "
        f"or, where it was never tried, replay its event",
    )


def _not_refunded(finding: Finding, _: Sequence[str]) -> Words:
    job, failure = finding.job, finding.job.failure
    said = failure.refunded if failure else None
    came = "the vendor kept the money" if said is False else "nobody said that the money came back"
    if said:
        came = "the vendor says that it was refunded, but not all of it came back"
    return Words(
        f"{_paid(finding.amount)}, it failed ({failure.code if failure else 'no reason given'}), and {came}",
        f"Ask the vendor about {_id_of(job)}; what it sent is shown by: clipbell evidence --job {job.id}",
    )


def _off_estimate(finding: Finding, _: Sequence[str]) -> Words:
    job, amount = finding.job, finding.amount
    quote = job.quote or job.estimate
    more = "more" if amount is None or amount.amount > 0 else "less"
    size = "something" if amount is None else _say(Money(abs(amount.amount), amount.unit))
    return Words(
        f"It cost {_say(job.cost)}, {size} {more} than the {_say(quote)} that it was placed at",
        f"Look at the vendor's price page; where it has changed, put the price into [vendors.{job.account}.prices]",
    )


def _paid_twice(finding: Finding, _: Sequence[str]) -> Words:
    return Words(
        f"{_paid(finding.amount)}, and so was {finding.other_job_id} before it, for the same prompt",
        "If that was not meant, give orders an --idempotency-key, or place them as a --batch file, which pays a line "
        "once",
    )


_WORDS: Mapping[str, Callable[[Finding, Sequence[str]], Words]] = {
    "no_file": _no_file,
    "not_refunded": _not_refunded,
    "off_estimate": _off_estimate,
    "paid_twice": _paid_twice,
}


def _paid(amount: Money | None) -> str:
    return "It was paid for, nobody said how much" if amount is None else f"It was paid for with {_say(amount)}"


def _say(amount: Money | None) -> str:
    if amount is None:
        return "an unknown amount"
    plain = amount.to_json()["amount"]
    return f"${plain}" if amount.unit == "USD" else f"{plain} {amount.unit}"


def _id_of(job: Job) -> str:
    return job.vendor_job_id or "this order"
