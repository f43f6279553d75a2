"""The HTTP server of the contract suite, for all other tests too."""

from receiver.suite.http_server import Answerer, Reply, Seen, Server, closed_port, serving

__all__ = ["Answerer", "Reply", "Seen", "Server", "closed_port", "serving"]
