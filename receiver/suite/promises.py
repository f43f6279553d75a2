"""What a check raises when a promise is broken: a sentence for the author of a vendor or a handler."""

from schemas.event import Money


class Broken(AssertionError):
    """A promise that is not kept; the text says what was seen and what must be."""


def hold(is_kept: bool, otherwise: str) -> None:
    """Go on only if a promise is kept.

    Raises: Broken.
    """
    # a function, not an assert: `python -O` must not make every plug-in a good one
    if not is_kept:
        raise Broken(otherwise)


def shown(value: object, longest: int = 300) -> str:
    """A value for a sentence, not too long."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


def said_of(error: BaseException) -> str:
    """An exception in a line: its kind, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def priced(amount: Money | None) -> str:
    """An amount in words: `40 credits`."""
    return "none" if amount is None else f"{amount.amount} {amount.unit}"
