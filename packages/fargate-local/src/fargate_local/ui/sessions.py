"""Who may use the page: a browser that came with a code that its user's own ``fargate-local ui`` was given.

A code is good once and for a minute. What it is exchanged for has two halves, and a call needs both: a cookie, which
no script can read, and a token, which the page keeps in its origin's storage and sends in a header. Browsers send
cookies to every port of a host; a server on another port may so learn the cookie, and never the token.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

CODE_SECONDS: Final = 60.0
SESSION_SECONDS: Final = 12 * 3600.0
MOST: Final = 64
"""Of codes and of sessions; beyond that the oldest goes."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a browser shows with each call."""

    cookie: str = field(repr=False)
    token: str = field(repr=False)


class Sessions:
    """The codes that may be exchanged and the sessions that are open, in memory only. ``now`` is in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._codes: dict[str, float] = {}
        self._sessions: dict[str, tuple[str, float]] = {}

    def new_code(self) -> str:
        """Return a fresh code."""
        code = secrets.token_urlsafe(32)
        with self._lock:
            self._codes[digest(code)] = self._now() + CODE_SECONDS
            drop_oldest(self._codes)
        return code

    def begin(self, code: str) -> Session | None:
        """Return a session for a code, or None when it is unknown, used, or too old."""
        with self._lock:
            until = self._codes.pop(digest(code), 0.0)
            if self._now() >= until:
                return None
            session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
            self._sessions[digest(session.cookie)] = (session.token, self._now() + SESSION_SECONDS)
            drop_oldest(self._sessions)
            return session

    def holds(self, cookie: str, token: str) -> bool:
        """Return whether the two are the halves of a session that is open."""
        with self._lock:
            kept, until = self._sessions.get(digest(cookie), ("", 0.0))
        return hmac.compare_digest(kept.encode(), token.encode()) and self._now() < until


def drop_oldest(kept: dict[str, Any]) -> None:
    """Keep the newest `MOST`."""
    while len(kept) > MOST:
        del kept[next(iter(kept))]


def digest(secret: str) -> str:
    """Return what a secret is looked up by: looking it up takes the same time whatever part of it is right."""
    return hashlib.sha256(secret.encode()).hexdigest()
