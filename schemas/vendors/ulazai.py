"""UlazAI: two doors, chosen by the model; no callbacks. One clip for each order.

The page's own (legacy) door takes `veo3_fast` and `veo3`; every other model goes to Video Studio, the vendor's current
door, whose answer lists job ids. A status is written in small letters on one page and in capitals on another, flat or
inside `job`, `data` or `generation`; a failed Video Studio job still says `success: true`. `credits_refunded` is a
number here and a flag there. A refusal is a sentence, not a code. How long a URL lives is on no page.

https://ulazai.com/docs/generate/video
https://ulazai.com/docs/video-api/
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

from schemas.answers import denies_success, error_from, failure_from, money_from, price_from
from schemas.draft import Draft, Rule, flag, images, integer, matching, one_of, text
from schemas.errors import Unreadable
from schemas.event import Money, Video
from schemas.order import ImageRule, Order
from schemas.reading import Reading
from schemas.report import Report
from schemas.vendor import Accepted, Pace, Request, Submission, Terms, Vendor, VendorError, bearer, job_path, words

LEGACY = ("veo3_fast", "veo3")
IMAGE = ImageRule(max_bytes=None)
LEGACY_FIELDS: Mapping[str, Rule] = {
    "prompt": text(1, 1000),
    "video_model": one_of(*LEGACY),
    "source_image_urls": images(IMAGE, 1, 10),
    "aspect_ratio": one_of("16:9", "9:16"),
}
STUDIO_FIELDS: Mapping[str, Rule] = {
    "prompt": text(1),
    "model_slug": matching(r"[a-z0-9][a-z0-9_.-]{0,99}", "the slug of a Video Studio model, such as veo31_fast"),
    "aspect_ratio": matching(r"[0-9]{1,2}:[0-9]{1,2}|auto", "a ratio such as 16:9"),
    "duration_seconds": integer(1, 60),
    "quality_mode": text(1),
    "input_image_urls": images(IMAGE, 1, 10),
    "sound": flag,
}
STATUS = "/api/v1/generate/{id}/"
STUDIO_STATUS = "/api/v1/video-studio/status/{id}/"


def submission(order: Order, terms: Terms, callback_url: str | None) -> Submission:
    """Turn an order into a call of the door that its model stands behind; without a model it is `veo3_fast`."""
    draft = Draft(order)
    if "model_slug" in order.params:
        return _studio(draft, terms)
    if "video_model" not in order.params and order.model not in (None, *LEGACY):
        return _studio(draft, terms)
    draft.common(prompt="prompt", model="video_model", aspect_ratio="aspect_ratio", images="source_image_urls")
    draft.merge(order.params, LEGACY_FIELDS, allow_unknown=terms.allow_unknown_params)
    draft.default("video_model", LEGACY[0])
    draft.check(LEGACY_FIELDS)
    body = draft.done()
    model = body["video_model"]
    call = Request("POST", "/api/v1/generate/video/", json=body)
    return Submission(call, model, None, terms.prices.get(model), body.get("aspect_ratio"))


def _studio(draft: Draft, terms: Terms) -> Submission:
    names = {"seconds": "duration_seconds", "images": "input_image_urls"}
    draft.common(prompt="prompt", model="model_slug", aspect_ratio="aspect_ratio", **names)
    draft.merge(draft.order.params, STUDIO_FIELDS, allow_unknown=terms.allow_unknown_params)
    draft.require("model_slug", "is missing; name the Video Studio model")
    draft.check(STUDIO_FIELDS)
    body = draft.done()
    model, seconds = body["model_slug"], body.get("duration_seconds")
    call = Request("POST", "/api/v1/video-studio/generate/", json=body)
    return Submission(call, model, seconds, terms.prices.get(model), body.get("aspect_ratio"))


def accepted(payload: Reading) -> Accepted:
    """Read `{"success", "data": {"generation_id", "credits_used"}}`, or `{"success", "job_ids": [one]}`."""
    studio = [each.known_job_id() for each in payload["job_ids"].items()]
    if len(studio) > 1:
        raise Unreadable("job_ids", f"{len(studio)} jobs were made for one order: {', '.join(studio)}")
    if studio:
        return Accepted(studio[0], price_from(payload["credits_charged"], "credits"))
    data = payload["data"]
    return Accepted(data["generation_id"].known_job_id(), price_from(data["credits_used"], "credits"))


def status_request(vendor_job_id: str, terms: Terms, model: str | None = None, /) -> Request:
    """Read one job at the door that it was ordered at; one whose model is not known, at the page's own."""
    template = STATUS if model is None or model in LEGACY else STUDIO_STATUS
    return Request("GET", job_path(terms.status_path or template, vendor_job_id))


def report_from_status(payload: Reading, terms: Terms) -> Report:
    """Read either door's answer, in each of the shapes that its pages show."""
    job = payload.holder("status", "job", "data", "generation")
    word = job["status"].known_text()
    said = terms.said(word)
    urls = [job["video_url"].text(), *(each.text() for each in job["result_urls"].items())]
    return Report(
        word=word,
        said=said,
        vendor_job_id=job.first("job_id", "generation_id", "id").job_id(),
        videos=tuple(Video(url) for url in dict.fromkeys(urls) if url),
        cost=money_from(job.first("credits_charged", "credits_used"), "credits"),
        failure=failure_from(job, said, _refunded(job["credits_refunded"])),
        occurred_at=job.first("completed_at", "failed_at").maybe_time(),
        model=job.first("model_slug", "video_model").maybe_text(),
        duration_seconds=job.maybe("provider_meta", "effective_duration_seconds").maybe_length(),
        raw=payload.plain(),
    )


def _refunded(credits_refunded: Reading) -> bool | None:
    if isinstance(credits_refunded.value, bool):
        return credits_refunded.value
    amount = credits_refunded.maybe_number()
    return None if amount is None else amount > 0


def error(payload: Reading) -> VendorError:
    """Read a refusal: a sentence; for want of credits, with what is needed beside it."""
    found = error_from(payload)
    lacks_credits = not payload.maybe("credits_needed").is_null
    return replace(found, code="insufficient_credits") if lacks_credits and not found.code else found


VENDOR = Vendor(
    name="ulazai",
    title="UlazAI",
    docs="https://ulazai.com/docs/generate/video",
    base_url="https://ulazai.com",
    auth=bearer,
    submission=submission,
    accepted=accepted,
    says_no=denies_success,
    status_request=status_request,
    report_from_status=report_from_status,
    error=error,
    words=words(pending="pending", running="generating processing", completed="completed", failed="failed"),
    prices={"veo3_fast": Money(Decimal(240), "credits"), "veo3": Money(Decimal(500), "credits")},
    prices_as_of=date(2026, 11, 20),
    can=(
        "a clip out of text or images, in 16:9 or 9:16, with veo3_fast or veo3",
        "the same with any model of Video Studio, by its slug, and then also so many seconds",
    ),
    models=LEGACY,
    order_limits=("24/hour",),
    pace=Pace(poll_after=60),
    # 45 to 60 seconds is said of the fast model
    model_paces={"veo3": Pace(poll_after=90)},
    balance_codes=frozenset({"insufficient_credits"}),
    key_check=Request("GET", "/api/v1/generate/history/?limit=1"),
    quirks=(
        "no callbacks: every job is polled",
        "models other than veo3_fast and veo3 go to Video Studio, whose prices are on no page",
        "an adopted Video Studio job needs its model, or it is looked for at the other door",
        "24 orders an hour for each user",
        "takes image URLs only, no data URLs",
    ),
    plain_words={"insufficient_credits": "the credits at the vendor are used up; top them up"},
)
