"""Metadata for Airflow's provider manager; imports nothing, because every Airflow process loads it."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata: the `@task.fargate` decorator and the links on its tasks."""
    return {
        "package-name": "datavision-orchestration",
        "name": "DataVision",
        "description": "Runs a module's pinned image on ECS Fargate: launched once, never lost, explained.",
        "task-decorators": [{"name": "fargate", "class-name": "datavision.fargate.operator.decorator.fargate_task"}],
        "extra-links": [
            "datavision.fargate.operator.links.LogStreamLink",
            "datavision.fargate.operator.links.EcsTaskLink",
        ],
    }
