"""What containers cost this month beside the budget; told once for each share of it that is reached."""

from datetime import UTC, datetime
from typing import Any, Final

from datavision import config as configuration
from datavision.alerts.message import budget_message
from datavision.alerts.told import base_url, tell
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.fargate.edge.json_objects import read_json, write_json
from datavision.fargate.outcome.audit import read_days
from datavision.spending import By, spent, total

SHARES: Final = (0.8, 1.0)
_MAX_BYTES: Final = 1024


def check_budget() -> dict[str, Any]:
    """Tell of the month's cost if it has reached another share of the budget.

    Returns:
        `month` (YYYY-MM), `spent` and `budget` in dollars (None: none is set), `share` that was told now (0: none).

    Raises:
        ClientError: The records cannot be read, or what was told cannot be kept.
    """
    config = configuration.load()
    cloud, bucket, budget = Cloud.of(config), config.storage.results_bucket, config.alerts.monthly_budget_usd
    today = day_of(datetime.now(UTC))
    records = read_days(cloud, config.storage.audit_bucket, config.env, today.replace(day=1), today)
    cost, month = total("month", records).cost_usd, f"{today:%Y-%m}"
    found = {"month": month, "spent": cost, "budget": budget, "share": 0.0}
    if budget is None:
        return found
    reached = max((share for share in SHARES if cost >= share * budget), default=0.0)
    key = f"alerts/{config.env}/presupuesto/{month}.json"
    if reached <= float((read_json(cloud, bucket, key, _MAX_BYTES) or {}).get("share", 0)):
        return found
    sums = {item.name: item.cost_usd for item in spent(records, By.PIPELINE)}
    tell(config, budget_message(config.env, today, cost, budget, sums, base_url()))
    write_json(cloud, bucket, key, {"share": reached})
    return {**found, "share": reached}
