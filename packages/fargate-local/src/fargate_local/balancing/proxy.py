"""An application load balancer's listener: reads a request, finds its target, hands both ways on as they come.

Application Load Balancer user guide, "HTTP headers and Application Load Balancers", "Troubleshoot your Application Load
Balancers" (read November 2026).
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

from aiohttp import ClientError, ClientResponse, ClientTimeout, ServerTimeoutError, WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from fargate_local.balancing.connections import Connections
from fargate_local.balancing.pool import Pool, spread
from fargate_local.balancing.rules import Asked, chosen
from fargate_local.balancing.snapshot import Group, Listener, Target, weighted
from fargate_local.balancing.stickiness import Cookies, Seal, cookies_set, group_seconds

log = logging.getLogger(__name__)

HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
     "upgrade", "expect"}
)  # fmt: skip
WORDS: Final = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
SIGNED: Final = {"Server": "awselb/2.0"}
SEAL: Final = Seal()
REDIRECTED: Final = {"HTTP_301": 301, "HTTP_302": 302}


RealPort = Callable[[str, int], int]
"""Returns the port at which a load balancer's listener is found here, for its name and the listener's port."""


class Proxy:
    """Answers the requests to one listener, which may change meanwhile."""

    def __init__(self, listener: Listener, pool: Pool, connections: Connections, real_port: RealPort) -> None:
        self.listener = listener
        self._real_port = real_port
        self._pool = pool
        self._connections = connections
        self._turns = count()
        self._cookies = Cookies(SEAL)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request by the listener's rules."""
        rule = chosen(self.listener.rules, asked_of(request))
        # What signs people in has no counterpart here: the action after it is taken.
        actions = rule.actions if rule else ()
        action = next((each for each in actions if not each["Type"].startswith("authenticate-")), {})
        match action.get("Type"):
            case "fixed-response":
                return fixed(action["FixedResponseConfig"])
            case "redirect":
                return redirected(action["RedirectConfig"], request, self.listener, self._real_port)
            case "forward":
                return await self._forward(request, action)
        return failed(503)

    async def _forward(self, request: web.BaseRequest, action: Mapping[str, Any]) -> web.StreamResponse:
        groups, seconds = weighted(action), group_seconds(action)
        stay = None if seconds is None else self._cookies.group_of(request.cookies, [arn for arn, _ in groups])
        arn = stay or spread(groups, next(self._turns))
        group = self._pool.snapshot.groups.get(arn or "")
        target = self._pool.next(group, self._cookies.target_of(request.cookies, group)) if group else None
        if group is None or target is None:
            return failed(503)
        secure = self.listener.protocol == "HTTPS"
        ours = [] if seconds is None else list(self._cookies.for_group(group.arn, seconds, secure=secure))
        with self._pool.sending(group, target):
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._web_socket(request, group, target, ours)
            return await self._handed_on(request, group, target, ours)

    def _set(self, group: Group, target: Target, headers: Any, ours: list[str]) -> list[str]:
        answered = cookies_set(headers.getall("Set-Cookie", []))
        secure = self.listener.protocol == "HTTPS"
        return [*ours, *self._cookies.for_target(group, target, answered, secure=secure)]

    async def _handed_on(
        self, request: web.BaseRequest, group: Group, target: Target, ours: list[str]
    ) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        idle = ClientTimeout(total=None, sock_connect=10, sock_read=self.listener.idle)
        try:
            answer = await self._connections.session(group.vpc).request(
                request.method,
                url_of(request, group, target),
                headers=self._headers(request),
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
                timeout=idle,
            )
        except (ServerTimeoutError, TimeoutError):
            return failed(504)
        except (ClientError, OSError) as error:
            log.debug("%s broke off: %s", target, error)
            return failed(502)
        async with answer:
            return await passed_back(request, answer, self._set(group, target, answer.headers, ours))

    def _headers(self, request: web.BaseRequest) -> "CIMultiDict[str]":
        named = {word.strip().lower() for word in request.headers.get("Connection", "").split(",")}
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP | named
        )
        earlier = headers.get("X-Forwarded-For")
        headers["X-Forwarded-For"] = f"{earlier}, {request.remote}" if earlier else str(request.remote)
        headers["X-Forwarded-Proto"] = self.listener.protocol.lower()
        headers["X-Forwarded-Port"] = str(self.listener.port)
        if "X-Amzn-Trace-Id" not in headers:
            headers["X-Amzn-Trace-Id"] = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
        return headers

    async def _web_socket(
        self, request: web.BaseRequest, group: Group, target: Target, ours: list[str]
    ) -> web.StreamResponse:
        headers = self._headers(request)
        protocols = [word.strip() for word in headers.popall("Sec-WebSocket-Protocol", []) for word in word.split(",")]
        for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
            headers.popall(name, None)
        try:
            there = await self._connections.session(group.vpc).ws_connect(
                url_of(request, group, target), protocols=protocols, headers=headers, autoping=False, max_msg_size=0
            )
        except (ClientError, OSError, TimeoutError):
            return failed(502)
        here = web.WebSocketResponse(
            protocols=[there.protocol] if there.protocol else (), autoping=False, max_msg_size=0
        )
        for cookie in self._set(group, target, there._response.headers, ours):
            here.headers.add("Set-Cookie", cookie)
        async with there:
            await here.prepare(request)
            await first_to_end(messages(here, there), messages(there, here))
            await here.close()
        return here


