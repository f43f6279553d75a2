"""Vrex: one unsigned callback, sent once; URLs die after an hour, a status read renews them.

The callback's field names differ from the status answer's, it has no state word but an event, and a failed one names
no cost. With `output_format: raw_key` the `video_url` is an object key, which nobody can download. A reference-to-
video clip has always 8 seconds. Ten calls a minute with one key, against the page's own advice to poll every 3 to 5 s.

https://getvrex.com/en/docs/videos
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal


from schemas.answers import error_from
from schemas.draft import Draft, Rule, images, one_of, text
from schemas.errors import Unreadable
from schemas.event import Failure, Money, Video
from schemas.order import ImageRule, Order
from schemas.reading import Reading
from schemas.report import Report, Said
from schemas.vendor import Accepted, Request, Submission, Terms, Vendor, VendorError

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
EVENTS = {"video.completed": Said.COMPLETED, "video.failed": Said.FAILED}


def submission(order: Order, terms: Terms, callback_url: str | None) -> Submission:
    """Turn an order into `POST /videos`: one image is the start frame, two or three are references."""
    draft = Draft(order, ours=("webhook_url",))
    draft.put("prompt", order.prompt, "prompt")
    draft.put("seconds", order.seconds, "seconds")
    draft.put("model", order.model, "model")
    if order.aspect_ratio is not None:
        draft.put("size", SIZES.get(order.aspect_ratio, order.aspect_ratio), "aspect_ratio")
    if len(order.images) == 1:
        draft.put("start_image", order.images[0], "images")
    elif order.images:
        draft.put("ref_images", order.images, "images")
    draft.merge(order.params, FIELDS, allow_unknown=terms.allow_unknown_params)
    _choose_mode(draft)
    draft.default("seconds", 8)
    draft.default("model", MODEL)
    draft.check(_fields_for(draft))
    body = draft.done()
    if callback_url:
        body["webhook_url"] = callback_url
    price = terms.prices.get("second")
    estimate = Money(price.amount * body["seconds"], price.unit) if price else None
    return Submission(Request("POST", "/videos", json=body), body["model"], body["seconds"], estimate)


def _choose_mode(draft: Draft) -> None:
    present = [name for name in ("start_image", "ref_images") if name in draft.body]
    draft.default("mode", "i2v" if present == ["start_image"] else "r2v" if present == ["ref_images"] else "t2v")
    mode = draft.body["mode"]
    if mode not in MODE_IMAGES:
        return
    needed = MODE_IMAGES[mode]
    if needed and needed not in present:
        draft.refuse("mode", f"{mode} needs {needed}")
    for name in present:
        if name != needed:
            draft.refuse(name, f"is not taken with mode {mode}")
    if mode == "r2v" and isinstance(draft.body.get("seconds", 8), int):
        draft.body["seconds"] = 8  # "any value is normalized to 8"


def _fields_for(draft: Draft) -> Mapping[str, Rule]:
    # a ratio that the table of sizes lacks was put down as it is: name the ratios, not the sizes
    if draft.body.get("size") == draft.order.aspect_ratio:
        return {**FIELDS, "size": lambda _: "must be 16:9 or 9:16"}
    return FIELDS


def accepted(payload: Reading) -> Accepted:
    """Read the 202: its `estimated_cost_usd` is what was charged for now."""
    return Accepted(payload["id"].known_text(), _usd(payload["estimated_cost_usd"]))


def status_request(vendor_job_id: str, terms: Terms) -> Request:
    """Read one job; that also renews its URL."""
    return Request("GET", f"/videos/{vendor_job_id}")


def report_from_status(payload: Reading, terms: Terms) -> Report:
    """Read `GET /videos/{id}`; `actual_*` go before what was asked for."""
    word = payload["status"].known_text()
    actual = payload["actual_cost_usd"]
    return Report(
        word=word,
        said=terms.said(word),
        vendor_job_id=payload["id"].text(),
        videos=_videos(payload),
        cost=_usd(payload["cost_usd"] if actual.is_null else actual),
        failure=_failure(payload["error"]),
        occurred_at=payload["completed_at"].time(),
        model=payload["model"].text(),
        duration_seconds=_seconds(payload, "actual_seconds", "seconds"),
        raw=payload.plain(),
    )


def report_from_callback(payload: Reading, terms: Terms) -> Report:
    """Read a callback: `event` stands for the state, `video_gen_id` for the id."""
    word = payload["event"].known_text()
    return Report(
        word=word,
        said=EVENTS.get(word),
        vendor_job_id=_callback_id(payload),
        videos=_videos(payload),
        cost=_usd(payload["actual_cost_usd"]),
        failure=_failure(payload["error"]),
        occurred_at=payload["timestamp"].time(),
        duration_seconds=_seconds(payload, "duration_sec"),
        raw=payload.plain(),
    )


def _callback_id(payload: Reading) -> str:
    # other products of the same account name theirs job_id
    found = payload["video_gen_id"].text() or payload["job_id"].text()
    if not found:
        raise Unreadable("video_gen_id", "is missing")
    return found


def _videos(payload: Reading) -> tuple[Video, ...]:
    url = payload["video_url"].text()
    return (Video(url),) if url else ()


def _usd(amount: Reading) -> Money | None:
    found = amount.number()
    return None if found is None else Money(found, "USD")


def _seconds(payload: Reading, *names: str) -> int | float | None:
    for name in names:
        found = payload[name].number()
        if found is not None:
            return int(found) if found == int(found) else float(found)
    return None


def _failure(error: Reading) -> Failure | None:
    # a string in callbacks; the page never shows what a failed status answer has
    if error.is_null:
        return None
    if isinstance(error.value, dict):
        return Failure(error["code"].text() or "generation_failed", error["message"].text() or "")
    return Failure("generation_failed", error.text() or "")


def key_of(api_key: str) -> dict[str, str]:
    """The header that carries the key."""
    return {"authorization": f"Bearer {api_key}"}


def error(payload: Reading) -> VendorError:
    """Read `{"error": {"code", "message"}}`."""
    return error_from(payload)


VENDOR = Vendor(
    name="vrex",
    title="Vrex",
    docs="https://getvrex.com/en/docs/videos",
    base_url="https://getvrex.com/api/v1",
    auth=key_of,
    submission=submission,
    accepted=accepted,
    status_request=status_request,
    report_from_status=report_from_status,
    report_from_callback=report_from_callback,
    error=error,
    words={
        "pending": Said.PENDING,
        "queued": Said.PENDING,
        "processing": Said.RUNNING,
        "completed": Said.COMPLETED,
        "failed": Said.FAILED,
    },
    prices={"second": Money(Decimal("0.017"), "USD")},
    prices_as_of=date(2026, 11, 20),
    refunds_failed=True,
    models=(MODEL,),
    limits=("10/minute",),
    url_life=3600,
    # INTERNAL_ERROR says "create the job" and may come after it was made
    unsent_codes=frozenset({"UPLOAD_ERROR", "CREDIT_ERROR", "FEATURE_DISABLED"}),
    balance_codes=frozenset({"INSUFFICIENT_BALANCE_FOR_VIDEO", "WALLET_NOT_FOUND"}),
    midnight_codes=frozenset({"DAILY_CAP_REACHED"}),
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
        "FEATURE_DISABLED": "the vendor has switched video generation off for now",
    },
)
