"""What a Fargate task costs: Linux, per second with a minimum of one minute.

On-demand prices: AWS Fargate pricing page, read on 23 November 2026. For a region that is not in the table, set
`[ecs.price]` in the configuration from that page.
"""

from datavision.config import Ecs, Price
from datavision.errors import ConfigError
from datavision.fargate.sizing.sizes import FargateSize

MINIMUM_SECONDS = 60

ON_DEMAND = {
    ("us-east-1", "X86_64"): Price(cpu_hour=0.04048, gb_hour=0.004445),
    ("us-east-1", "ARM64"): Price(cpu_hour=0.03238, gb_hour=0.00356),
}
"""By region and CPU architecture."""


def price_in(region: str, ecs: Ecs) -> Price:
    """Return the price of the environment's tasks: the configured one, else the table's.

    Raises:
        ConfigError: The configuration has none, and neither has the table for this region.
    """
    if ecs.price is not None:
        return ecs.price
    try:
        return ON_DEMAND[region, ecs.cpu_architecture]
    except KeyError:
        known = ", ".join(sorted({name for name, _ in ON_DEMAND}))
        raise ConfigError(
            f"There is no Fargate price for {ecs.cpu_architecture} in {region} (known: {known}). Set [ecs.price] "
            "cpu_hour and gb_hour in the configuration, in dollars, from the AWS Fargate pricing page."
        ) from None


def cost_usd(size: FargateSize, seconds: float, price: Price, *, spot: bool, part: bool = False) -> float:
    """Return the dollars for `seconds` from the start of the image pull to the stop, or for a part of that time."""
    hours = (seconds if part else max(seconds, MINIMUM_SECONDS)) / 3600
    full = (size.cpu / 1024 * price.cpu_hour + size.memory / 1024 * price.gb_hour) * hours
    return round(full * (price.spot_factor if spot else 1), 6)
