"""`clipbell serve` for which one callback is many and any work too much: its deliveries give way for `WAY` seconds.

Usage, in a folder with a clipbell.toml: python serve_yielding.py
"""

import os
import sys
from pathlib import Path

from receiver import lane, serve, share
from receiver.settings import load

WAY = 3.0

if __name__ == "__main__":
    share.MANY, share.SOON, share.PART, share.SAVED = 1, 3600, 0, 0
    lane.WAY = WAY
    sys.exit(serve.run(load(Path("clipbell.toml"), os.environ)))
