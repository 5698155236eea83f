"""Ports of 127.0.0.1, as they are at the moment of asking."""

import socket
from typing import Final

HOST: Final = "127.0.0.1"


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port; on one that there is none, nobody can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
        return True


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
