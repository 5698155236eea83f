"""Who may connect: programs that were given this address, not web pages, whatever name they resolve to it.

A browser says where a request comes from (`Origin`, `Sec-Fetch-Site`) and which name it resolved (`Host`); no page can
change these. The first two give away a page of another origin, the third a name that an attacker resolves to loopback
(DNS rebinding).
"""

import ipaddress
import json
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]

CORS: Final = "access-control-"
OWN_SITE: Final = ("same-origin", "none")
LINKED: Final = ("/_fargate/ui", "/_fargate/sns")


class Door:
    """Passes a request on to an application, or answers 403 with the reason.

    `names` are host names that clients may use besides `localhost`, its subdomains, and IP addresses.
    """

    def __init__(self, app: WsgiApp, names: Iterable[str] = ()) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request; no answer carries a CORS header."""
        reason = self._objection(environ)
        if reason:
            return refuse(reason, start_response)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            kept = [(name, value) for name, value in headers if not name.lower().startswith(CORS)]
            return start_response(status, kept, exc_info) if exc_info else start_response(status, kept)

        return self._app(environ, start)

    def _objection(self, environ: dict[str, Any]) -> str | None:
        host = environ.get("HTTP_HOST", "")
        if not self._knows(host):
            return (
                f"The host {host!r} is not one of this server's names. Use the address that it printed, "
                "or start it with --allow-host NAME."
            )
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return f"Pages of {origin!r} may not call this server: it serves programs, not web pages."
        if environ.get("HTTP_SEC_FETCH_SITE", "none") not in OWN_SITE and not opens_in_a_tab(environ):
            return "Other web pages may link to objects of this server, but not call it."
        return None

    def _knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name.endswith(".localhost") or name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def opens_in_a_tab(environ: dict[str, Any]) -> bool:
    """Return whether someone follows a link to what may open in a tab of its own: an S3 object, `LINKED`."""
    navigates = (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    )
    # The page holds nothing before it has exchanged its code, which `fargate-local ui` leads to from a file; the links
    # in SNS's mails carry a token.
    return navigates and (environ["PATH_INFO"] in LINKED or is_object(environ))


def is_object(environ: dict[str, Any]) -> bool:
    """Return whether a request is for an S3 object."""
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    scope = query.get("X-Amz-Credential", ["///s3"])[0].split("/")
    return (
        not environ["PATH_INFO"].startswith(("/_fargate/", "/moto-api"))
        and "Action" not in query
        and len(scope) > 3
        and scope[3] == "s3"
    )


def refuse(reason: str, start_response: Any) -> Iterable[bytes]:
    """Answer 403 in the format of an AWS error."""
    body = json.dumps({"__type": "AccessDeniedException", "message": reason}).encode()
    start_response(
        "403 Forbidden",
        [
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Content-Length", str(len(body))),
            ("x-amzn-ErrorType", "AccessDeniedException"),
        ],
    )
    return [body]
