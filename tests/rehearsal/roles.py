"""Who may do what in the account: whoever signs as one of its roles, and calls that each of them must be refused."""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from tests.rehearsal.account import ACCOUNT, CLUSTER, Account

Call = tuple[str, str, str, dict[str, Any]]
"""A role's name after `datavision-dev-`, a service, an operation of it and its parameters."""
SOURCE_URL = {"SecretId": "datavision/dev/source-url"}
AIRFLOWS_DATABASE = {"SecretId": "datavision/dev/airflow-database-url"}
A_TASK = {"cluster": CLUSTER, "task": "0" * 32}
AN_IMAGE = {"repositoryName": "datavision/ingesta"}
RIGHTS = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def bucket(name: str) -> str:
    """A bucket's name."""
    return f"datavision-dev-{name}-{ACCOUNT}"


REFUSED: dict[str, Call] = {
    "who starts ingesta reads Airflow's database": (
        ("execution-ingesta", "secretsmanager", "get_secret_value", AIRFLOWS_DATABASE)
    ),
    "who starts transformacion reads ingesta's source": (
        ("execution-transformacion", "secretsmanager", "get_secret_value", SOURCE_URL)
    ),
    "who starts Airflow reads a module's source": (
        ("airflow-execution", "secretsmanager", "get_secret_value", SOURCE_URL)
    ),
    "the bootstrap reads a module's source": ("bootstrap", "secretsmanager", "get_secret_value", SOURCE_URL),
    "ingesta stops a task": ("ingesta", "ecs", "stop_task", A_TASK),
    "transformacion stops a task": ("transformacion", "ecs", "stop_task", A_TASK),
    "transformacion reads what ingesta landed": (
        ("transformacion", "s3", "get_object", {"Bucket": bucket("raw"), "Key": "landing/x"})
    ),
    "Airflow reads the data": ("airflow", "s3", "get_object", {"Bucket": bucket("lakehouse"), "Key": "lake/x"}),
    "Airflow deletes an audit record": (
        ("airflow", "s3", "delete_object", {"Bucket": bucket("audit"), "Key": "audit/x"})
    ),
    "Airflow reads its own database's URL a second time": (
        ("airflow", "secretsmanager", "get_secret_value", AIRFLOWS_DATABASE)
    ),
    "the watchdog stops a task": ("watchdog", "ecs", "stop_task", A_TASK),
    "CI's rollback pushes an image": ("ci-rollback", "ecr", "initiate_layer_upload", AN_IMAGE),
    "CI's release reads a secret": ("ci-release", "secretsmanager", "get_secret_value", SOURCE_URL),
    "CI's release gives itself rights": (
        "ci-release",
        "iam",
        "put_role_policy",
        {"RoleName": f"{CLUSTER}-ci-release", "PolicyName": "more", "PolicyDocument": RIGHTS},
    ),
}

BORNE = {("ci-rollback", "ecr:BatchGetImage")}
"""What is refused and does no harm: on the embedded cloud alone, which has records of folders, a rollback would look
whether layers are there. It then takes the record's word (`datavision.images.registry.Registry.has_layers`)."""


def keys_of(account: Account, role: str) -> dict[str, str]:
    """Variables with credentials of a role.

    GitHub's tokens and ECS's service are all that its trust lets in: the account itself is let in for this moment.
    """
    iam, name = account.client("iam"), f"{CLUSTER}-{role}"
    described = iam.get_role(RoleName=name)["Role"]
    trust = described["AssumeRolePolicyDocument"]
    ours = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    opened = {**trust, "Statement": [*trust["Statement"], ours]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
    sts = account.client("sts")
    given = sts.assume_role(RoleArn=described["Arn"], RoleSessionName="rehearsal")["Credentials"]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def read_reasons() -> dict[str, dict[str, str]]:
    """Why roles are granted what the rehearsal does not use: role, then as `unused` says it, then the reason."""
    return tomllib.loads(Path(__file__).with_name("unused.toml").read_text())


def unused(role: dict[str, Any]) -> set[str]:
    """What a role was granted and never used: the statement's name with an action, or with a resource if all were."""
    return {
        f"{each['statement']} {what}"
        for each in role["unused"]
        for what in each["actions"] or [resource.split(":", 5)[-1] for resource in each["resources"]]
    }


def granted(account: Account, role: str) -> set[str]:
    """What a role is granted, as `unused` says it."""
    iam, found = account.client("iam"), set()
    for policy in iam.list_role_policies(RoleName=f"{CLUSTER}-{role}")["PolicyNames"]:
        document = iam.get_role_policy(RoleName=f"{CLUSTER}-{role}", PolicyName=policy)["PolicyDocument"]
        for statement in document["Statement"]:
            places = [resource.split(":", 5)[-1] for resource in listed(statement["Resource"])]
            found |= {f"{statement['Sid']} {what}" for what in listed(statement["Action"]) + places}
    return found


def listed(value: str | list[str]) -> list[str]:
    """Return what may be one or several in a policy as a list."""
    return [value] if isinstance(value, str) else value


@contextmanager
def signing_as(account: Account, role: str) -> Iterator[None]:
    """Let the commands in the block sign as a role."""
    account.keys = keys_of(account, role)
    try:
        yield
    finally:
        account.keys = {}


def refusal(account: Account, what: str) -> str:
    """Make one of the calls as its role; return why it is refused, empty if it is not."""
    role, service, operation, parameters = REFUSED[what]
    keys = {name.lower(): value for name, value in keys_of(account, role).items()}
    client = boto3.client(service, **account.cloud.client_args | keys)
    try:
        getattr(client, operation)(**parameters)
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    return ""


def action_of(call: Call) -> str:
    """The permission that a call needs."""
    _, service, operation, _ = call
    return f"{service}:{operation.title().replace('_', '')}"
