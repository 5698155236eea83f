"""A server for bytes: takes connections at a socket and copies between two streams."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

CHUNK = 64 * 1024

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class TcpServer:
    """Hands each connection to `serve`, and closes it afterwards; what fails on the network ends it quietly."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Begin to take connections at a socket; there may be several."""
        self._servers.append(await asyncio.start_server(self._take, sock=sock, ssl=tls))

    async def close(self) -> None:
        """Take no more, and end those that there are."""
        for server in self._servers:
            server.close()
        for each in self._open:
            each.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            # A cancelled one would be told as an error by asyncio's streams.
            with suppress(OSError, TimeoutError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.close()


async def both_ways(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Copy each way until its end, and pass the end on."""
    async with asyncio.TaskGroup() as group:
        for reader, writer in ways:
            group.create_task(copy(reader, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one way until its end."""
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        # TLS cannot end one way alone.
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
