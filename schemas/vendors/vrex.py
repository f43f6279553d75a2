"""Vrex: one unsigned callback, sent once; URLs die after an hour, a status read renews them.

The callback's field names differ from the status answer's, it has no state word but an event, and a failed one names
no cost. With `output_format: raw_key` the `video_url` is an object key, which nobody can download. A reference-to-
video clip has always 8 seconds. Ten calls a minute with one key, against the page's own advice to poll every 3 to 5 s.

https://getvrex.com/en/docs/videos
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from schemas.answers import error_from, failure_from, money_from, price_from
from schemas.draft import Draft, Rule, images, one_of, text
from schemas.event import Money, Video
from schemas.order import ImageRule, Order
from schemas.reading import Reading
from schemas.report import Report
from schemas.vendor import Accepted, Request, Submission, Terms, Vendor, bearer, reads, words

MODEL = "veo-3.1-lite"
SIZES = {"16:9": "1280x720", "9:16": "720x1280"}
IMAGE = ImageRule(max_bytes=4 * 2**20)
FIELDS: Mapping[str, Rule] = {
    "prompt": text(1, 2000),
    "seconds": one_of(4, 6, 8),
    "mode": one_of("t2v", "i2v", "r2v"),
    "start_image": IMAGE.problem,
    "ref_images": images(IMAGE, 1, 3),
    "size": one_of("1280x720", "720x1280", "1920x1080"),
    "model": one_of(MODEL),
    "output_format": one_of("url", "raw_key"),
}
#: mode -> the field it needs; the others are forbidden
MODE_IMAGES = {"t2v": None, "i2v": "start_image", "r2v": "ref_images"}


def submission(order: Order, terms: Terms, callback_url: str | None) -> Submission:
    """Turn an order into `POST /videos`: one image is the start frame, two or three are references."""
    draft = Draft(order)
    draft.common(prompt="prompt", seconds="seconds", model="model", aspect_ratio=None, images=None)
    _put_size(draft)
    _put_images(draft)
    draft.merge(order.params, FIELDS, allow_unknown=terms.allow_unknown_params)
    _choose_mode(draft)
    draft.default("seconds", 8)
    draft.default("model", MODEL)
    draft.check(FIELDS)
    body = draft.done()
    if callback_url:
        body["webhook_url"] = callback_url
    price = terms.prices.get("second")
    estimate = Money(price.amount * body["seconds"], price.unit) if price else None
    return Submission(Request("POST", "/videos", json=body), body["model"], body["seconds"], estimate, body.get("size"))


def _put_size(draft: Draft) -> None:
    ratio = draft.order.aspect_ratio
    if ratio is None:
        return
    draft.put("size", SIZES.get(ratio), "aspect_ratio")
    if ratio not in SIZES:
        draft.refuse("aspect_ratio", f"must be one of {', '.join(SIZES)}; for others of its sizes give params.size")


def _put_images(draft: Draft) -> None:
    pictures = draft.order.images
    if len(pictures) == 1 and draft.order.params.get("mode") != "r2v":
        draft.put("start_image", pictures[0], "images")
    elif pictures:
        draft.put("ref_images", pictures, "images")


def _choose_mode(draft: Draft) -> None:
    present = [name for name in ("start_image", "ref_images") if name in draft.body]
    draft.default("mode", "i2v" if present == ["start_image"] else "r2v" if present == ["ref_images"] else "t2v")
    mode = draft.body["mode"]
    if not isinstance(mode, str) or mode not in MODE_IMAGES:
        return
    needed = MODE_IMAGES[mode]
    if needed and needed not in present:
        draft.refuse("mode", f"{mode} needs {needed}")
    for name in present:
        if name != needed:
            draft.refuse(name, f"is not taken with mode {mode}")
    if mode == "r2v":
        draft.body["seconds"] = 8  # "any value is normalized to 8"


def accepted(payload: Reading) -> Accepted:
    """Read the 202: its `estimated_cost_usd` is what was charged for now."""
    return Accepted(payload["id"].known_job_id(), price_from(payload["estimated_cost_usd"], "USD"))


def report_from_status(payload: Reading, terms: Terms) -> Report:
    """Read `GET /videos/{id}`; `actual_*` go before what was asked for."""
    word = payload["status"].known_text()
    said = terms.said(word)
    return Report(
        word=word,
        said=said,
        vendor_job_id=payload["id"].job_id(),
        videos=_videos(payload),
        cost=money_from(payload.first("actual_cost_usd", "cost_usd"), "USD"),
        failure=failure_from(payload, said),
        occurred_at=payload["completed_at"].maybe_time(),
        model=payload["model"].maybe_text(),
        duration_seconds=payload.first("actual_seconds", "seconds").maybe_length(),
        raw=payload.plain(),
    )


def report_from_callback(payload: Reading, terms: Terms) -> Report:
    """Read a callback: `event` stands for the state, `video_gen_id` for the id."""
    word = payload["event"].known_text()
    said = terms.said(word)
    # other products of the account (speech, images) name their id otherwise, and are none of ours
    name = "video_gen_id" if payload["job_id"].is_null or not payload["video_gen_id"].is_null else "job_id"
    return Report(
        word=word,
        said=said,
        vendor_job_id=payload[name].known_job_id() if said else payload[name].maybe_text(),
        videos=_videos(payload),
        cost=money_from(payload["actual_cost_usd"], "USD"),
        failure=failure_from(payload, said),
        occurred_at=payload["timestamp"].maybe_time(),
        duration_seconds=payload["duration_sec"].maybe_length(),
        raw=payload.plain(),
    )


def _videos(payload: Reading) -> tuple[Video, ...]:
    url = payload["video_url"].text()
    return (Video(url),) if url else ()


VENDOR = Vendor(
    name="vrex",
    title="Vrex",
    docs="https://getvrex.com/en/docs/videos",
    base_url="https://getvrex.com/api/v1",
    auth=bearer,
    submission=submission,
    accepted=accepted,
    status_request=reads("/videos/{id}"),
    report_from_status=report_from_status,
    report_from_callback=report_from_callback,
    error=error_from,
    # a callback has an event in place of a state
    words=words(
        pending="pending queued",
        running="processing",
        completed="completed video.completed",
        failed="failed video.failed",
    ),
    prices={"second": Money(Decimal("0.017"), "USD")},
    prices_as_of=date(2026, 11, 20),
    can=(
        "a clip of 4, 6 or 8 s out of text, in 16:9 or 9:16",
        "the same out of one image as its start; a clip of 8 s out of one to three references",
        "1280x720 or 720x1280; 1920x1080 with params.size",
    ),
    refunds_failed=True,
    models=(MODEL,),
    limits=("10/minute",),
    url_life=3600,
    # INTERNAL_ERROR says "create the job" and may come after it was made
    unsent_codes=frozenset({"UPLOAD_ERROR", "CREDIT_ERROR", "FEATURE_DISABLED"}),
    balance_codes=frozenset({"INSUFFICIENT_BALANCE_FOR_VIDEO", "WALLET_NOT_FOUND"}),
    midnight_codes=frozenset({"DAILY_CAP_REACHED"}),
    order_codes=frozenset({"QUEUE_FULL"}),
    key_check=Request("GET", "/usage"),
    quirks=(
        "sends each callback once: a lost one is found by a look",
        "a video's URL dies after an hour; a status read gives a fresh one",
        "10 calls a minute with one key, orders and looks together",
        "r2v clips have always 8 seconds",
        "raw_key gives an object key that cannot be downloaded",
    ),
    plain_words={
        "MINOR_SAFETY": "the prompt was blocked by the vendor's rules (safety of minors)",
        "ARTIST_IMPERSONATION": "the prompt was blocked by the vendor's rules (imitation of an artist)",
        "HATE_SPEECH": "the prompt was blocked by the vendor's rules (hate speech)",
        "INSUFFICIENT_BALANCE_FOR_VIDEO": "the balance at the vendor is too low; top it up",
        "WALLET_NOT_FOUND": "the account at the vendor has no wallet yet; top it up once",
        "VALIDATION_ERROR": "the vendor found the order invalid",
        "DAILY_CAP_REACHED": "the vendor's cap for the day is reached; it frees at midnight UTC",
        "QUEUE_FULL": "the vendor's queue is full",
        "FEATURE_DISABLED": "the vendor has switched video generation off for now",
    },
)
