"""The roles of `infra/ci-roles.yaml` and what `release`, `promote` and `rollback` call, held against each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.templates import read_template

from datavision import aws, infra
from datavision.config import load
from datavision.pins import read_pin
from datavision.release.errors import CanaryError
from datavision.release.promote import promote
from datavision.release.release import release
from datavision.release.rollback import rollback

IAM_NAMES = {"s3:HeadObject": "s3:GetObject", "s3:ListObjectsV2": "s3:ListBucket"}
"""Calls whose permission has another name ("Actions defined by Amazon S3", service authorization reference)."""
PIPELINE = "pipeline_fact_rfm"
NUMBERED = "datavision@123456/platform@456789"
"""How tokens of repositories created or renamed since 15 July 2026 name theirs (GitHub's changelog of 23 April 2026,
"Immutable subject claims for GitHub Actions OIDC tokens")."""
FREE = {"sts:GetCallerIdentity"}
"""Calls that need no permission."""


class Calls:
    """What every client of `datavision.aws` has called, as IAM names it."""

    def __init__(self) -> None:
        self.actions: set[str] = set()

    def __call__(self, model: Any, **_: Any) -> None:
        action = f"{model.service_model.signing_name}:{model.name}"
        self.actions.add(IAM_NAMES.get(action, action))

    def of(self, command: Callable[[], Any]) -> set[str]:
        """Return what `command` calls."""
        self.actions = set()
        command()
        return self.actions - FREE


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    recorder, make = Calls(), aws._client.__wrapped__

    def recorded(*arguments: Any) -> Any:
        client = make(*arguments)
        client.meta.events.register("before-call", recorder)
        return client

    monkeypatch.setattr(aws, "_client", recorded)
    aws._account.cache_clear()
    return recorder


@pytest.fixture
def called(project: Any, calls: Calls, in_order: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """What each command calls when it has everything to do, by the role that does it."""
    monkeypatch.setenv("DATAVISION_IMAGES__CANARY", "true")
    dev, prod = load("dev"), load("prod")
    for module in ("ingesta", "transformacion"):  # other tests of this worker have images of what is not changed
        project.change(f"packages/{module}/src/{module}/__init__.py", "# the roles of CI")

    def at_the_second_try(command: Callable[[], Any]) -> None:
        in_order.unlink(missing_ok=True)
        with pytest.raises(CanaryError):
            command()
        in_order.touch()
        command()

    found = {
        "ReleaseRole": calls.of(lambda: at_the_second_try(lambda: release(dev))),
        "PromoteRole": calls.of(lambda: at_the_second_try(lambda: promote(dev, prod))),
    }
    pinned = read_pin(project.path / "dags", "prod", PIPELINE)
    for image in pinned.images.values():
        aws.checked_client(prod, "ecs").deregister_task_definition(taskDefinition=image.task_definition)
    found["RollbackRole"] = calls.of(lambda: rollback(prod, PIPELINE, pinned.version))
    return found


@pytest.fixture(scope="module")
def template(repository: Path) -> dict[str, Any]:
    return read_template(repository / "infra" / "ci-roles.yaml")


def granted(template: dict[str, Any], role: str) -> set[str]:
    (policy,) = template["Resources"][role]["Properties"]["Policies"]
    actions = [statement["Action"] for statement in policy["PolicyDocument"]["Statement"]]
    return {action for part in actions for action in ([part] if isinstance(part, str) else part)}


@pytest.mark.slow
def test_each_role_may_do_what_its_command_calls_and_the_rest_has_a_reason(
    called: dict[str, set[str]], template: dict[str, Any]
) -> None:
    reasons = template["Metadata"]["NotCalledByUs"]
    roles = {n for n, resource in template["Resources"].items() if resource["Type"] == "AWS::IAM::Role"}
    assert set(called) == set(reasons) == roles
    for role, actions in called.items():
        assert actions - granted(template, role) == set(), f"{role} lacks them"
        assert granted(template, role) - actions - set(reasons[role]) == set(), f"{role} has them for nothing"
        assert set(reasons[role]) & actions == set(), f"{role}: they are called, so they need no reason"
        assert set(reasons[role]) <= granted(template, role)
        assert all(len(reason) > 5 for reason in reasons[role].values())


@pytest.mark.parametrize(
    ("role", "environment"),
    [
        ("ReleaseRole", "${Environment}"),
        ("PromoteRole", "${Environment}"),
        ("RollbackRole", "${Environment}-rollback"),
    ],
)
def test_a_role_is_for_one_environment_of_one_repository_on_github(
    template: dict[str, Any], role: str, environment: str
) -> None:
    (trust,) = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Principal"]["Federated"]["Fn::Sub"].endswith("oidc-provider/token.actions.githubusercontent.com")
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {
                "Fn::Sub": f"repo:${{GithubRepository}}:environment:{environment}"
            },
        }
    }


def test_the_roles_are_made_once_a_repository_is_named(
    project: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both environments are in one account here, which has one identity provider."""
    iam = boto3.client("iam", **cloud.client_args)

    def roles() -> set[str]:
        return {role["RoleName"] for role in iam.list_roles()["Roles"] if "-ci-" in role["RoleName"]}

    infra.deploy(load("dev"))
    assert roles() == set()
    for env, makes, named in (("dev", "true", "datavision/platform"), ("prod", "false", NUMBERED)):
        monkeypatch.setenv("DATAVISION_CI__MAKE_PROVIDER", makes)
        monkeypatch.setenv("DATAVISION_CI__REPOSITORY", named)
        assert infra.deploy(load(env))[f"datavision-{env}-ci-roles"] == "created"
    (provider,) = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert provider["Arn"].endswith("oidc-provider/token.actions.githubusercontent.com")
    expected = ("dev-ci-release", "dev-ci-rollback", "prod-ci-promote", "prod-ci-rollback")
    assert roles() == {f"datavision-{name}" for name in expected}
    for env, named in (("dev", "datavision/platform"), ("prod", NUMBERED)):
        role = iam.get_role(RoleName=f"datavision-{env}-ci-rollback")["Role"]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        claim = trust["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
        assert claim == f"repo:{named}:environment:{env}-rollback"
