"""Who may use the API: whoever bears the token. Compared without telling by time how much of it was right."""

import hmac
import re

from pydantic import SecretStr
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.web.problems import problem_of
from schemas.errors import Unauthorized

#: What needs no token: the front door, health, and what has a token of its own in its path.
OPEN = re.compile(r"/(healthz|readyz)?$|/clips/")


def is_authorized(request: Request, token: SecretStr) -> bool:
    """Whether a request bears the token."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    expected = token.get_secret_value().encode()
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected)


class TokenOnly:
    """Middleware: answers 401 to whoever does not bear the token, before anything else is looked at."""

    def __init__(self, app: ASGIApp, token: SecretStr) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] != "http" or OPEN.match(scope["path"]) or is_authorized(Request(scope), self._token):
            await self._app(scope, receive, send)
            return
        text = "This needs the header Authorization: Bearer <api_token>, as set in the configuration."
        await problem_of(Unauthorized(text))(scope, receive, send)
