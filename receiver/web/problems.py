"""Errors as `application/problem+json` (RFC 9457) with a stable `code`; a bug of ours is a 500 without its text."""

import json
import math
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from schemas.errors import InvalidOrder, RequestRefused, VendorBusy, VendorSaidNo


class Problem(Response):
    """One refusal as a response."""

    media_type = "application/problem+json"

    def __init__(self, status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any):
        body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        content = json.dumps({**body, "code": code, **more}, ensure_ascii=False)
        super().__init__(content, status, headers, self.media_type)


def problem_of(error: RequestRefused) -> Problem:
    """Turn a refusal into its response."""
    more: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, InvalidOrder):
        more["errors"] = [{"field": p.field, "problem": p.problem} for p in error.problems]
    if isinstance(error, VendorSaidNo):
        more["vendor_status"] = error.vendor_status
        more["vendor_code"] = error.vendor_code
        more["vendor_message"] = error.vendor_message
        more["job_id"] = error.job_id
    if isinstance(error, VendorBusy):
        more["retry_after"] = error.retry_after
        # a moment sooner it would be refused again
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Problem(error.status, error.code, str(error), headers=headers, **more)
