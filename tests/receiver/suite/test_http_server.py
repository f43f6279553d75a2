"""The stand-ins' own promises: what tests of plug-ins, and ours, stand on."""

import socket
import sys

import pytest

from receiver.suite.http_server import closed_port


def test_nobody_listens_on_a_closed_port() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", closed_port()))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port that is held cannot be served")
def test_a_closed_port_is_never_given_twice_and_can_still_be_served() -> None:
    port = closed_port()
    with socket.socket() as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        pass
    with socket.socket() as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", port))
