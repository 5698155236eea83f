"""One health check of one target."""

import asyncio
import logging

from aiohttp import ClientError, ClientTimeout

from fargate_local.balancing.connections import Connections
from fargate_local.balancing.health import FAILED, HEALTHY, TIMED_OUT, Health, expected_codes, mismatch
from fargate_local.balancing.snapshot import HTTP, Check, Group, Target

log = logging.getLogger(__name__)

USER_AGENT = "ELB-HealthChecker/2.0"
"""Application Load Balancer user guide, "Health checks for your target groups"."""


async def checked(connections: Connections, group: Group, check: Check, target: Target) -> Health:
    """Return `HEALTHY`, or why the target is not."""
    at = Target(target.address, check.port or target.port)
    try:
        async with asyncio.timeout(check.timeout):
            if check.protocol in HTTP:
                return await answered(connections, group, check, at)
            _, writer = await connections.open(group, at)
            writer.close()
            return HEALTHY
    except TimeoutError:
        return TIMED_OUT
    except (ClientError, OSError) as error:
        log.debug("%s of %s: %s", at, group.arn, error)
        return FAILED


async def answered(connections: Connections, group: Group, check: Check, at: Target) -> Health:
    """Return what the answer to a GET means.

    Raises:
        ClientError: There is none.
        TimeoutError: It takes too long.
    """
    url = f"{check.protocol.lower()}://{at.address}:{at.port}{check.path}"
    timeout = ClientTimeout(total=check.timeout)
    session = connections.session(group.vpc)
    async with session.get(url, headers={"User-Agent": USER_AGENT}, timeout=timeout, allow_redirects=False) as answer:
        return HEALTHY if expected_codes(check.matcher)(answer.status) else mismatch(answer.status)
