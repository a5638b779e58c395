"""Loopback ports."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do; without it, connections just closed would make our own port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            # Binding alone succeeds beside a listener that shares its port.
            probe.listen(1)
        except OSError:
            return False
        return True


def find_free_port(first: int, last: int, taken: Collection[int] = ()) -> int:
    """A free port in [first, last], chosen at random so that two seekers seldom meet.

    Raises:
        OSError: there is none.
    """
    candidates = [port for port in range(first, last + 1) if port not in taken]
    random.SystemRandom().shuffle(candidates)
    for port in candidates:
        if is_free(port):
            return port
    raise OSError(f"no free port between {first} and {last}")


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False
