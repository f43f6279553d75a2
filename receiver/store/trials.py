"""Trials: exceptions held on to instead of let through, and what a caller is told of trouble of the store."""

from types import TracebackType
from typing import Self

from sqlalchemy.exc import DBAPIError, IntegrityError

from schemas.errors import StoreUnavailable, Taken


class Trial:
    """Holds on to the exception of what runs inside, instead of letting it through."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        if isinstance(error, Exception):
            self.error = error
            return True
        return False


def unavailable(error: Exception) -> StoreUnavailable:
    """What a caller is told of trouble of the store."""
    if isinstance(error, StoreUnavailable):
        return error
    told = StoreUnavailable(f"the store cannot commit: {reason_of(error)}")
    told.__cause__ = error
    return told


def told_of(error: Exception) -> Exception:
    """What a caller is told of a statement that was refused."""
    if isinstance(error, IntegrityError) and "vendor_job_id" in str(error.orig):
        told = Taken("another job of this account has the vendor's job id already")
        told.__cause__ = error
        return told
    return error


def reason_of(error: Exception) -> str:
    """Why, in the engine's own words and in one line."""
    # SQLAlchemy's own text holds statement and parameters, which are nobody's business in a log
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
