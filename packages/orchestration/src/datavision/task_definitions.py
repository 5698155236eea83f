"""ECS task definitions of the modules: their contents, and when a new revision is needed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from datavision.aws import checked_client
from datavision.config import Config
from datavision.infra import secret_arns
from datavision.pins import AIRFLOW

FINGERPRINT_TAG = "datavision:fingerprint"
_SECRET_VARIABLES = {
    "source_url": "DATAVISION_SOURCE__URL",
    "lakehouse_catalog_url": "DATAVISION_LAKEHOUSE__CATALOG_URL",
}


def render(config: Config, module: str, image: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return the RegisterTaskDefinition request for a module, without its tags.

    `image` is `registry/repository@digest`, `secrets` maps keys of `[secrets]` to ARNs.
    """
    settings = config.modules[module]
    size = config.sizes[settings.size]
    role = f"arn:aws:iam::{config.aws.account_id}:role/"
    environment = {
        "DATAVISION_ENV": config.env,
        "DATAVISION_AUDIT__PATH": f"s3://{config.storage.audit_bucket}",
        "DATAVISION_LAKEHOUSE__DATA_PATH": config.storage.lakehouse_path,
        "DATAVISION_LANDING__PATH": config.storage.landing_path,
        "DATAVISION_REPORTS__PATH": config.storage.reports_path,
        **settings.environment,
    }
    return {
        "family": config.task_family(module),
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": str(size.cpu),
        "memory": str(size.memory),
        "executionRoleArn": role + config.execution_role(module),
        "taskRoleArn": role + settings.task_role,
        "runtimePlatform": {"cpuArchitecture": config.ecs.cpu_architecture, "operatingSystemFamily": "LINUX"},
        "volumes": [{"name": "tmp"}],
        "containerDefinitions": [
            {
                "name": module,
                "image": image,
                "essential": True,
                "readonlyRootFilesystem": True,
                "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}],  # noqa: S108 - the container's
                "stopTimeout": settings.stop_timeout_seconds,
                "environment": [{"name": k, "value": v} for k, v in sorted(environment.items())],
                "secrets": [{"name": _SECRET_VARIABLES[k], "valueFrom": secrets[k]} for k in sorted(secrets)],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": config.observability.log_group,
                        "awslogs-region": config.aws.region,
                        "awslogs-stream-prefix": module,
                    },
                },
            }
        ],
    }


def fingerprint(request: Mapping[str, Any]) -> str:
    """Return a hash of a request, which the revision carries: equal means the same content."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class TaskDefinitions:
    """The task definitions of one environment."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ecs = checked_client(config, "ecs")

    def ensure(self, module: str, repository: str, digest: str) -> str:
        """Return `family:revision` of a revision that runs `digest` as configured; empty for Airflow's own image.

        A new one is registered only if the latest active one differs. Those of Airflow's services CloudFormation makes.

        Raises:
            InfraError: A secret does not exist.
        """
        if module == AIRFLOW:
            return ""
        secrets = secret_arns(self._config, self._config.modules[module].secrets)
        request = render(self._config, module, self._config.image_reference(repository, digest), secrets)
        wanted = fingerprint(request)
        latest = self.describe(request["family"])
        if latest is not None and latest["status"] == "ACTIVE" and latest["fingerprint"] == wanted:
            return str(latest["name"])
        tags = {
            FINGERPRINT_TAG: wanted,
            "datavision:environment": self._config.env,
            "datavision:module": module,
        }
        # RegisterTaskDefinition allows one call a second (ECS service quotas, November 2026).
        for attempt in Retrying(
            retry=retry_if_exception(_throttled),
            wait=wait_random_exponential(multiplier=1, max=15),
            stop=stop_after_attempt(8),
            reraise=True,
        ):
            with attempt:
                answer = self._ecs.register_task_definition(
                    **request, tags=[{"key": k, "value": v} for k, v in tags.items()]
                )
        return revision_name(answer["taskDefinition"])

    def describe(self, name: str) -> dict[str, Any] | None:
        """Return `name`, `status`, `image` and `fingerprint` of `family` (its latest revision) or `family:revision`.

        None when it does not exist.
        """
        try:
            answer = self._ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
        except self._ecs.exceptions.ClientException:
            return None
        definition = answer["taskDefinition"]
        tags = {tag["key"]: tag["value"] for tag in answer.get("tags", [])}
        return {
            "name": revision_name(definition),
            "status": definition["status"],
            "image": definition["containerDefinitions"][0]["image"],
            "fingerprint": tags.get(FINGERPRINT_TAG),
        }

    def runs(self, name: str, digest: str) -> bool:
        """Return whether revision `name` is active and runs `digest`; what needs none (an empty name) does."""
        if not name:
            return True
        found = self.describe(name)
        return found is not None and found["status"] == "ACTIVE" and found["image"].endswith(f"@{digest}")


def revision_name(definition: Mapping[str, Any]) -> str:
    """Return `family:revision` of a described task definition."""
    return f"{definition['family']}:{definition['revision']}"


def _throttled(error: BaseException) -> bool:
    response = getattr(error, "response", {})
    return response.get("Error", {}).get("Code") in {"ThrottlingException", "TooManyRequestsException"}
