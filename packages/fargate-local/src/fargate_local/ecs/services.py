"""CreateService, UpdateService, DeleteService, DescribeServices, ListServices; the scheduler does what they ask for."""

import json
import queue
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from fargate_local.clock import Clock
from fargate_local.cloud.catalog import Catalog
from fargate_local.cloud.templates import ServiceWish
from fargate_local.ecs.identifiers import check_identifier
from fargate_local.ecs.launch import Launch, check_run_task
from fargate_local.ecs.pages import check_described, check_page_size
from fargate_local.ecs.service_links import check_load_balancers, check_registries
from fargate_local.ecs.service_requests import (
    DEPLOYED,
    KEPT,
    check_counts,
    check_create,
    deploy,
    deployment_configuration,
    deployment_of,
    launch_request,
    new_service,
)
from fargate_local.ecs.tags import changed_tags
from fargate_local.engine.service_records import ServiceRecord, ServiceRecords
from fargate_local.protocol.arns import Names, last_part
from fargate_local.protocol.errors import ClientError, EcsError, InvalidParameterError, ServiceNotFoundError
from fargate_local.protocol.shapes import fitted, input_shape, parse

DESCRIBE_LIMIT: Final = 10
LIST_LIMIT: Final = 100
LIST_DEFAULT: Final = 10
BREAKER: Final = (
    "Resource handler returned message: \"Error occurred during operation 'ECS Deployment Circuit Breaker was"
    " triggered'.\" (HandlerErrorCode: GeneralServiceException)"
)
"""What a stack says of a service whose circuit breaker gave its deployment up."""


class ServiceNotActiveError(ClientError):
    """The service is being deleted, or has been."""

    code = "ServiceNotActiveException"


class ServiceDrainingError(InvalidParameterError):
    """The last service of this name still has tasks to stop."""


