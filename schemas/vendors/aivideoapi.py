"""aivideoapi.ai: a callback with the very body of the status answer, sent up to three times, unsigned.

Everything an order says goes into `input`; only the model and the callback are outside. Every success is wrapped in
`{"code", "msg", "data"}` whose code may say no under HTTP 200, while tasks come unwrapped and refusals as `error`.
A task's `error` is a string, an object or null. The page's own example took an hour and three quarters.

https://aivideoapi.ai/docs/getting-started/callback
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from schemas.answers import error_from, failure_from
from schemas.draft import Draft, Rule, images, integer, one_of, text
from schemas.event import Money, Video
from schemas.order import ImageRule, Order
from schemas.reading import Reading
from schemas.report import Report
from schemas.vendor import Accepted, Pace, Request, Submission, Terms, Vendor, bearer, reads, words

MODEL, EXTEND = "veo-3", "veo-3-extend"
TEXT, FRAMES, REFERENCES = "TEXT_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO", "REFERENCE_2_VIDEO"
#: generation type -> the fewest and the most images it takes
TYPE_IMAGES = {TEXT: (0, 0), FRAMES: (1, 2), REFERENCES: (1, 3)}
IMAGE = ImageRule(max_bytes=None)
FIELDS: Mapping[str, Rule] = {
    "prompt": text(1),
    "mode": one_of("fast", "quality"),
    "aspect_ratio": one_of("16:9", "9:16", "Auto"),
    "generation_type": one_of(*TYPE_IMAGES),
    "image_urls": images(IMAGE, 1, 3),
    "seeds": integer(10_000, 99_999),
    "watermark": text(1),
    "extend_task_id": text(1),
    "model": one_of(MODEL, EXTEND),
}


def submission(order: Order, terms: Terms, callback_url: str | None) -> Submission:
    """Turn an order into `POST /v1/videos/generations`: one image is the first frame, two the first and the last."""
    draft = Draft(order)
    draft.common(prompt="prompt", model="model", aspect_ratio="aspect_ratio", images="image_urls")
    _merge(draft, terms)
    draft.default("model", EXTEND if "extend_task_id" in draft.body else MODEL)
    if draft.body["model"] == EXTEND:
        _check_extension(draft)
    else:
        _choose_type(draft)
    draft.check(FIELDS)
    inner = draft.done()
    model = inner.pop("model")
    body = {"model": model, "input": inner} | ({"callback_url": callback_url} if callback_url else {})
    # what an extension costs is on no page
    price = terms.prices.get(inner["mode"] if model == MODEL else model)
    return Submission(
        Request("POST", "/v1/videos/generations", json=body), model, None, price, inner.get("aspect_ratio")
    )


def _merge(draft: Draft, terms: Terms) -> None:
    flat = dict(draft.order.params)
    inner = flat.pop("input", None)
    if isinstance(inner, dict):
        draft.merge(inner, FIELDS, allow_unknown=terms.allow_unknown_params, origin="params.input")
        # of those that are refused already this would be no news
        for name in sorted(inner.keys() & flat.keys() & draft.body.keys()):
            draft.refuse(name, "is given in params too; leave one of them out")
    elif inner is not None:
        draft.refuse("params.input", "must be an object")
    draft.merge(flat, FIELDS, allow_unknown=terms.allow_unknown_params)


def _check_extension(draft: Draft) -> None:
    if "extend_task_id" not in draft.body:
        draft.refuse("model", f"{EXTEND} needs extend_task_id in params: the task id of the video to go on from")
    for name in ("generation_type", "image_urls"):
        if name in draft.body:
            draft.refuse(name, f"is not taken with model {EXTEND}")


def _choose_type(draft: Draft) -> None:
    pictures = draft.body.get("image_urls", [])
    count = len(pictures) if isinstance(pictures, list) else 1
    draft.default("mode", "fast")
    draft.default("generation_type", TEXT if not count else FRAMES if count < 3 else REFERENCES)
    if "extend_task_id" in draft.body:
        draft.refuse("extend_task_id", f"is taken with model {EXTEND} only")
    kind = draft.body["generation_type"]
    if not isinstance(kind, str) or kind not in TYPE_IMAGES:
        return
    low, high = TYPE_IMAGES[kind]
    if count < low:
        draft.refuse("generation_type", f"{kind} needs {low} to {high} images")
    elif high < count <= 3:
        draft.refuse("image_urls", f"are not taken with {kind}" if not high else f"{kind} takes {low} to {high} images")
    if not count:
        draft.body.pop("image_urls", None)
    if kind == REFERENCES and draft.body["mode"] == "quality":
        draft.refuse("mode", f"must be fast with {REFERENCES}")


def says_no(payload: Reading) -> bool:
    """Whether the envelope's code is another than 200."""
    code = payload["code"]
    return not code.is_null and str(code.value) != "200"


