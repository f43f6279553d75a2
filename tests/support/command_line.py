"""Runs a verb in this process as in a pipe: arguments and environment in; exit code, stdout and stderr out."""

import io
import os
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from receiver.cli import main


@dataclass(frozen=True)
class Ended:
    """How it ended."""

    code: int
    out: str
    err: str


def clipbell(*arguments: str, folder: Path, environ: Mapping[str, str] | None = None) -> Ended:
    """Run `clipbell` with these arguments in a folder, with nothing of ours in the environment but what is given."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLIPBELL_")}
    code = 0
    with (
        chdir(folder),
        mock.patch.object(sys, "argv", ["clipbell", *arguments]),
        mock.patch.dict(os.environ, {**kept, **(environ or {})}, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Ended(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
