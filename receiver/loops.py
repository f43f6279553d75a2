"""Event loops: uvloop's where it is installed, for it does the same in half the time; else Python's own."""

import asyncio


def new_loop() -> asyncio.AbstractEventLoop:
    """Make a loop for a thread."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
