"""Senders that pause, and connections that say nothing, keep nobody else waiting.

A browser opens connections ahead of need, a debugger stops a client in the middle of a request.
"""

import http.client
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from tests.support.cloud import Ecs

from fargate_local import http as wire

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
HALF_SENT = {
    "half a request line": HEAD[:9],
    "half a head": HEAD + b"X-",
    "half a body": HEAD + b"Content-Length: 1000\r\n\r\nabc",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\nabc",
}


@pytest.fixture
def url(ecs: Ecs) -> Any:
    return ecs.cloud.url


@pytest.fixture
def small_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server of this process with an echo behind it, and little patience."""
    monkeypatch.setattr(wire, "PAUSE_SECONDS", 1.5)
    monkeypatch.setattr(wire, "HEAD_SECONDS", 2.0)
    monkeypatch.setattr(wire, "MOST_CONNECTIONS", 5)

    def echo(environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    server = wire.HttpServer("127.0.0.1", 0)
    server.serve(echo)
    yield server.address
    server.close()


def connect(stack: Any, url: Any) -> Any:
    address = urllib.parse.urlsplit(url)
    return stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=10))


def answered(connection: Any) -> Any:
    """The body of the answer."""
    with closing(http.client.HTTPResponse(connection)) as answer:
        answer.begin()
        return answer.read()


def seconds_to_answer(url: Any) -> Any:
    began = time.monotonic()
    with urllib.request.urlopen(f"{url}/_fargate/health", timeout=10) as answer:
        assert answer.read() == b'{"status": "ok"}'
    return time.monotonic() - began


@pytest.mark.parametrize("sent", HALF_SENT)
def test_requests_that_are_half_sent_keep_nobody_waiting(url: Any, sent: Any) -> None:
    with ExitStack() as stack:
        for _ in range(60):
            connect(stack, url).sendall(HALF_SENT[sent])
        assert seconds_to_answer(url) < 3


def test_connections_that_say_nothing_keep_nobody_waiting(url: Any) -> None:
    with ExitStack() as stack:
        silent = [connect(stack, url) for _ in range(300)]
        assert seconds_to_answer(url) < 3
        silent[0].sendall(b"GET /_fargate/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert silent[0].recv(100).startswith(b"HTTP/1.1 200 OK")


def test_clients_that_wait_for_messages_keep_nobody_waiting(ecs: Ecs) -> None:
    sqs = ecs.client("sqs")
    queue = sqs.create_queue(QueueName="slow")["QueueUrl"]
    waiters = [
        threading.Thread(target=lambda: ecs.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=4))
        for _ in range(45)
    ]
    for waiter in waiters:
        waiter.start()
    time.sleep(1)
    assert seconds_to_answer(ecs.cloud.url) < 2
    for waiter in waiters:
        waiter.join()


@pytest.mark.parametrize("sent", HALF_SENT)
def test_a_sender_that_pauses_for_too_long_is_told_so_and_let_go(small_server: Any, sent: Any) -> None:
    with ExitStack() as stack:
        sender = connect(stack, small_server)
        sender.sendall(HALF_SENT[sent])
        assert sender.recv(100).startswith(b"HTTP/1.1 408 Request Timeout")
        assert sender.recv(100) == b""


def test_a_head_that_drips_in_is_cut_off(small_server: Any) -> None:
    with ExitStack() as stack:
        sender = connect(stack, small_server)
        sender.sendall(HEAD + b"X-Drip: ")
        began = time.monotonic()
        with pytest.raises(ConnectionError):  # noqa: PT012 - whichever of the sends comes after the end
            while time.monotonic() - began < 20:
                sender.sendall(b"x")
                time.sleep(0.2)
        assert time.monotonic() - began < 15


def test_a_body_may_take_its_time_as_long_as_it_keeps_coming(small_server: Any) -> None:
    with ExitStack() as stack:
        sender = connect(stack, small_server)
        sender.sendall(HEAD + b"Content-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.3)
            sender.sendall(b"x")
        assert answered(sender) == b"x" * 10


def test_the_longest_silent_connection_makes_room_for_another(small_server: Any) -> None:
    with ExitStack() as stack:
        connections = []
        for _ in range(8):
            connections.append(connect(stack, small_server))
            time.sleep(0.05)
        assert connections[0].recv(1) == b""
        connections[-1].sendall(HEAD + b"Content-Length: 2\r\n\r\nok")
        assert answered(connections[-1]) == b"ok"


def test_a_head_without_an_end_is_refused(url: Any) -> None:
    with ExitStack() as stack:
        sender = connect(stack, url)
        sender.sendall(HEAD + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n")
        assert sender.recv(100).startswith(b"HTTP/1.1 413 ")
