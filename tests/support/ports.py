"""Ports for servers that cannot be told to take any."""

import socket


def free_port() -> int:
    """One that nobody listens to now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