def accepted(payload: Reading) -> Accepted:
    """Read `{"code": 200, "msg", "data": {"taskId"}}`."""
    return Accepted(payload["data"]["taskId"].known_job_id())


def report_from_status(payload: Reading, terms: Terms) -> Report:
    """Read a task. Times are Unix seconds."""
    word = payload["status"].known_text()
    said = terms.said(word)
    urls = (each.text() for each in payload["output"]["urls"].items())
    return Report(
        word=word,
        said=said,
        vendor_job_id=payload["id"].job_id(),
        videos=tuple(Video(url) for url in urls if url),
        failure=failure_from(payload, said),
        occurred_at=payload["completed_at"].maybe_time(),
        model=payload["model"].maybe_text(),
        resolution=payload.maybe("output", "metadata", "resolution").maybe_text(),
        raw=payload.plain(),
    )


def report_from_callback(payload: Reading, terms: Terms) -> Report:
    """Read a callback: a task as it is read, never without its id."""
    payload["id"].known_job_id()
    return report_from_status(payload, terms)


VENDOR = Vendor(
    name="aivideoapi",
    title="aivideoapi.ai",
    docs="https://aivideoapi.ai/docs",
    base_url="https://api.aivideoapi.ai",
    auth=bearer,
    submission=submission,
    accepted=accepted,
    says_no=says_no,
    status_request=reads("/v1/tasks/{id}"),
    report_from_status=report_from_status,
    report_from_callback=report_from_callback,
    error=error_from,
    words=words(pending="pending", running="processing", completed="completed", failed="failed"),
    prices={"fast": Money(Decimal(40), "credits"), "quality": Money(Decimal(300), "credits")},
    prices_as_of=date(2026, 11, 20),
    usd_per_credit=Decimal("0.005"),
    can=(
        "a clip out of text, in 16:9, 9:16 or Auto, fast or in quality (params.mode)",
        "the same out of a first or a first and a last frame; fast also out of one to three references",
        "the continuation of a clip (params.extend_task_id)",
    ),
    refunds_failed=True,
    models=(MODEL, EXTEND),
    pace=Pace(overdue_after=7200),
    balance_codes=frozenset({"insufficient_credits", "402"}),
    stop_codes=frozenset({"spend_limit_exceeded"}),
    key_check=Request("GET", "/v1/credits"),
    quirks=(
        "sends each callback up to three times: at once, after 3 and after 10 minutes",
        "may say no under HTTP 200, by a code other than 200 in the body",
        "takes image URLs only, no data URLs, and no choice of length",
        "REFERENCE_2_VIDEO takes mode fast only",
        "the price of veo-3-extend is on no page",
        "a job may take nearly two hours",
    ),
    plain_words={
        "insufficient_credits": "the credits at the vendor are used up; top them up",
        "spend_limit_exceeded": "the key's spending limit at the vendor is reached; raise it or wait until it resets",
        "ip_not_allowed": "the vendor's key does not allow this server's address; add it to the key's list",
        "invalid_api_key": "the vendor does not know the key, or has disabled it",
        "upstream_error": "the service behind the vendor failed or refused the prompt",
    },
)
