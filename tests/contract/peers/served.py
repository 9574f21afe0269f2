"""Nodes that serve on loopback inside the test's process, each in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn

from secretariat.app import build, configuration
from secretariat.ledger.node import Node


def free_socket() -> socket.socket:
    """Give a listening socket on a free port of loopback."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(512)
    return listening


@contextlib.contextmanager
def serving(node: Node, listening: socket.socket) -> Iterator[uvicorn.Server]:
    """Serve a node until the block ends."""
    server = uvicorn.Server(configuration(build(node)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield server
    finally:
        server.should_exit = server.force_exit = True  # held requests need not be waited for
        thread.join(20)


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is so; fails when it is not in time."""
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            raise AssertionError("did not happen in time")
        time.sleep(0.02)