def asked_of(request: web.BaseRequest) -> Asked:
    """Return what rules look at."""
    return Asked(
        method=request.method,
        host=request.host.rpartition(":")[0] or request.host,
        path=request.rel_url.raw_path,
        query=tuple(request.rel_url.query.items()),
        headers=request.headers,
        source=request.remote or "127.0.0.1",
    )


def url_of(request: web.BaseRequest, group: Group, target: Target) -> URL:
    """Return where a target has what is asked for, with path and query as they were sent."""
    scheme = "https" if group.protocol == "HTTPS" else "http"
    return URL(f"{scheme}://{target.address}:{target.port}{request.rel_url.raw_path_qs}", encoded=True)


async def passed_back(request: web.BaseRequest, answer: ClientResponse, cookies: list[str]) -> web.StreamResponse:
    """Send a target's answer to the client as it comes, with our cookies; where it breaks off, so does the client's."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in HOP_BY_HOP:
            response.headers.add(name, value)
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (ClientError, TimeoutError):
        if request.transport:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


async def messages(source: Any, target: Any) -> None:
    """Copy a web socket's messages until it closes."""
    async for message in source:
        match message.type:
            case WSMsgType.TEXT:
                await target.send_str(message.data)
            case WSMsgType.BINARY:
                await target.send_bytes(message.data)
            case WSMsgType.PING:
                await target.ping(message.data)
            case WSMsgType.PONG:
                await target.pong(message.data)


async def first_to_end(*works: Any) -> None:
    """Wait until one of these has ended, and cancel the others."""
    jobs = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


def failed(code: int) -> web.Response:
    """Return the answer of a load balancer that has none of a target."""
    title = f"{code} {WORDS[code]}"
    head, body = f"<head><title>{title}</title></head>", f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>"
    page = f"<html>\r\n{head}\r\n{body}\r\n</html>\r\n"
    return web.Response(status=code, reason=WORDS[code], text=page, content_type="text/html", headers=SIGNED)


def fixed(configured: Mapping[str, Any]) -> web.Response:
    """Return a `fixed-response`."""
    return web.Response(
        status=int(configured["StatusCode"]),
        text=configured.get("MessageBody", ""),
        content_type=configured.get("ContentType") or "text/plain",
        headers=SIGNED,
    )


def redirected(
    configured: Mapping[str, Any], request: web.BaseRequest, listener: Listener, real_port: RealPort
) -> web.Response:
    """Return a `redirect`, with the parts of the request's address where the action names them."""
    parts = {
        "protocol": listener.protocol.lower(),
        "host": request.host.rpartition(":")[0] or request.host,
        "port": str(listener.port),
        "path": request.rel_url.raw_path.lstrip("/"),
        "query": request.rel_url.raw_query_string,
    }

    def filled(name: str, default: str) -> str:
        text = str(configured.get(name) or default)
        for part, value in parts.items():
            text = text.replace(f"#{{{part}}}", value)
        return text

    query = filled("Query", "#{query}")
    port = real_port(listener.balancer, int(filled("Port", "#{port}")))
    place = f"{filled('Protocol', '#{protocol}').lower()}://{filled('Host', '#{host}')}:{port}"
    location = place + filled("Path", "/#{path}") + (f"?{query}" if query else "")
    return web.Response(status=REDIRECTED[configured["StatusCode"]], headers={**SIGNED, "Location": location})
