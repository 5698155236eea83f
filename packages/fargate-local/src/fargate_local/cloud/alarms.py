"""What CloudWatch's alarms have for the topics of their actions; moto 5.2 tells nobody of an alarm's state."""

import json
import sys
from typing import Any, Final

from fargate_local.cloud.notifications import is_topic, publish_to
from fargate_local.cloud.replaced import original, replace

REGIONS: Final = {"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-2": "US West (Oregon)",
                  "eu-west-1": "EU (Ireland)", "eu-central-1": "EU (Frankfurt)"}  # fmt: skip
"""Names of regions in alarms' messages; those of others are their ids."""


def extend(service: str, client: Any) -> None:
    """Take moto's alarms over once they are there: other services load them as well."""
    del service, client
    if "moto.cloudwatch.models" in sys.modules:
        publish_alarms()


def publish_alarms() -> None:
    """Have alarms tell the topics of their actions when their state changes, which SetAlarmState alone does here."""
    from moto.cloudwatch import models

    def update_state(self: Any, reason: str, reason_data: str, state_value: str) -> None:
        before = self.state_value
        original(models.Alarm, "update_state")(self, reason, reason_data, state_value)
        actions = {"ALARM": self.alarm_actions, "OK": self.ok_actions}.get(state_value, self.insufficient_data_actions)
        if self.actions_enabled and before != state_value:
            for arn in actions or ():
                if is_topic(arn):
                    tell(arn, self, before)

    replace(models.Alarm, "update_state", update_state)


def tell(topic: str, alarm: Any, before: str) -> None:
    """Publish an alarm's state; a topic that does not exist hears nothing, as on AWS."""
    from moto.sns.exceptions import SNSException

    where = REGIONS.get(alarm.region_name, alarm.region_name)
    subject = f'{alarm.state_value}: "{alarm.name}" in {where}'[:100]
    try:
        publish_to(topic, json.dumps(alarm_message(alarm, before, where)), subject)
    except (SNSException, KeyError):
        return


def alarm_message(alarm: Any, before: str, where: str) -> dict[str, Any]:
    """Return the message of an alarm (CloudWatch's user guide, "Notifying users on alarm changes")."""
    stamp = "%Y-%m-%dT%H:%M:%S.000+0000"
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": alarm.alarm_arn.split(":")[4],
        "AlarmConfigurationUpdatedTimestamp": alarm.configuration_updated_timestamp.strftime(stamp),
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": alarm.state_updated_timestamp.strftime(stamp),
        "Region": where,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic",
            "Statistic": (alarm.statistic or "").upper(),
            "Unit": alarm.unit,
            "Dimensions": [{"value": each.value, "name": each.name} for each in alarm.dimensions],
            "Period": int(alarm.period) if alarm.period else None,
            "EvaluationPeriods": int(alarm.evaluation_periods) if alarm.evaluation_periods else None,
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": alarm.threshold,
            "TreatMissingData": alarm.treat_missing_data or "missing",
        },
    }
