"""Actions of moto's ECS that need to know about real tasks and services: their tags, and how many a cluster has."""

import json
import logging
from dataclasses import replace
from typing import Any

from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.requests import CloudRequest, CloudResponse
from fargate_local.ecs.definition import check_definition
from fargate_local.ecs.services import Services
from fargate_local.ecs.tags import changed_tags
from fargate_local.engine.records import Records
from fargate_local.protocol.arns import ACCOUNT, Names, last_part
from fargate_local.protocol.errors import ClientError, InvalidParameterError
from fargate_local.protocol.shapes import parse

log = logging.getLogger(__name__)

# The defaults; developer guide, "Access Amazon ECS features with account settings". Some launchers
# (dask-cloudprovider) ask for the format of ARNs before they run a task.
DEFAULT_SETTINGS = {
    "serviceLongArnFormat": "enabled",
    "taskLongArnFormat": "enabled",
    "containerInstanceLongArnFormat": "enabled",
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "fargateFIPSMode": "disabled",
    "fargateTaskRetirementWaitPeriod": "7",
    "tagResourceAuthorization": "on",
}

# API reference, "Cluster", statistics.
STATISTICS = (
    "runningEC2TasksCount",
    "runningFargateTasksCount",
    "pendingEC2TasksCount",
    "pendingFargateTasksCount",
    "activeEC2ServiceCount",
    "activeFargateServiceCount",
    "drainingEC2ServiceCount",
    "drainingFargateServiceCount",
)


class ClusterContainsTasksError(ClientError):
    """A cluster cannot be deleted while it has running tasks."""

    code = "ClusterContainsTasksException"


class ClusterContainsServicesError(ClientError):
    """A cluster cannot be deleted while it has services."""

    code = "ClusterContainsServicesException"


class UnsupportedFeatureError(ClientError):
    """moto does not implement it."""

    code = "UnsupportedFeatureException"


class Neighbours:
    """Everything of ECS that is not about tasks or services alone."""

    def __init__(self, gate: MotoGate, records: Records, services: Services) -> None:
        self._gate = gate
        self._records = records
        self._services = services

    def answer(self, request: CloudRequest) -> CloudResponse | bytes:
        """Return our answer, or moto's with corrections.

        Raises:
            EcsError: ECS would reject the request, although moto accepts it.
        """
        parameters = parse(request.action, request.body)
        match request.action:
            case "RegisterTaskDefinition":
                check_definition(parameters)
            case "TagResource" | "UntagResource" | "ListTagsForResource":
                if ":task/" in parameters["resourceArn"]:
                    return self._tags(request.action, parameters)
                if ":service/" in parameters["resourceArn"]:
                    return self._services.tags(request.action, parameters)
            case "ListClusters":
                return self._active_clusters(request)
            case "DescribeClusters":
                return self._counted(self._moto(request), parameters.get("include", []))
            case "ListAccountSettings" if parameters.get("effectiveSettings"):
                return self._effective_settings(request, parameters)
            case "DeleteCluster":
                self._check_empty(request.region, parameters["cluster"])
        return self._moto(request)

    def _moto(self, request: CloudRequest) -> CloudResponse:
        try:
            return self._gate.handle(request)
        except NotImplementedError as error:
            message = f"moto does not implement this use of {request.action}"
            raise UnsupportedFeatureError(message) from error
        except Exception as error:
            log.warning("moto failed at %s", request.action, exc_info=True)
            message = f"moto cannot handle this {request.action} ({type(error).__name__}: {error})"
            raise InvalidParameterError(message) from error

    def _tags(self, action: str, parameters: dict[str, Any]) -> bytes:
        arn = parameters["resourceArn"]
        found = self._records.find([arn])
        if arn not in found:
            message = "The specified task is not found. Specify a valid task ARN and try again."
            raise InvalidParameterError(message)
        tags = json.loads(found[arn][1])
        if action == "ListTagsForResource":
            return json.dumps({"tags": tags}).encode()
        self._records.set_tags(arn, changed_tags(tags, action, parameters))
        return b"{}"

    def _active_clusters(self, request: CloudRequest) -> CloudResponse | bytes:
        """List the active clusters only: moto keeps listing deleted ones, ECS does not."""
        response = self._moto(request)
        if response.code != 200:
            return response
        answer = json.loads(response.content)
        named = replace(
            request,
            headers=request.headers | {"x-amz-target": request.headers["x-amz-target"].replace("List", "Describe")},
            body=json.dumps({"clusters": answer["clusterArns"] or ["none"]}).encode(),
        )
        described = json.loads(self._moto(named).content)["clusters"]
        active = {cluster["clusterArn"] for cluster in described if cluster["status"] != "INACTIVE"}
        return json.dumps(answer | {"clusterArns": [arn for arn in answer["clusterArns"] if arn in active]}).encode()

    def _counted(self, response: CloudResponse, include: list[str]) -> CloudResponse | bytes:
        if response.code != 200:
            return response
        answer = json.loads(response.content)
        for cluster in answer.get("clusters", []):
            counts = self._records.counts(cluster["clusterArn"])
            pending = sum(counts.get(state, 0) for state in ("PROVISIONING", "PENDING", "ACTIVATING"))
            cluster["runningTasksCount"] = counts.get("RUNNING", 0)
            cluster["pendingTasksCount"] = pending
            services = self._services.active(cluster["clusterArn"])
            cluster["activeServicesCount"] = services.count("ACTIVE")
            for name in ("tags", "capacityProviders", "defaultCapacityProviderStrategy", "statistics"):
                cluster.setdefault(name, [])
            if "SETTINGS" not in include:
                cluster["settings"] = []
            if "STATISTICS" in include:
                fargate = {
                    "runningFargateTasksCount": counts.get("RUNNING", 0),
                    "pendingFargateTasksCount": pending,
                    "activeFargateServiceCount": services.count("ACTIVE"),
                    "drainingFargateServiceCount": services.count("DRAINING"),
                }
                cluster["statistics"] = [{"name": name, "value": str(fargate.get(name, 0))} for name in STATISTICS]
        return json.dumps(answer).encode()

    def _effective_settings(self, request: CloudRequest, parameters: dict[str, Any]) -> CloudResponse | bytes:
        # moto filters by value too, so a setting with another value would look like the default here.
        everything = {name: given for name, given in parameters.items() if name != "value"}
        response = self._moto(replace(request, body=json.dumps(everything).encode()))
        if response.code != 200:
            return response
        changed = json.loads(response.content)["settings"]
        principal = f"arn:aws:iam::{ACCOUNT}:root"
        defaults = [
            {"name": name, "value": value, "principalArn": principal, "type": "user"}
            for name, value in DEFAULT_SETTINGS.items()
            if parameters.get("name") in (None, name) and name not in {setting["name"] for setting in changed}
        ]
        wanted = parameters.get("value")
        settings = [setting for setting in changed + defaults if wanted in (None, setting["value"])]
        return json.dumps({"settings": settings}).encode()

    def _check_empty(self, region: str, cluster: str) -> None:
        arn = Names(region).cluster(last_part(cluster))
        if self._services.active(arn):
            message = "The Cluster cannot be deleted while Services are active."
            raise ClusterContainsServicesError(message)
        if self._records.counts(arn):
            message = "The Cluster cannot be deleted while Tasks are active."
            raise ClusterContainsTasksError(message)
