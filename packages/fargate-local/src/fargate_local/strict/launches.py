"""What a launch needs beyond the caller's permission.

Roles that ECS may assume, quota, and an execution role that may do what Fargate does with it before the containers
start.

Texts: Amazon ECS developer guide, "Stopped tasks error messages" and "API failure reasons", and those that users quote
in aws/copilot-cli#4504 (SSM), GiamPy5/terraform-aws-directus#10 (Secrets Manager), terraform-aws-modules/
terraform-aws-ecs#313 (log groups), aws/aws-cdk#29876 (403 from ECR) (read November 2026).
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from fargate_local.ecs.launch import Launch
from fargate_local.engine.records import Records
from fargate_local.protocol import reasons
from fargate_local.protocol.arns import ACCOUNT
from fargate_local.protocol.errors import ClientError, StartError
from fargate_local.protocol.plan import ContainerPlan, TaskPlan
from fargate_local.runtimes.references import Reference, parse_reference
from fargate_local.strict import account
from fargate_local.strict.authorizer import Authorizer, Denial
from fargate_local.strict.ecs_calls import TASKS
from fargate_local.strict.network import Network, Way
from fargate_local.strict.policy import Need, Policies, Principal, decide, parse_policy, stopped_at_endpoint

UNITS: Final = 1024
NEW_ACCOUNT_VCPUS: Final = 6.0
"""AWS General Reference, "Amazon ECS endpoints and quotas": Fargate On-Demand and Spot vCPU resource count, each."""
VCPU_LIMIT: Final = (
    "You've reached the limit on the number of vCPUs you can run concurrently. For more information, see the"
    " Troubleshooting section of the Amazon ECS Developer Guide."
)


@dataclass(frozen=True, slots=True)
class Launches:
    """Judges launches: RunTask asks `check` and `failures`, a starting task `before_start`."""

    authorizer: Authorizer
    records: Records
    network: Network | None = None
    vcpus: float = NEW_ACCOUNT_VCPUS

    def check(self, launch: Launch) -> None:
        """Check that ECS may assume the launch's roles for its tasks.

        Raises:
            ClientError: It may not.
        """
        overrides = launch.request.get("overrides", {})
        for key in ("taskRoleArn", "executionRoleArn"):
            role = overrides.get(key) or launch.definition.get(key)
            if role and not may_assume(role, launch.region):
                raise ClientError(reasons.cannot_assume(role))

    def failures(self, launches: Sequence[Launch]) -> list[dict[str, str] | None]:
        """Return, for each launch of a request, the failure when the vCPU quota does not suffice, or else None."""
        used: Counter[bool] = Counter()
        for body in self.records.unfinished():
            if body["taskArn"].split(":")[3] == launches[0].region:
                used[body.get("capacityProviderName") == "FARGATE_SPOT"] += int(body["cpu"])
        outcomes: list[dict[str, str] | None] = []
        for launch in launches:
            spot = launch.capacity_provider == "FARGATE_SPOT"
            fits = used[spot] + launch.cpu <= self.vcpus * UNITS
            used[spot] += launch.cpu if fits else 0
            outcomes.append(None if fits else {"reason": VCPU_LIMIT})
        return outcomes

    def before_start(self, plan: TaskPlan) -> None:
        """Check that Fargate can start a task with its execution role and from its subnet.

        Raises:
            StartError: The role lacks a permission, or a service cannot be reached; the text is ECS's.
        """
        user = account.role_session(plan.execution_role, plan.task_id) if plan.execution_role else None
        for container in plan.containers:
            self._secrets(plan, container, user)
        for container in plan.containers:
            self._image(plan, container, user)
        for container in plan.containers:
            self._files(plan, container, user)
            self._logs(plan, container, user)

    def _denial(self, user: Principal | None, need: Need, plan: TaskPlan, service: str) -> Denial | None:
        # Without a role there is no caller; what needs one was refused when the definition was registered.
        return self.authorizer.denial(user, need, way=self._way(plan, service)) if user else None

    def _way(self, plan: TaskPlan, service: str) -> Way | None:
        return self.network.way(plan, service) if self.network else None

    def _reach(self, plan: TaskPlan, service: str) -> str | None:
        """Return the address at which a service cannot be reached from the task's subnet; None when it can."""
        return self.network.unreachable(plan, service) if self.network else None

    def _secrets(self, plan: TaskPlan, container: ContainerPlan, user: Principal | None) -> None:
        for value_from in container.secrets.values():
            if ":secretsmanager:" in value_from:
                arn = ":".join(value_from.split(":")[:7])
                region = arn.split(":")[3]
                if self._reach(plan, "secretsmanager"):
                    raise StartError(reasons.secret_unreachable(region))
                secret = account.secret_named(region, arn)
                full = secret.arn if secret else arn
                need = Need("secretsmanager:GetSecretValue", full, tags=partial(account.tags_of, full))
                if denial := self._denial(user, need, plan, "secretsmanager"):
                    detail = f"failed to fetch secret {arn} from secrets manager: {refusal(denial)}"
                    raise StartError(reasons.secret_missing(detail))
            else:
                name = value_from.split(":parameter/")[-1].lstrip("/")
                region = value_from.split(":")[3] if value_from.startswith("arn:") else plan.region
                if self._reach(plan, "ssm"):
                    raise StartError(reasons.parameter_unreachable())
                arn = f"arn:aws:ssm:{region}:{ACCOUNT}:parameter/{name}"
                if denial := self._denial(user, Need("ssm:GetParameters", arn), plan, "ssm"):
                    raise StartError(reasons.parameters_refused(refusal(denial)))

    def _image(self, plan: TaskPlan, container: ContainerPlan, user: Principal | None) -> None:
        image = parse_reference(container.image)
        if image.ecr_region:
            self._log_in(plan, image.ecr_region, user)
            self._pull(plan, container, image, user)
        elif container.image.partition(":")[0] != "host" and self._reach(plan, "internet"):
            raise StartError(reasons.pull_timed_out(container.image), container.name)

    def _log_in(self, plan: TaskPlan, region: str, user: Principal | None) -> None:
        if address := self._reach(plan, "ecr.api"):
            raise StartError(reasons.registry_unreachable(region, address))
        if denial := self._denial(user, Need("ecr:GetAuthorizationToken"), plan, "ecr.api"):
            raise StartError(reasons.registry_refused(refusal(denial)))

    def _pull(self, plan: TaskPlan, container: ContainerPlan, image: Reference, user: Principal | None) -> None:
        if self._reach(plan, "ecr.dkr"):
            raise StartError(reasons.pull_timed_out(container.image), container.name)
        repository = f"arn:aws:ecr:{image.ecr_region}:{ACCOUNT}:repository/{image.repository}"
        # Asked for by some pulls and in AWS's own policy for this role, though none fails without it.
        optional = Need("ecr:BatchCheckLayerAvailability", repository)
        if user and self.authorizer.allows(user, optional, way=self._way(plan, "ecr.dkr")):
            self._denial(user, optional, plan, "ecr.dkr")
        for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
            if self._denial(user, Need(action, repository), plan, "ecr.dkr"):
                manifest = image.digest or image.tag or "latest"
                raise StartError(reasons.pull_forbidden(container.image, manifest), container.name)
        if self._reach(plan, "s3"):
            raise StartError(reasons.layers_timed_out(container.image, str(image.ecr_region)), container.name)
        if (way := self._way(plan, "s3")) and not lets_layers_through(way, str(image.ecr_region)):
            raise StartError(reasons.layers_forbidden(container.image, str(image.ecr_region)), container.name)

    def _files(self, plan: TaskPlan, container: ContainerPlan, user: Principal | None) -> None:
        for arn in container.environment_files:
            bucket, _, key = arn.split(":::", 1)[-1].partition("/")
            if self._reach(plan, "s3"):
                raise StartError(
                    reasons.environment_file_missing(bucket, key, "RequestCanceled: request context canceled")
                )
            if self._denial(user, Need("s3:GetObject", arn), plan, "s3"):
                detail = f"AccessDenied: Access Denied status code: 403, request id: {uuid.uuid4()}"
                raise StartError(reasons.environment_file_missing(bucket, key, detail))

    def _logs(self, plan: TaskPlan, container: ContainerPlan, user: Principal | None) -> None:
        target = container.logs
        if target is None:
            return
        group = f"arn:aws:logs:{target.region}:{ACCOUNT}:log-group:{target.group}:log-stream:"
        if address := self._reach(plan, "logs"):
            raise StartError(reasons.logs_unreachable(target.region, address))
        if target.create_group and (denial := self._denial(user, Need("logs:CreateLogGroup", group), plan, "logs")):
            raise StartError(reasons.logs_refused("group", refusal(denial)))
        if denial := self._denial(user, Need("logs:CreateLogStream", group + target.stream), plan, "logs"):
            raise StartError(reasons.logs_refused("stream", refusal(denial)))
        # A container whose lines are refused runs all the same: the agent drops them.
        self._denial(user, Need("logs:PutLogEvents", group + target.stream), plan, "logs")


