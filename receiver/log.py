"""Logging: one record a line on stderr, JSON unless a person is watching.

No secret and no token is ever passed in; but the text of an exception is anybody's, so each line is looked through.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Sequence

import structlog

from handlers.masking import MASK, masked

#: The signature of a callback's address or of a clip's link: with it one may speak for a job.
_SIGNATURE = re.compile(r"(?<=\.)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")


class _Lines(logging.Formatter):
    """The lines of libraries, tracebacks among them, with every secret hidden."""

    def __init__(self, hidden: Callable[[str], str]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._hidden = hidden

    def format(self, record: logging.LogRecord) -> str:
        """Say a record in one line, or with its traceback in several."""
        return self._hidden(super().format(record))


def configure(secrets: Sequence[str] = ()) -> None:
    """Set the program's logging up; these secrets appear in no line. Libraries' own warnings go the same way."""
    known = (*secrets, *(json.dumps(each)[1:-1] for each in secrets))

    def hidden(text: str) -> str:
        return _SIGNATURE.sub(MASK, masked(text, *known))

    watched = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if watched else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
            lambda _, __, line: hidden(str(line)),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(_Lines(hidden))
    # libraries write URLs into their records, and a URL may be a secret
    logging.basicConfig(level=logging.WARNING, handlers=[lines])
    for name in ("httpx", "httpcore", "apprise", "sqlalchemy", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
