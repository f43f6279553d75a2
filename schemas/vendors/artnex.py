"""Artnex: many models behind one call, no callbacks; the state of a failed job is `error`; charged at completion.

Where a job's status is read stands on no copy of its page: `status_path` of the account says it, and the default is a
guess. The vendor would silently fall back where a model lacks a ratio, so such an order is refused here. Its page
advises to take a job for failed after five minutes and to order again, which would pay twice: we do neither.

https://docs.artnex.app/api/generate-video
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from schemas.answers import denies_success, error_from, failure_from, money_from, price_from
from schemas.draft import Draft, Rule, integer, one_of, text
from schemas.event import Money, Video
from schemas.order import ImageRule, Order
from schemas.reading import Reading
from schemas.report import Report
from schemas.vendor import Accepted, Pace, Request, Submission, Terms, Vendor, bearer, reads, words

TEXT, IMAGE = "text-to-video", "image-to-video"
WIDE, ANY = ("16:9", "9:16"), ("16:9", "9:16", "1:1")


class Model(NamedTuple):
    """A row of the page's tables: what it costs, how long its clips may be, which ratios it has."""

    credits: int
    seconds: tuple[int, ...]
    ratios: tuple[str, ...] = ANY
    mode: str = TEXT

    def __str__(self) -> str:
        """Say what it makes."""
        lengths = self.seconds
        is_range = len(lengths) > 3
        said = f"{lengths[0]} to {lengths[-1]}" if is_range else f"{_listed(lengths[:-1])} or {lengths[-1]}"
        source = "an image" if self.mode == IMAGE else f"text, in {_listed(self.ratios)}"
        return f"{said} s out of {source}"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)


#: The page has no ratios for its image models: any that it takes at all is let through.
MODELS: Mapping[str, Model] = {
    "veo3.1": Model(3000, (4, 6, 8), WIDE),
    "veo3-fast": Model(2000, (4, 6, 8), WIDE),
    "sora-2": Model(3500, (4, 8, 12), WIDE),
    "sora-2-pro": Model(6000, (4, 8, 12), WIDE),
    "kling-v2.5-turbo-pro": Model(1500, (5, 10)),
    "kling-v2.6-pro": Model(5500, (5, 10, 16)),
    "wan-2.5": Model(3500, (5, 10)),
    "seedance-v1.5-pro-t2v": Model(2600, tuple(range(4, 13))),
    "veo3.1-i2v": Model(3500, (4, 6, 8), mode=IMAGE),
    "veo3-fast-i2v": Model(2000, (4, 6, 8), mode=IMAGE),
    "kling-v2.5-turbo-pro-i2v": Model(1500, (5, 10), mode=IMAGE),
    "wan-2.5-i2v": Model(1500, tuple(range(5, 11)), mode=IMAGE),
    "seedance-v1.5-pro-i2v": Model(1500, tuple(range(4, 13)), mode=IMAGE),
}
#: How large an image may be stands on no page.
PICTURE = ImageRule(max_bytes=20 * 2**20)
FIELDS: Mapping[str, Rule] = {
    "prompt": text(1, 4000),
    "model": one_of(*MODELS),
    "mode": one_of(TEXT, IMAGE),
    "image": PICTURE.problem,
    "aspect_ratio": one_of(*ANY),
    "duration": integer(4, 16),
}


def submission(order: Order, terms: Terms, callback_url: str | None) -> Submission:
    """Turn an order into `POST /video`; with an image it is image-to-video."""
    draft = Draft(order)
    draft.common(prompt="prompt", model="model", seconds="duration", aspect_ratio="aspect_ratio", images=None)
    if len(order.images) > 1:
        draft.refuse("images", "must be one image: the start of the clip")
    draft.put("image", order.images[0] if order.images else None, "images")
    draft.merge(order.params, FIELDS, allow_unknown=terms.allow_unknown_params)
    draft.default("mode", IMAGE if "image" in draft.body else TEXT)
    draft.require("model", f"is missing; name one of {', '.join(MODELS)}")
    draft.check({**FIELDS, **_fields_of(draft)})
    body = draft.done()
    if body.get("image", "")[:5].lower() == "data:":
        # "HTTPS URL or a base64-encoded image string": the bare text, without a data URL's head
        body["image"] = body["image"].partition(",")[2]
    model = body["model"]
    call, price = Request("POST", "/video", json=body), terms.prices.get(model)
    return Submission(call, model, body.get("duration"), price, body.get("aspect_ratio"))


def _fields_of(draft: Draft) -> dict[str, Rule]:
    """What the chosen model narrows; also holds mode, model and image against one another."""
    name, mode = draft.body.get("model"), draft.body["mode"]
    model = MODELS.get(name) if isinstance(name, str) else None
    if mode == IMAGE and "image" not in draft.body:
        draft.refuse("mode", f"{IMAGE} needs an image")
    if mode == TEXT and "image" in draft.body:
        draft.refuse("image", f"is not taken with mode {TEXT}")
    if model is None:
        return {}
    others = [each for each, row in MODELS.items() if row.mode == mode]
    if others and name not in others:
        draft.refuse("model", f"{name} makes {model.mode} only; for {mode} take one of {', '.join(others)}")
    return {"aspect_ratio": one_of(*model.ratios), "duration": one_of(*model.seconds)}


def accepted(payload: Reading) -> Accepted:
    """Read `{"request_id", "status", "credits_used"}`."""
    return Accepted(payload["request_id"].known_job_id(), price_from(payload["credits_used"], "credits"))


def report_from_status(payload: Reading, terms: Terms) -> Report:
    """Read a job; the shape of a failed one is on no page, so every usual place for a reason is looked at."""
    job = payload.holder("status", "data")
    word = job["status"].known_text()
    said = terms.said(word)
    url = job["video_url"].text()
    return Report(
        word=word,
        said=said,
        vendor_job_id=job["request_id"].job_id(),
        videos=(Video(url),) if url else (),
        cost=money_from(job["credits_used"], "credits"),
        failure=failure_from(job, said),
        model=job["model"].maybe_text(),
        raw=payload.plain(),
    )


VENDOR = Vendor(
    name="artnex",
    title="Artnex",
    docs="https://docs.artnex.app/api/generate-video",
    base_url="https://api.artnex.ai/v1",
    auth=bearer,
    submission=submission,
    accepted=accepted,
    says_no=denies_success,
    status_request=reads("/video/{id}"),
    report_from_status=report_from_status,
    error=error_from,
    words=words(pending="pending", running="processing", completed="completed", failed="error"),
    prices={name: Money(Decimal(model.credits), "credits") for name, model in MODELS.items()},
    prices_as_of=date(2026, 11, 20),
    can=tuple(f"{name}: {row}" for name, row in MODELS.items()),
    charges="completion",
    models=tuple(MODELS),
    limits=("100/day",),
    url_life=86_400,
    pace=Pace(poll_after=90, poll_every=60),
    balance_codes=frozenset({"insufficient_credits"}),
    quota_codes=frozenset({"rate_limit_exceeded"}),
    quirks=(
        "where a job is read is on no page: confirm status_path, the default is a guess",
        "100 calls a day on the free plan, orders and looks together; raise limits for another plan",
        "an order needs a model",
        "a ratio that the model lacks is refused here: the vendor would silently take another",
        "a slow job is neither taken for failed nor ordered again, against the page's advice: both might be paid",
    ),
    plain_words={"insufficient_credits": "the credits at the vendor are used up; top them up"},
)
