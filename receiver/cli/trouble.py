"""What went wrong, as an exit code and plain sentences. Nothing here prints a traceback or a secret.

0 done, 1 the thing asked for failed, 2 wrong usage or configuration, 3 the server cannot be reached.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass

_SENT = "What was asked may have been done all the same: look (`clipbell jobs`) before you repeat it."
FAILED, WRONG, UNREACHABLE = 1, 2, 3
_STEPS = {
    errno.ENOSPC: "Make room there, or have it written elsewhere.",
    errno.EACCES: "Ask for the rights to it, or name another place.",
    errno.ENOENT: "Check the path.",
}


class Failure(Exception):
    """The thing asked for failed; the text is told to the person as it is."""

    code = FAILED


class WrongUsage(Failure):
    """The command line or the configuration cannot be used."""

    code = WRONG


def check_word(option: str, given: str | None, known: Sequence[str]) -> None:
    """Refuse a word that an option does not know.

    Raises: WrongUsage.
    """
    if given is not None and given not in known:
        raise WrongUsage(f"{option} takes one of {', '.join(known)}.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ends: the exit code, and the lines for stderr."""

    code: int
    lines: tuple[str, ...]


def verdict_on(error: Exception) -> Verdict:
    """Say what an exception means to the person at the keyboard."""
    if isinstance(error, Failure):
        return Verdict(error.code, tuple(str(error).splitlines()))
    if isinstance(error, UnicodeEncodeError):
        return Verdict(
            WRONG, ("What was given holds something that is no UTF-8 text and cannot be sent; write it as UTF-8.",)
        )
    if isinstance(error, OSError):
        # an order may have gone out before its answer could not be printed: to repeat it would pay twice
        lines = (_sentence(f"{error.strerror or error}{_file_of(error)}"), _STEPS.get(error.errno or 0, ""), _SENT)
        return Verdict(FAILED, tuple(line for line in lines if line))
    known = _of_server(error) or _of_ours(error)
    return known or Verdict(
        FAILED,
        (
            f"Clipbell met something it did not expect ({type(error).__name__}).",
            "Run the command again with CLIPBELL_DEBUG=1 to see where, and please report it.",
        ),
    )


def _of_server(error: Exception) -> Verdict | None:
    from receiver.client import BadAddress, ClipbellError, NoToken, ServerUnreachable, Unauthorized

    if not isinstance(error, ClipbellError):
        return None
    text = _sentence(str(error))
    if isinstance(error, ServerUnreachable):
        hint = "Start it with `clipbell serve`, or name another with --server URL."
        return Verdict(UNREACHABLE, (text, _SENT if error.sent else hint))
    if isinstance(error, BadAddress):
        return Verdict(WRONG, (f"--server: {error!s}.",))
    if isinstance(error, Unauthorized | NoToken):
        hint = "Use the configuration that the server runs with (--config), or its api_token in CLIPBELL_API_TOKEN."
        return Verdict(WRONG, ("The server does not take this API token.", hint))
    if error.problems:
        return Verdict(FAILED, ("The server refuses this:", *(f"  {p.field}: {p.problem}" for p in error.problems)))
    wait = f" Try again in {error.retry_after:g} s." if error.retry_after and "try again in" not in text else ""
    return Verdict(FAILED, (f"{text}{wait}",))


def _of_ours(error: Exception) -> Verdict | None:
    from schemas.errors import ClipbellError, ConfigurationError

    if isinstance(error, ConfigurationError):
        return Verdict(
            WRONG,
            ("The configuration cannot be used:", *(f"  {p.field}: {p.problem}" for p in error.problems)),
        )
    return Verdict(FAILED, (_sentence(str(error)),)) if isinstance(error, ClipbellError) else None


def _file_of(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def _sentence(text: str) -> str:
    text = text.strip() or "It failed without a reason"
    # an id at the beginning stays as it is
    first = text[:1].upper() if text.split()[0].isalpha() else text[:1]
    return f"{first}{text[1:]}" + ("" if text.endswith((".", "!", "?", ":")) else ".")
