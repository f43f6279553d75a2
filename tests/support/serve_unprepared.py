"""`clipbell serve` that loads nothing before it listens.

Usage, in a folder with a clipbell.toml: python serve_unprepared.py
"""

import os
import sys
from pathlib import Path

from receiver import net, posts, serve
from receiver.settings import Settings, load


async def load_nothing() -> None:
    """Leave it to the first call."""


def prepare_nobody(settings: Settings) -> None:
    """Leave it to the first delivery."""


if __name__ == "__main__":
    net.prepare = load_nothing
    posts.prepare = prepare_nobody
    sys.exit(serve.run(load(Path("clipbell.toml"), os.environ)))
