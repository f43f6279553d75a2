"""A package of a careless author: a vendor and a handler type whose exceptions tell what they should keep.

Written into a folder as an installed package; the real program finds it by its entry points.
"""

from pathlib import Path

_MODULE = """
from schemas.values import replace

from pydantic import SecretStr

from handlers.protocol import HandlerType, Options
from schemas.vendors.vrex import VENDOR as VREX


def report_from_callback(payload, terms):
    raise RuntimeError(f"cannot read {payload}")


def auth(api_key):
    raise RuntimeError(f"cannot use {api_key}")


class LeakyOptions(Options):
    token: SecretStr


class Leaky:
    def __init__(self, options):
        self.options = options

    async def deliver(self, parcels):
        raise RuntimeError(f"cannot use {self.options.token.get_secret_value()}")

    async def close(self):
        pass


VENDOR = replace(VREX, name="leaky", auth=auth)
DEAF = replace(VREX, name="deaf", report_from_callback=report_from_callback)
HANDLER = HandlerType("leaky", LeakyOptions, lambda options, tools: Leaky(options), {"token": "t"})
"""
_POINTS = """
[clipbell.vendors]
leaky = plug_leaky
deaf = plug_leaky:DEAF
[clipbell.handlers]
leaky = plug_leaky
"""


def install(folder: Path) -> None:
    """Put the package into a folder that will be on the import path."""
    folder.mkdir()
    (folder / "plug_leaky.py").write_text(_MODULE)
    info = folder / "plug_leaky-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug_leaky\nVersion: 1\n")
    (info / "entry_points.txt").write_text(_POINTS)
