"""Logging: one record a line on stderr, JSON unless a person is watching. No secret and no token is ever passed in."""

import logging
import sys

import structlog


def configure() -> None:
    """Set the program's logging up. Libraries' own warnings go the same way."""
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
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    # libraries write URLs into their records, and a URL may be a secret
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for name in ("httpx", "httpcore", "apprise", "sqlalchemy", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
