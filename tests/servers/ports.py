"""Ports that stay a test's own, however many tests run beside it."""

import contextlib
import socket
from collections.abc import Iterator


def reserve() -> socket.socket:
    """Return a bound socket that does not listen; its port is its owner's until it is closed.

    The port refuses connections until a server of the owner's listens there, which has to set
    SO_REUSEADDR (asyncio and Valkey do). The system gives it to nobody else meanwhile, neither
    to a server nor to a client; one that was found free and let go, it gives to the next.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections, until the test has somebody listen there."""
    with reserve() as reserved:
        yield reserved.getsockname()[1]
