"""Buttons on the task in the UI: its log stream and its ECS task in the AWS console."""

from typing import ClassVar
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.types import TaskInstanceKey

from datavision.config import Config
from datavision.environment import Environment
from datavision.fargate.edge.logs import LogStream


def console_links(config: Config, stream: LogStream, arn: str) -> dict[str, str]:
    """Return what the buttons of a launched task lead to, by XCom key; nothing where there is no console."""
    if not Environment(config).has_console:
        return {}
    return {
        LogStreamLink().xcom_key: log_stream_url(config.aws.region, stream.group, stream.name),
        EcsTaskLink().xcom_key: ecs_task_url(config.aws.region, config.ecs.cluster, arn),
    }


def log_stream_url(region: str, group: str, stream: str) -> str:
    """Return the address of a log stream in the CloudWatch console."""
    # The console escapes twice, with $ in the place of %.
    escaped = [quote(quote(part, safe=""), safe="").replace("%", "$") for part in (group, stream)]
    return (
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logsV2:log-groups/log-group/{escaped[0]}/log-events/{escaped[1]}"
    )


def ecs_task_url(region: str, cluster: str, arn: str) -> str:
    """Return the address of a task in the ECS console."""
    task_id = arn.rsplit("/", 1)[-1]
    return f"https://{region}.console.aws.amazon.com/ecs/v2/clusters/{cluster}/tasks/{task_id}/configuration?region={region}"


class _StoredLink(BaseOperatorLink):
    """A link that the operator stored at launch."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the stored address; empty before the first launch and on the embedded cloud."""
        from airflow.sdk.execution_time.xcom import XCom

        value = XCom.get_value(ti_key=ti_key, key=self.xcom_key)
        return str(value) if value else ""


class LogStreamLink(_StoredLink):
    """The container's log stream."""

    operators: ClassVar[list[type[BaseOperator]]] = []

    @property
    def name(self) -> str:
        """The button's text."""
        return "CloudWatch log"

    @property
    def xcom_key(self) -> str:
        """Where the address is stored."""
        return "_link_log_stream"


class EcsTaskLink(_StoredLink):
    """The ECS task."""

    operators: ClassVar[list[type[BaseOperator]]] = []

    @property
    def name(self) -> str:
        """The button's text."""
        return "ECS task"

    @property
    def xcom_key(self) -> str:
        """Where the address is stored."""
        return "_link_ecs_task"
