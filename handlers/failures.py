"""Why a clip failed, in plain words, and whether trying again makes sense. Pure tables over the vendors' codes.

The vendor's own words are never thrown away: whoever shows a failure shows them beside ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.event import Failure


class Advice(StrEnum):
    """Whether trying again makes sense."""

    CHANGE_PROMPT = "Trying again with the same prompt will fail again: change it first."
    TOP_UP = "Top up the balance at the vendor, then order it again."
    MEND_ORDER = "Trying again unchanged will fail again: mend the order first."
    MEND_KEY = "Mend the API key or its settings at the vendor, then order it again."
    LATER = "Trying again later may work."
    ONCE = "Trying again once may work; if it fails again, change the prompt or the images."
    AGAIN = "Trying again makes a new clip."


#: Where the very same order may be placed again.
REPEATABLE = frozenset({Advice.TOP_UP, Advice.MEND_KEY, Advice.LATER, Advice.ONCE, Advice.AGAIN})


@dataclass(frozen=True, slots=True)
class Reason:
    """A failure in plain words: why, and what to do."""

    why: str
    advice: Advice


_RULES = "the prompt was blocked by the vendor's rules"
_BALANCE = Reason("the balance at the vendor is too low", Advice.TOP_UP)
_INVALID = Reason("the vendor found the order invalid", Advice.MEND_ORDER)
_IMAGE = Reason("the vendor could not use the image", Advice.MEND_ORDER)
_MODEL = Reason("the vendor does not know the model", Advice.MEND_ORDER)
_KEY = Reason("the vendor did not take the API key", Advice.MEND_KEY)
_DOWN = Reason("the vendor had trouble of its own", Advice.LATER)
_BUSY = Reason("the vendor was too busy", Advice.LATER)
_MODERATED = Reason(_RULES, Advice.CHANGE_PROMPT)
_GONE = Reason("the vendor no longer has the clip: it expired", Advice.AGAIN)
_ENGINE = Reason("the vendor's engine could not make it", Advice.ONCE)

#: the vendors' codes (lower case) -> our words
CODES: Mapping[str, Reason] = {
    # moderation
    "minor_safety": Reason(f"{_RULES} (safety of minors)", Advice.CHANGE_PROMPT),
    "artist_impersonation": Reason(f"{_RULES} (imitation of an artist)", Advice.CHANGE_PROMPT),
    "hate_speech": Reason(f"{_RULES} (hate speech)", Advice.CHANGE_PROMPT),
    "content_filter": _MODERATED,
    "content_policy_violation": _MODERATED,
    "moderation": _MODERATED,
    "nsfw": _MODERATED,
    # money
    "insufficient_balance_for_video": _BALANCE,
    "insufficient_credits": _BALANCE,
    "wallet_not_found": Reason("the account at the vendor has no wallet yet", Advice.TOP_UP),
    "spend_limit_exceeded": Reason("the key reached its spending limit at the vendor", Advice.MEND_KEY),
    "credit_error": Reason("the vendor could not charge the account", Advice.LATER),
    # the order
    "validation_error": _INVALID,
    "invalid_request": _INVALID,
    "invalid_json": _INVALID,
    "invalid_prompt": Reason("the vendor found the prompt invalid", Advice.MEND_ORDER),
    "missing_prompt": Reason("the prompt was missing", Advice.MEND_ORDER),
    "invalid_mode": Reason("the vendor does not know the mode", Advice.MEND_ORDER),
    "invalid_model": _MODEL,
    "model_not_found": _MODEL,
    "missing_image": Reason("an image was missing", Advice.MEND_ORDER),
    "invalid_image_type": _IMAGE,
    "file_too_large": Reason("the image was too large for the vendor", Advice.MEND_ORDER),
    "upload_error": _IMAGE,
    # the key
    "invalid_api_key": _KEY,
    "unauthorized": _KEY,
    "key_expired": Reason("the API key has expired", Advice.MEND_KEY),
    "key_revoked": Reason("the API key was revoked", Advice.MEND_KEY),
    "forbidden": _KEY,
    "ip_not_allowed": Reason("the vendor's key does not allow our IP address", Advice.MEND_KEY),
    # too much
    "queue_full": _BUSY,
    "rate_limited": _BUSY,
    "rate_limit_exceeded": _BUSY,
    "daily_cap_reached": Reason("the vendor's daily cap was reached (it resets at midnight UTC)", Advice.LATER),
    # the vendor
    "internal_error": _DOWN,
    "engine_error": _ENGINE,
    "generation_failed": _ENGINE,
    "service_unavailable": _DOWN,
    "timeout": Reason("the vendor took too long and gave up", Advice.LATER),
    "feature_disabled": Reason("the vendor has switched video generation off for now", Advice.LATER),
    # its page names three causes: prohibited content, a provider that is down, parameters it does not take
    "upstream_error": Reason("the provider behind the vendor refused it or was down", Advice.ONCE),
    # gone
    "task_not_found": _GONE,
    "not_found": _GONE,
    "expired": _GONE,
    "no_videos": Reason("the vendor finished, but there is no video", Advice.ONCE),
    "cancelled": Reason("it was cancelled at the vendor", Advice.AGAIN),
    "canceled": Reason("it was cancelled at the vendor", Advice.AGAIN),
}
#: what a message says, where the code says nothing; the first that is found
_MESSAGES = (
    (r"moderat|safety|polic|prohibit|sensitive|nsfw|content.filter|inappropriate", _MODERATED),
    (r"insufficient|balance|not enough credit", _BALANCE),
    (r"expired", _GONE),
    (r"api.key|unauthori[sz]ed", _KEY),
    (r"rate.limit|too many|queue|capacity|overload", _BUSY),
    (r"timed? ?out|timeout", CODES["timeout"]),
    (r"unavailable|internal|temporar", _DOWN),
    (r"image", _IMAGE),
    (r"invalid|required|must be|unsupported|not supported", _INVALID),
)
_BASES = {"vendor_figure": "the vendor's answer says so", "vendor_policy": "the vendor's page promises it"}
_UNTOLD = frozenset({"", "generation_failed", "failed", "error", "unknown"})


def reason_for(failure: Failure) -> Reason:
    """Say in plain words why a clip failed: by its code, else by its message."""
    code = failure.code.casefold()
    if code not in _UNTOLD and code in CODES:
        return CODES[code]
    message = f"{code} {failure.message}".casefold() if code not in _UNTOLD else failure.message.casefold()
    for pattern, reason in _MESSAGES:
        if re.search(pattern, message):
            return reason
    return _ENGINE if code in _UNTOLD else Reason(f"the vendor gave the reason {failure.code}", Advice.ONCE)


def refund_words(failure: Failure) -> str:
    """Say whether the money came back, and how we know."""
    basis = _BASES.get(failure.refund_basis or "")
    if failure.refunded is False:
        return f"not refunded ({basis})" if basis else "not refunded"
    return f"refunded ({basis})" if failure.refunded and basis else "refund not confirmed"