class Services:
    """The answers. Every method raises EcsError for what ECS rejects."""

    def __init__(self, catalog: Catalog, records: ServiceRecords, clock: Clock, on_change: Callable[[], None]) -> None:
        """Keep services in `records`, and have `on_change` called after each change."""
        self._catalog = catalog
        self._records = records
        self._clock = clock
        self._on_change = on_change
        self._wishes: queue.SimpleQueue[ServiceWish] = queue.SimpleQueue()
        self._pending: list[ServiceWish] = []
        self._refused: dict[str, str] = {}
        made: dict[str, Callable[[str, dict[str, Any]], bytes]] = {
            "CreateService": lambda region, request: answer(self.create(region, request)),
            "UpdateService": lambda region, request: answer(self.update(region, request)),
            "DeleteService": lambda region, request: answer(self.delete(region, request)),
            "DescribeServices": self.describe,
            "ListServices": self.listed,
        }
        self.by_name = {action: partial(self._answer, action, make) for action, make in made.items()}

    def _answer(self, action: str, make: Callable[[str, dict[str, Any]], bytes], region: str, body: bytes) -> bytes:
        self.settle()
        return make(region, parse(action, body))

    def wish(self, wish: ServiceWish) -> None:
        """Take what a template wants, to be done before the next answer about services."""
        self._wishes.put(wish)
        self._on_change()

    def settle(self) -> None:
        """Do what templates want; what ECS refuses is kept for the stack that waits for it."""
        with self._records.lock:
            while not self._wishes.empty():
                wish = self._wishes.get()
                if wish.action == "delete":
                    self._pending = [each for each in self._pending if not same_service(each, wish)]
                self._refused.pop(arn_of(wish), None)
                self._pending.append(wish)
            waiting, self._pending = self._pending, []
            for wish in waiting:
                try:
                    self._do(wish)
                except ServiceDrainingError:
                    self._pending.append(wish)
                except EcsError as error:
                    if wish.action != "delete":
                        self._refused[arn_of(wish)] = error.message

    def stability(self, arn: str, since: float) -> str | None:
        """Return nothing while a service is on its way, an empty text once it is steady, or why it will not be.

        `since` is when somebody began to wait for it, in seconds since the epoch.
        """
        self.settle()
        if arn in self._refused:
            return self._refused[arn]
        record = self._records.find(arn)
        if record is None or any(arn_of(wish) == arn for wish in self._pending):
            return None
        if record.notes.get("given_up_at", 0.0) > since:
            return BREAKER
        steady = record.notes.get("steady") and record.primary["rolloutState"] == "COMPLETED"
        return "" if steady else None

    def _do(self, wish: ServiceWish) -> None:
        named = {**wish.properties, "ServiceName": wish.name, "Service": wish.name}
        match wish.action:
            case "create":
                wanted = fitted({"DesiredCount": 1, **named}, input_shape("CreateService"))
                self.create(wish.region, wanted)
            case "update":
                record = self.update(wish.region, fitted(named, input_shape("UpdateService")))
                tags = fitted(named, input_shape("CreateService")).get("tags", [])
                if tags != record.tags:
                    record.tags = tags
                    self._records.save(record)
            case "delete":
                # Its cluster may be gone by now.
                known = self._records.find(arn_of(wish))
                if known and known.body["status"] == "ACTIVE":
                    self._drain(known)

    def create(self, region: str, request: dict[str, Any]) -> ServiceRecord:
        """Create a service, or find the one that the same request created before.

        Raises:
            InvalidParameterError: ECS would reject it, or there is another one of this name.
            ServiceDrainingError: The last one of this name still has tasks to stop.
        """
        launch = check_create(self._catalog, region, request)
        with self._records.lock:
            known = self._records.find(Names(region).service(launch.cluster_name, request["serviceName"]))
            if known and known.body["status"] == "DRAINING":
                message = "Unable to Start a service that is still Draining."
                raise ServiceDrainingError(message)
            if known and known.body["status"] == "ACTIVE":
                if known.notes.get("request") == request:
                    return known
                message = "Creation of service was not idempotent."
                raise InvalidParameterError(message)
            body = new_service(region, request, launch, self._clock.now())
            record = ServiceRecord(body, request.get("tags", []), {"request": request})
            self._records.save(record)
        self._on_change()
        return record

    def update(self, region: str, request: dict[str, Any]) -> ServiceRecord:
        """Change a service; what its tasks run changes with a new deployment.

        Raises:
            ServiceNotFoundError: There is none of this name.
            ServiceNotActiveError: It is being deleted.
        """
        with self._records.lock:
            record = self._known(region, request.get("cluster"), request["service"])
            if record.body["status"] != "ACTIVE":
                message = "Service was not ACTIVE."
                raise ServiceNotActiveError(message)
            body = record.body
            configured = deployment_configuration(
                body["deploymentConfiguration"], request.get("deploymentConfiguration", {})
            )
            request = {**request, "deploymentConfiguration": configured}
            check_counts(request)
            launch = self._next_launch(region, record, request)
            body |= {name: request[name] for name in KEPT if name in request}
            if launch:
                deploy(body, request, launch, self._clock.now())
                record.notes |= {"failures": 0, "not_before": 0.0}
            record.primary["desiredCount"] = body["desiredCount"]
            record.notes |= {"request": None, "steady": False}
            self._records.save(record)
        self._on_change()
        return record

    def _next_launch(self, region: str, record: ServiceRecord, request: dict[str, Any]) -> Launch | None:
        """Return the launch of an update's new deployment, or None where it changes nothing that tasks run."""
        wanted = {name: request[name] for name in DEPLOYED if name in request}
        forced = request.get("forceNewDeployment")
        if not wanted and not forced:
            return None
        spec = {**record.primary, **wanted}
        if wanted.get("launchType"):
            spec.pop("capacityProviderStrategy", None)
        elif wanted.get("capacityProviderStrategy"):
            spec.pop("launchType", None)
        launch = check_run_task(self._catalog, region, launch_request(record.body, spec))
        links = wanted.get("loadBalancers", record.body["loadBalancers"])
        check_load_balancers(self._catalog, region, links, launch.definition)
        registries = wanted.get("serviceRegistries", record.body["serviceRegistries"])
        check_registries(self._catalog, region, registries, launch.definition)
        return launch if forced or changes(record.body, launch, wanted) else None

    def delete(self, region: str, request: dict[str, Any]) -> ServiceRecord:
        """Let a service drain: its tasks are stopped, then it is INACTIVE.

        Raises:
            ServiceNotFoundError: There is none of this name.
            InvalidParameterError: It wants tasks, and `force` is not set.
        """
        with self._records.lock:
            record = self._known(region, request.get("cluster"), request["service"])
            if record.body["status"] == "INACTIVE":
                raise ServiceNotFoundError
            if record.body["desiredCount"] > 0 and not request.get("force"):
                message = "The service cannot be stopped while it is scaled above 0."
                raise InvalidParameterError(message)
            self._drain(record)
        return record

    def _drain(self, record: ServiceRecord) -> None:
        record.body |= {"status": "DRAINING", "desiredCount": 0}
        record.primary["desiredCount"] = 0
        self._records.save(record)
        self._on_change()

    def describe(self, region: str, request: dict[str, Any]) -> bytes:
        """Return up to ten services; unknown ones are MISSING.

        Raises:
            InvalidParameterError: The request names none, or more than ten.
        """
        cluster = self._cluster(region, request.get("cluster"))
        wanted = request.get("services", [])
        check_described("Services", wanted, DESCRIBE_LIMIT)
        found, failures = [], []
        for identifier in wanted:
            check_identifier(region, identifier)
            arn = Names(region).service(cluster, identifier)
            record = self._records.find(arn)
            if record is None:
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                found.append(shown(record, with_tags="TAGS" in request.get("include", [])))
        return dump({"services": found, "failures": failures})

    def listed(self, region: str, request: dict[str, Any]) -> bytes:
        """Return the ARNs of a cluster's services, one page at a time.

        Raises:
            InvalidParameterError: `maxResults` is out of range, or the token is not one of ours.
        """
        arn = self._catalog.cluster(region, request.get("cluster"))["clusterArn"]
        limit = request.get("maxResults", LIST_DEFAULT)
        check_page_size(limit, LIST_LIMIT)
        arns = [
            record.arn
            for record in self._records.alive(arn)
            if request.get("launchType") in (None, record.body.get("launchType"))
            and request.get("schedulingStrategy") in (None, "REPLICA")
        ]
        after = request.get("nextToken", "")
        rest = [each for each in arns if each > after]
        more = {"nextToken": rest[limit - 1]} if len(rest) > limit else {}
        return dump({"serviceArns": rest[:limit], **more})

    def check(self, region: str, cluster: str, identifier: str) -> None:
        """Check that a cluster has a service.

        Raises:
            ServiceNotFoundError: It has no such service.
        """
        record = self._records.find(Names(region).service(cluster, identifier))
        if record is None or record.body["status"] == "INACTIVE":
            raise ServiceNotFoundError

    def active(self, cluster_arn: str) -> list[str]:
        """Return the status of each service of a cluster that is not INACTIVE."""
        return [record.body["status"] for record in self._records.alive(cluster_arn)]

    def tags(self, action: str, parameters: dict[str, Any]) -> bytes:
        """Answer TagResource, UntagResource or ListTagsForResource of a service.

        Raises:
            InvalidParameterError: There is no such service.
        """
        with self._records.lock:
            record = self._records.find(parameters["resourceArn"])
            if record is None:
                message = "The specified service is not found. Specify a valid service ARN and try again."
                raise InvalidParameterError(message)
            if action == "ListTagsForResource":
                return dump({"tags": record.tags})
            record.tags = changed_tags(record.tags, action, parameters)
            self._records.save(record)
        return b"{}"

    def _cluster(self, region: str, identifier: str | None) -> str:
        check_identifier(region, identifier)
        name: str = self._catalog.cluster(region, identifier)["clusterName"]
        return name

    def _known(self, region: str, cluster: str | None, identifier: str) -> ServiceRecord:
        check_identifier(region, identifier)
        record = self._records.find(Names(region).service(self._cluster(region, cluster), identifier))
        if record is None:
            raise ServiceNotFoundError
        return record


def arn_of(wish: ServiceWish) -> str:
    """Return the ARN of the service that a template wants something of."""
    return Names(wish.region).service(last_part(str(wish.properties.get("Cluster", "default"))), wish.name)


def same_service(wish: ServiceWish, other: ServiceWish) -> bool:
    """Return whether two wishes are about one service."""
    return arn_of(wish) == arn_of(other)


def changes(body: dict[str, Any], launch: Launch, wanted: dict[str, Any]) -> bool:
    """Return whether what a service is to run differs from what it runs."""
    after = deployment_of(launch)
    known = {**body["deployments"][0], **{name: body[name] for name in ("loadBalancers", "serviceRegistries")}}
    return any(known.get(name) != value for name, value in {**wanted, **after}.items())


def shown(record: ServiceRecord, *, with_tags: bool) -> dict[str, Any]:
    """Return a service as the API shows it."""
    return {**record.body, "tags": record.tags} if with_tags else record.body


def answer(record: ServiceRecord) -> bytes:
    """Return the answer to a request that changed a service."""
    return dump({"service": shown(record, with_tags=True)})


def dump(content: dict[str, Any]) -> bytes:
    """Return an answer as JSON text."""
    return json.dumps(content, separators=(",", ":")).encode()
