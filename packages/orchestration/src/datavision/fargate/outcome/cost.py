"""What a Fargate task costs.

Prices: AWS Fargate pricing page, us-east-1, Linux, November 2026; per second with a minimum of one minute.
"""

from dataclasses import dataclass

from datavision.fargate.sizing.sizes import FargateSize

MINIMUM_SECONDS = 60


@dataclass(frozen=True)
class Price:
    """Dollars per vCPU-hour and per GB-hour."""

    cpu_hour: float
    gb_hour: float


ON_DEMAND = {"X86_64": Price(0.04048, 0.004445), "ARM64": Price(0.03238, 0.00356)}
SPOT_FACTOR = 0.3
"""Spot costs up to 70 % less; its price varies, so a Spot cost is an estimate."""


def cost_usd(size: FargateSize, seconds: float, architecture: str, *, spot: bool) -> float:
    """Return dollars for `seconds` from the start of the image pull to the stop."""
    price = ON_DEMAND[architecture]
    hours = max(seconds, MINIMUM_SECONDS) / 3600
    full = (size.cpu / 1024 * price.cpu_hour + size.memory / 1024 * price.gb_hour) * hours
    return round(full * (SPOT_FACTOR if spot else 1), 6)
