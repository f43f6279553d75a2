"""The contract suite: what a vendor or a handler type promises, checked by whoever writes one.

`clipbell check NAME` runs it; in a test suite of one's own `checks_of(HANDLER)` gives the same checks one by one. The
program itself never imports it.
"""

from receiver.suite.checks import Check, checks_of
from receiver.suite.http_server import Reply, Seen, Server
from receiver.suite.promises import Broken
from receiver.suite.stage import Case, Stage, usual

__all__ = ["Broken", "Case", "Check", "Reply", "Seen", "Server", "Stage", "checks_of", "usual"]