def lets_layers_through(way: Way, region: str) -> bool:
    """Return whether an endpoint lets image layers through, which ECR signs for with an account of its own.

    ECR user guide, "Minimum Amazon S3 Bucket Permissions for Amazon ECR" (read November 2026).
    """
    layer = f"arn:aws:s3:::prod-{region}-starport-layer-bucket/*"
    nobody = Principal("ecr", "ecr", "", "Service", {**way.context, "aws:ResourceAccount": ("",)})
    return not stopped_at_endpoint(nobody, Need("s3:GetObject", layer), parse_policy(way.endpoint, way.policy))


def may_assume(role: str, region: str, service: str = "ecs") -> bool:
    """Return whether a role's trust policy lets ECS assume it for tasks of this account, or another service."""
    trust = account.resource_policy(role)
    name = TASKS if service == "ecs" else f"{service}.amazonaws.com"
    principal = account.service_principal(name, f"arn:aws:{service}:{region}:{ACCOUNT}:*")
    policies = Policies(resource=parse_policy(role, trust or "{}"), must_trust=True)
    return decide(principal, Need("sts:AssumeRole", role), policies).allowed


def refusal(denial: Denial) -> str:
    """Return an error in the words of the AWS SDK that Fargate's agent uses."""
    return f"AccessDeniedException: {denial} status code: 400, request id: {uuid.uuid4()}"
