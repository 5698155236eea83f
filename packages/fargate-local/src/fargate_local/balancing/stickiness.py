"""Sticky sessions: the cookies in which an application load balancer keeps where a client's requests went.

Application Load Balancer user guide, "Edit target group attributes: sticky sessions", "Target group stickiness";
Network Load Balancer user guide, "Sticky sessions" (read November 2026). What a cookie says is sealed with a key of
this process: after a restart it leads nowhere, and another target is chosen.
"""

import base64
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.cookies import SimpleCookie
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fargate_local.balancing.snapshot import Group, Stickiness, Target

TARGET_COOKIES: Final = ("AWSALB", "AWSALBCORS")
APPLICATION_COOKIE: Final = "AWSALBAPP-0"
GROUP_COOKIES: Final = ("AWSALBTG", "AWSALBTGCORS")
NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes values of cookies that nobody else can read or make."""

    key: AESGCM = field(default_factory=lambda: AESGCM(AESGCM.generate_key(256)))

    def closed(self, content: Any, seconds: float) -> str:
        """Return a value that says `content` for some seconds."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = json.dumps([time.time() + seconds, content]).encode()
        return base64.urlsafe_b64encode(nonce + self.key.encrypt(nonce, text, None)).decode().rstrip("=")

    def opened(self, value: str) -> Any:
        """Return what a value says, None for one that is not ours or says it no more."""
        try:
            sealed = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
            until, content = json.loads(self.key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None))
        except (ValueError, InvalidTag):
            return None
        return content if time.time() < until else None


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of one load balancer's listener."""

    seal: Seal

    def group_of(self, cookies: Mapping[str, str], groups: list[str]) -> str | None:
        """Return the target group that a client's cookies name, if it is one of these."""
        told = self._told(cookies, GROUP_COOKIES)
        return told if told in groups else None

    def target_of(self, cookies: Mapping[str, str], group: Group) -> Target | None:
        """Return the target that a client's cookies name, if it is one of the group."""
        if group.sticky is None:
            return None
        app = group.sticky.kind == "app_cookie"
        if app and group.sticky.cookie not in cookies:
            return None
        told = self._told(cookies, (APPLICATION_COOKIE,) if app else TARGET_COOKIES)
        if not told or told[0] != group.arn:
            return None
        target = Target(told[1], told[2])
        return target if target in group.targets else None

    def _told(self, cookies: Mapping[str, str], names: tuple[str, ...]) -> Any:
        return next((told for name in names if name in cookies and (told := self.seal.opened(cookies[name]))), None)

    def for_group(self, arn: str, seconds: float, *, secure: bool) -> Iterator[str]:
        """Yield the headers that keep a client with a target group."""
        yield from both(GROUP_COOKIES, self.seal.closed(arn, seconds), seconds, secure=secure)

    def for_target(self, group: Group, target: Target, answer: Mapping[str, str], *, secure: bool) -> Iterator[str]:
        """Yield the headers that keep a client with a target, given the names that the answer sets cookies for."""
        sticky = group.sticky
        if sticky is None:
            return
        value = self.seal.closed([group.arn, target.address, target.port], sticky.seconds)
        if sticky.kind == "lb_cookie":
            yield from both(TARGET_COOKIES, value, sticky.seconds, secure=secure)
        elif sticky.cookie in answer:
            yield header(APPLICATION_COOKIE, value, sticky.seconds)


def both(names: tuple[str, ...], value: str, seconds: float, *, secure: bool) -> Iterator[str]:
    """Yield a cookie, and its like for requests from pages of other origins."""
    yield header(names[0], value, seconds)
    yield f"{header(names[1], value, seconds)}; SameSite=None" + ("; Secure" if secure else "")


def header(name: str, value: str, seconds: float) -> str:
    """Return the value of `Set-Cookie`."""
    return f"{name}={value}; Expires={formatdate(time.time() + seconds, usegmt=True)}; Path=/"


def cookies_set(values: list[str]) -> dict[str, str]:
    """Return the cookies that headers `Set-Cookie` set, by name."""
    found: dict[str, str] = {}
    for value in values:
        found |= {name: morsel.value for name, morsel in SimpleCookie(value).items()}
    return found


def group_seconds(action: Mapping[str, Any]) -> float | None:
    """Return for how long an action keeps a client with a target group; None if it does not."""
    configured = (action.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    enabled = str(configured.get("Enabled", "")).lower() == "true"
    return float(configured.get("DurationSeconds") or 0) if enabled else None


def by_source(sticky: Stickiness | None) -> bool:
    """Return whether a client's address decides about its target."""
    return sticky is not None and sticky.kind == "source_ip"
