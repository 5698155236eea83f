"""The routes of the page: its files are open to whoever passes the door, everything else needs a session.

A browser tells a page's own calls from everybody else's (`door.py`); a call that changes something must say that it is
one. Nothing here can be framed, cached, or made to load anything from elsewhere.
"""

import hashlib
import json
from collections.abc import Callable
from importlib import resources
from typing import Any, Final

from fargate_local.cloud.requests import CloudRequest, CloudResponse
from fargate_local.faults.rules import RuleError, parse_rules
from fargate_local.protocol.errors import EcsError
from fargate_local.ui.fault_kinds import offered
from fargate_local.ui.sessions import SESSION_SECONDS, Sessions
from fargate_local.ui.view import NotFoundError, View

PATH: Final = "/_fargate/ui"
SESSION_HEADER: Final = "x-fargate-local-session"
KINDS: Final = {".html": "text/html", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
SAFE: Final = [
    ("Content-Security-Policy", POLICY),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]
WORDS: Final = {200: "OK", 304: "Not Modified", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}
NO_SESSION: Final = "This page has no session, or no longer: run `fargate-local ui`."
NO_CODE: Final = "This code has been used, or is more than a minute old: run `fargate-local ui` again."


class RefusedError(Exception):
    """A call that may not pass; the text says why, and what to do."""


class Ui:
    """Answers what is under `PATH`. Without `sessions` no call needs one, as on an open server."""

    def __init__(self, view: View, sessions: Sessions | None, port: int) -> None:
        self._view = view
        self._sessions = sessions
        # Cookies know no ports: two servers on one host would overwrite each other's.
        self._cookie = f"fargate-local-{port}"
        self._files = {
            each.name: each.read_bytes() for each in resources.files("fargate_local.ui").joinpath("static").iterdir()
        }

    def owns(self, path: str) -> bool:
        """Return whether a path is the page's."""
        return path == PATH or path.startswith(f"{PATH}/")

    def answer(self, request: CloudRequest) -> CloudResponse:
        """Answer one request."""
        name, _, rest = request.path.removeprefix(PATH).strip("/").partition("/")
        try:
            match (request.method, name):
                case ("GET" | "HEAD", ""):
                    return self._file("index.html")
                case ("GET" | "HEAD", "static"):
                    return self._file(rest)
                case ("POST", "session") if not rest:
                    return self._begin(request)
                case (_, "api"):
                    return self._call(request, rest)
        except RefusedError as error:
            return as_json(403, {"message": str(error)})
        except NotFoundError as error:
            return as_json(404, {"message": str(error)})
        except (RuleError, EcsError, ValueError, KeyError) as error:
            return as_json(400, {"message": getattr(error, "message", None) or str(error)})
        return as_json(404, {"message": f"nothing at {request.method} {request.path}"})

    def _file(self, name: str) -> CloudResponse:
        content = self._files.get(name)
        if content is None:
            message = f"the page has no file {name!r}"
            raise NotFoundError(message)
        return respond(200, KINDS["." + name.rpartition(".")[2]], content)

    def _begin(self, request: CloudRequest) -> CloudResponse:
        check_own_page(request)
        session = self._sessions.begin(str(content_of(request).get("code", ""))) if self._sessions else None
        if session is None:
            raise RefusedError(NO_CODE)
        cookie = (
            f"{self._cookie}={session.cookie}; Path={PATH}; Max-Age={int(SESSION_SECONDS)}; HttpOnly; SameSite=Strict"
        )
        return as_json(200, {"token": session.token}, ("Set-Cookie", cookie))

    def _call(self, request: CloudRequest, path: str) -> CloudResponse:
        if self._sessions and not self._sessions.holds(
            cookie_of(request, self._cookie), request.headers.get(SESSION_HEADER, "")
        ):
            raise RefusedError(NO_SESSION)
        if request.method != "GET":
            check_own_page(request)
            return as_json(200, self._change(request, path))
        return conditional(as_json(200, self._read(path, request.query)), request)

    def _read(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        def given(name: str) -> str:
            return query.get(name, [""])[0]

        def number(name: str) -> int | None:
            return int(given(name)) if given(name) else None

        reads: dict[str, Callable[[], dict[str, Any]]] = {
            "clusters": lambda: {"clusters": self._view.clusters()},
            "tasks": lambda: self._view.page(given("cluster"), given("status"), given("search"), number("before")),
            "task": lambda: self._view.task(given("arn")),
            "logs": lambda: self._view.logs(given("arn"), given("container"), number("position")),
            "services": lambda: {"services": self._view.services_of(given("cluster"))},
            "service": lambda: self._view.service(given("arn")),
            "faults": lambda: {"rules": self._view.rules.listed(), "kinds": list(offered())},
        }
        if path not in reads:
            message = f"the page's server knows no {path!r}"
            raise NotFoundError(message)
        return reads[path]()

    def _change(self, request: CloudRequest, path: str) -> dict[str, Any]:
        rules = self._view.rules
        match (request.method, *path.split("/")):
            case ("POST", "stop"):
                asked = content_of(request)
                return self._view.stop_task(str(asked.get("arn", "")), str(asked.get("reason", "")))
            case ("POST", "faults"):
                (rule,) = parse_rules([content_of(request)], "the page")
                return {"id": rules.add(rule)}
            case ("DELETE", "faults", number) if number.isdigit() and rules.remove(int(number)):
                return {}
        message = f"nothing at {request.method} {request.path}"
        raise NotFoundError(message)


def check_own_page(request: CloudRequest) -> None:
    """Check that a request says that it is from this server's own page; the door has compared what it says.

    Raises:
        RefusedError: It says nothing.
    """
    if "origin" not in request.headers:
        message = "Only the page itself may call this: programs use the API, signed with the server's key."
        raise RefusedError(message)


def content_of(request: CloudRequest) -> dict[str, Any]:
    """Return the body's JSON object.

    Raises:
        ValueError: It is none.
    """
    content = json.loads(request.body or b"null")
    if not isinstance(content, dict):
        message = "the body must be a JSON object"
        raise ValueError(message)
    return content


def cookie_of(request: CloudRequest, name: str) -> str:
    """Return the value of a cookie, empty without it."""
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def conditional(response: CloudResponse, request: CloudRequest) -> CloudResponse:
    """Return the response with its entity tag, or without a body where the caller has it already."""
    tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == tag:
        return respond(304, "application/json", b"", ("ETag", tag))
    return CloudResponse(response.status, [*response.headers, ("ETag", tag)], response.body)


def as_json(status: int, content: dict[str, Any], *more: tuple[str, str]) -> CloudResponse:
    """Return `content` as a JSON response."""
    return respond(status, "application/json", json.dumps(content, separators=(",", ":")).encode(), *more)


def respond(status: int, kind: str, body: bytes, *more: tuple[str, str]) -> CloudResponse:
    """Return a response with the headers that every answer to a browser has."""
    length = [("Content-Length", str(len(body)))] if status != 304 else []
    headers = [("Content-Type", f"{kind}; charset=utf-8"), *length, *SAFE, *more]
    return CloudResponse(f"{status} {WORDS[status]}", headers, [body])
