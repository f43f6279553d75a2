"""The command line: `clipbell` is `receiver.cli:main`.

Its verbs talk to the running server; only that opens the database.
"""

import gc
import os
import sys

DEBUG = "CLIPBELL_DEBUG"
FAILED, INTERRUPTED = 1, 130
#: Allocations until the collector looks at the young: what is loaded at the start stays, and looking at it takes long.
COLLECT_AFTER = 20_000


def main() -> None:
    """Run the command line and exit with its code; nothing that goes wrong ends in a traceback."""
    gc.set_threshold(COLLECT_AFTER)
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        # a prompt in Japanese on a terminal without UTF-8 is no reason to fail
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _open_what_is_closed() -> None:
    """Lead a standard stream that came closed (`>&-`) to nowhere.

    Else the next file or socket to be opened gets its number, and what is printed goes into that.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for the whole run


def _run() -> int:
    try:
        code = _asked()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output went away
        _lead_output_away()
        return FAILED
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        from receiver.cli.trouble import verdict_on

        verdict = verdict_on(error)
        sys.stderr.write("".join(f"{line}\n" for line in verdict.lines))
        try:
            sys.stdout.flush()
        except OSError:
            _lead_output_away()
        return verdict.code
    return code


def _asked() -> int:
    # here, because an interrupt may come while they are imported
    from receiver.cli.verbs import app

    try:
        app(prog_name="clipbell")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    return 0


def _lead_output_away() -> None:
    # what is left of it cannot be written, and Python must not complain about that while it ends
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
