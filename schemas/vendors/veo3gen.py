"""veo3gen.co (veo3gen.app is another product): no callbacks, several videos for a job, a header of its own for the key.

Text goes as JSON, an image as a multipart file, whose URL we fetch ourselves. What the call for a first and a last
frame wants is on no page: it is sent like that for one image, as `firstFrame` and `lastFrame`. The answer to an order
says `creditsUsed` or `creditsCost`. A refusal's `error` is a code, but an object under HTTP 429. Only the download
route promises fresh URLs; history tells a job's prompt and time, which settles an order whose answer was lost.

https://www.veo3gen.co/docs/endpoints
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from schemas import forms
from schemas.answers import denies_success, error_from, failure_from, money_from, price_from
from schemas.draft import Draft, Rule, flag, integer, one_of, text
from schemas.event import Money, Video
from schemas.order import ImageRule, Order
from schemas.reading import Reading
from schemas.report import Report
from schemas.vendor import Accepted, HistoryEntry, HistoryPage, Pace, Request, Submission, Terms, Vendor, reads, words

DEFAULT = "veo-3.1-fast-generate-001"
#: model -> credits for each video, with sound and without
CREDITS = {
    "veo-3.0-generate-001": (500, 250),
    "veo-3.0-fast-generate-001": (190, 120),
    "veo-3.1-generate-001": (500, 250),
    DEFAULT: (190, 120),
    "veo-3.1-lite-generate-001": (65, 35),
}
TWO_FRAMES = ("veo-3.1-generate-001", DEFAULT)
IMAGE = ImageRule(max_bytes=20 * 2**20, types=("image/jpeg", "image/png"))
FILES = ("image", "firstFrame", "lastFrame")
#: the files that are given -> where the order goes
ROUTES = {(): "text-to-video", FILES[:1]: "image-to-video", FILES[1:]: "first-last-frame"}
FIELDS: Mapping[str, Rule] = {
    "prompt": text(1),
    "model": one_of(*CREDITS),
    "sampleCount": integer(1, 4),
    "durationSeconds": integer(4, 8),
    "aspectRatio": one_of("16:9", "9:16"),
    "generateAudio": flag,
    "enhancePrompt": flag,
    "negativePrompt": text(),
    "seed": integer(0, 2**32 - 1),
    "personGeneration": one_of("allow_adult", "dont_allow", "allow_all"),
    **dict.fromkeys(FILES, IMAGE.problem),
}


def submission(order: Order, terms: Terms, callback_url: str | None) -> Submission:
    """Turn an order into the call for text, for one image (the start), or for two (the first and the last frame)."""
    draft = Draft(order)
    draft.common(prompt="prompt", model="model", seconds="durationSeconds", aspect_ratio="aspectRatio", images=None)
    if len(order.images) > 2:
        draft.refuse("images", "must be one image, the start, or two, the first and the last frame")
    for name, image in zip(FILES[:1] if len(order.images) == 1 else FILES[1:], order.images, strict=False):
        draft.put(name, image, "images")
    draft.merge(order.params, FIELDS, allow_unknown=terms.allow_unknown_params)
    draft.default("model", DEFAULT)
    draft.check(FIELDS)
    given = tuple(name for name in FILES if name in draft.body)
    if given not in ROUTES:
        draft.refuse(given[0], f"give either {FILES[0]} or both {FILES[1]} and {FILES[2]}")
    if FILES[2] in given and draft.body["model"] not in TWO_FRAMES:
        draft.refuse("model", f"must be {' or '.join(TWO_FRAMES)} with a first and a last frame")
    body = draft.done()
    parts = tuple(forms.file(name, body.pop(name), IMAGE) for name in given)
    path = f"/api/veo/{ROUTES[given]}"
    request = Request("POST", path, parts=parts + forms.fields(body)) if parts else Request("POST", path, json=body)
    return Submission(request, body["model"], body.get("durationSeconds"), _price(body, terms), body.get("aspectRatio"))


def _price(body: Mapping[str, Any], terms: Terms) -> Money | None:
    name = body["model"] if body.get("generateAudio", True) else f"{body['model']} silent"
    price = terms.prices.get(name)
    return Money(price.amount * body.get("sampleCount", 1), price.unit) if price else None


def accepted(payload: Reading) -> Accepted:
    """Read the 202: `creditsUsed` for text, `creditsCost` for images."""
    return Accepted(
        payload["taskId"].known_job_id(), price_from(payload.first("creditsUsed", "creditsCost"), "credits")
    )


def report_from_status(payload: Reading, terms: Terms) -> Report:
    """Read one job, as its status shows it or as the history lists it (without the videos)."""
    word = payload["status"].known_text()
    said = terms.said(word)
    return Report(
        word=word,
        said=said,
        vendor_job_id=payload["taskId"].job_id(),
        videos=videos_from_renewal(payload),
        cost=money_from(payload.first("creditsCost", "creditsUsed"), "credits"),
        failure=failure_from(payload, said),
        occurred_at=payload["completedAt"].maybe_time(),
        model=payload["model"].maybe_text(),
        raw=payload.plain(),
    )


def videos_from_renewal(payload: Reading) -> tuple[Video, ...]:
    """Read `videos: [{"url", "mimeType", "expiresAt"}]`."""
    found = ((each["url"].text(), each) for each in payload["videos"].items())
    return tuple(
        Video(url, each["mimeType"].maybe_text(), each["expiresAt"].maybe_time()) for url, each in found if url
    )


def history_request(limit: int, skip: int) -> Request:
    """Ask for so many jobs (at most 100) after skipping so many, newest first."""
    return Request("GET", f"/api/veo/history?limit={min(limit, 100)}&skip={skip}")


def history_page(payload: Reading, terms: Terms) -> HistoryPage:
    """Read `{"videos": [job, …], "pagination": {"hasMore"}}`."""
    entries = []
    for each in payload["videos"].items():
        each["taskId"].known_job_id()
        report = report_from_status(each, terms)
        entries.append(HistoryEntry(report, each["createdAt"].maybe_time(), each["prompt"].maybe_text()))
    return HistoryPage(tuple(entries), more=payload.maybe("pagination", "hasMore").value is True)


VENDOR = Vendor(
    name="veo3gen",
    title="veo3gen.co",
    docs="https://www.veo3gen.co/docs/endpoints",
    base_url="https://api.veo3gen.co",
    auth=lambda api_key: {"x-api-key": api_key},
    submission=submission,
    accepted=accepted,
    says_no=denies_success,
    status_request=reads("/api/veo/status/{id}"),
    report_from_status=report_from_status,
    renew_request=reads("/api/veo/download/{id}", fixed=True),
    videos_from_renewal=videos_from_renewal,
    history_request=history_request,
    history_page=history_page,
    error=error_from,
    words=words(pending="pending", running="processing", completed="completed", failed="failed"),
    prices={
        name: Money(Decimal(amount), "credits")
        for model, (sounding, silent) in CREDITS.items()
        for name, amount in ((model, sounding), (f"{model} silent", silent))
    },
    prices_as_of=date(2026, 11, 20),
    can=(
        "a clip of 4 to 8 s out of text or out of one image as its start, in 16:9 or 9:16",
        "with the two 3.1 models that are not lite, also out of a first and a last frame",
        "up to four takes of one order (params.sampleCount), with or without sound (params.generateAudio)",
    ),
    refunds_failed=True,
    models=tuple(CREDITS),
    limits=("60/minute", "1000/day"),
    max_open=10,
    pace=Pace(poll_after=60),
    balance_codes=frozenset({"INSUFFICIENT_CREDITS"}),
    key_check=Request("GET", "/api/veo/history?limit=1"),
    quirks=(
        "no callbacks: every job is polled",
        "sampleCount makes up to four videos, each at the full price; without sound they are cheaper",
        "images are fetched by us and sent as files: JPEG or PNG up to 20 MB",
        "what the files for a first and a last frame are called is on no page",
        "URLs die after 24 hours; the download route gives fresh ones",
        "at most 10 jobs at a time, 60 calls a minute and 1,000 a day",
    ),
    plain_words={
        "INSUFFICIENT_CREDITS": "the credits at the vendor are used up; top them up",
        "CONTENT_POLICY_VIOLATION": "the prompt was blocked by the vendor's rules",
    },
)
