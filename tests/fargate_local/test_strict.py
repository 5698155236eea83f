"""A strict server asks for every call whether its signer may: stock clients, roles, users, tasks."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.support.strict_cloud import Account

from fargate_local import FargateLocal

PYTHON = sys.executable


def refused(call: Any, **parameters: Any) -> Any:
    """The error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]


def fetched(url: Any) -> Any:
    """(status, content) of a URL; the content of a refusal does not matter."""
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, b""


def allow(action: Any, resource: Any = "*", **more: Any) -> Any:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> Any:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def policy(*statements: Any) -> Any:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def name() -> Any:
    return f"n-{uuid.uuid4().hex[:12]}"


# The sentence: IAM user guide, "Troubleshoot access denied error messages". The code: each service's "Common errors".
@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "action", "resource"),
    [
        ("ecs", "list_clusters", {}, "AccessDeniedException", "ecs:ListClusters", "*"),
        (
            "ecs",
            "describe_tasks",
            {"cluster": "tests", "tasks": ["0" * 32]},
            "AccessDeniedException",
            "ecs:DescribeTasks",
            f"arn:aws:ecs:us-east-1:123456789012:task/tests/{'0' * 32}",
        ),
        ("ecr", "get_authorization_token", {}, "AccessDeniedException", "ecr:GetAuthorizationToken", "*"),
        ("iam", "get_role", {"RoleName": "r"}, "AccessDenied", "iam:GetRole", "arn:aws:iam::123456789012:role/r"),
        ("s3", "list_objects_v2", {"Bucket": "b"}, "AccessDenied", "s3:ListBucket", '"arn:aws:s3:::b"'),
        ("sqs", "list_queues", {}, "AccessDenied", "sqs:listqueues", "*"),
        ("ssm", "describe_parameters", {}, "AccessDeniedException", "ssm:DescribeParameters", "*"),
        ("lambda", "list_functions", {}, "AccessDeniedException", "lambda:ListFunctions", "*"),
        ("cloudformation", "list_stacks", {}, "AccessDenied", "cloudformation:ListStacks", "*"),
    ],
)
def test_a_role_without_permission_is_refused_in_awss_words(
    strict: Account, service: Any, operation: Any, parameters: Any, code: Any, action: Any, resource: Any
) -> None:
    role = strict.role()
    error = refused(getattr(strict.session(role, "me")(service), operation), **parameters)
    user = f"arn:aws:sts::123456789012:assumed-role/{role.rpartition('/')[2]}/me"
    assert error["Code"] == code
    assert error["Message"] == (
        f"User: {user} is not authorized to perform: {action} on resource: {resource}"
        f" because no identity-based policy allows the {action} action"
    )


def test_ec2_has_a_code_and_a_first_sentence_of_its_own(strict: Account) -> None:
    error = refused(strict.may()("ec2").describe_vpcs)
    assert error["Code"] == "UnauthorizedOperation"
    assert error["Message"].startswith("You are not authorized to perform this operation. User: arn:aws:sts::")


def test_the_servers_key_is_the_accounts_root_and_may_do_everything(strict: Account) -> None:
    strict.client("ecs").list_clusters()
    strict.client("iam").list_roles()
    strict.client("s3").list_buckets()


def test_everybody_may_ask_who_he_is_whatever_is_denied(strict: Account) -> None:
    role = strict.role(deny("*"))
    assert f"assumed-role/{role.rpartition('/')[2]}/" in strict.session(role)("sts").get_caller_identity()["Arn"]


def test_inline_customer_managed_and_aws_managed_policies_grant(strict: Account) -> None:
    iam, role = strict.client("iam"), strict.role(allow("ecs:ListClusters"))
    client = strict.session(role)
    client("ecs").list_clusters()
    refused(client("ssm").describe_parameters)
    own = iam.create_policy(PolicyName=name(), PolicyDocument=policy(allow("ssm:DescribeParameters")))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role.rpartition("/")[2], PolicyArn=own)
    client("ssm").describe_parameters()
    refused(client("ecr").get_authorization_token)
    aws = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    iam.attach_role_policy(RoleName=role.rpartition("/")[2], PolicyArn=aws)
    client("ecr").get_authorization_token()
    iam.detach_role_policy(RoleName=role.rpartition("/")[2], PolicyArn=aws)
    refused(client("ecr").get_authorization_token)


def test_a_user_has_its_own_policies_and_those_of_its_groups(strict: Account) -> None:
    iam, user, group = strict.client("iam"), name(), name()
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    ecs = boto3.client("ecs", **strict.cloud.client_args | keys)
    assert f"User: arn:aws:iam::123456789012:user/{user} is not" in refused(ecs.list_clusters)["Message"]
    iam.create_group(GroupName=group)
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=policy(allow("ecs:ListClusters")))
    iam.add_user_to_group(GroupName=group, UserName=user)
    ecs.list_clusters()
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy(deny("ecs:*")))
    assert refused(ecs.list_clusters)["Message"].endswith("with an explicit deny in an identity-based policy")


def test_a_permissions_boundary_and_a_session_policy_limit_a_role(strict: Account) -> None:
    iam = strict.client("iam")
    limit = iam.create_policy(PolicyName=name(), PolicyDocument=policy(allow("ssm:*")))["Policy"]["Arn"]
    within = strict.session(strict.role(allow("*"), PermissionsBoundary=limit))
    within("ssm").describe_parameters()
    assert "because no permissions boundary allows" in refused(within("ecs").list_clusters)["Message"]
    narrowed = strict.session(strict.role(allow("*")), Policy=policy(allow("ecs:List*")))
    narrowed("ecs").list_clusters()
    assert "because no session policy allows" in refused(narrowed("ssm").describe_parameters)["Message"]


def test_a_role_is_assumed_only_by_whom_it_trusts(strict: Account) -> None:
    caller = strict.role(allow("sts:AssumeRole"))
    trusting = strict.role(trusted={"AWS": caller})
    other = strict.role(trusted={"Service": "ecs-tasks.amazonaws.com"})
    sts = strict.session(caller)("sts")
    sts.assume_role(RoleArn=trusting, RoleSessionName="me")
    message = refused(sts.assume_role, RoleArn=other, RoleSessionName="me")["Message"]
    assert message.endswith(f"on resource: {other} because no role trust policy allows the sts:AssumeRole action")
    refused(sts.assume_role, RoleArn="arn:aws:iam::123456789012:role/nobody", RoleSessionName="me")


def test_a_signed_url_is_worth_what_its_signer_may(strict: Account) -> None:
    bucket = name()
    strict.client("s3").create_bucket(Bucket=bucket)
    strict.client("s3").put_object(Bucket=bucket, Key="k", Body=b"content")
    answers = []
    for client in (strict.may(allow("s3:GetObject")), strict.may()):
        link = client("s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        answers.append(fetched(link))
    assert answers == [(200, b"content"), (403, b"")]


# S3 API reference, GetObject: "If you have the s3:ListBucket permission …, Amazon S3 returns 404; if not, 403".
def test_only_who_may_list_a_bucket_learns_that_an_object_is_missing(strict: Account) -> None:
    bucket = name()
    strict.client("s3").create_bucket(Bucket=bucket)
    objects = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    listing = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}")
    blind, seeing = strict.may(objects)("s3"), strict.may(objects, listing)("s3")
    assert refused(seeing.get_object, Bucket=bucket, Key="none")["Code"] == "NoSuchKey"
    error = refused(blind.get_object, Bucket=bucket, Key="none")
    assert error["Code"] == "AccessDenied"
    assert "s3:ListBucket" in error["Message"]
    assert refused(blind.head_object, Bucket=bucket, Key="none")["Code"] == "403"
    strict.client("s3").put_object(Bucket=bucket, Key="none", Body=b"")
    blind.head_object(Bucket=bucket, Key="none")


def test_a_copy_takes_the_right_to_read_its_source(strict: Account) -> None:
    source, target = name(), name()
    for bucket in (source, target):
        strict.client("s3").create_bucket(Bucket=bucket)
    strict.client("s3").put_object(Bucket=source, Key="k", Body=b"")
    write = allow("s3:PutObject", f"arn:aws:s3:::{target}/*")
    copy = {"Bucket": target, "Key": "k", "CopySource": {"Bucket": source, "Key": "k"}}
    assert f"{source}/k" in refused(strict.may(write)("s3").copy_object, **copy)["Message"]
    strict.may(write, allow("s3:GetObject", f"arn:aws:s3:::{source}/*"))("s3").copy_object(**copy)


# Resource policies: IAM user guide, "Identity-based policies and resource-based policies", an example a service.
def test_a_bucket_policy_grants_and_denies(strict: Account) -> None:
    bucket, role = name(), strict.role()
    s3 = strict.client("s3")
    s3.create_bucket(Bucket=bucket)
    client = strict.session(role)("s3")
    refused(client.put_object, Bucket=bucket, Key="a", Body=b"")
    everything = {"Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
    grant = {"Effect": "Allow", "Principal": {"AWS": role}, **everything}
    plain = {"Effect": "Deny", "Principal": "*", **everything, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(grant, plain))
    client.put_object(Bucket=bucket, Key="a", Body=b"")
    unencrypted = {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=policy(grant, {"Effect": "Deny", "Principal": "*", **everything, "Condition": unencrypted}),
    )
    message = refused(client.put_object, Bucket=bucket, Key="a", Body=b"")["Message"]
    assert message.endswith("with an explicit deny in a resource-based policy")


def test_policies_of_a_secret_a_queue_and_a_repository_grant(strict: Account) -> None:
    role = strict.role()
    client, principal = strict.session(role), {"AWS": role}
    secret = strict.client("secretsmanager").create_secret(Name=name(), SecretString="s")["ARN"]
    refused(client("secretsmanager").get_secret_value, SecretId=secret)
    grant = {"Effect": "Allow", "Principal": principal, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    strict.client("secretsmanager").put_resource_policy(SecretId=secret, ResourcePolicy=policy(grant))
    client("secretsmanager").get_secret_value(SecretId=secret)

    queue = strict.client("sqs").create_queue(QueueName=name())["QueueUrl"]
    refused(client("sqs").send_message, QueueUrl=queue, MessageBody="m")
    grant = {"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": "*"}
    strict.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy(grant)})
    client("sqs").send_message(QueueUrl=queue, MessageBody="m")

    repository = name()
    strict.client("ecr").create_repository(repositoryName=repository)
    refused(client("ecr").list_images, repositoryName=repository)
    grant = {"Effect": "Allow", "Principal": principal, "Action": "ecr:ListImages"}
    strict.client("ecr").set_repository_policy(repositoryName=repository, policyText=policy(grant))
    client("ecr").list_images(repositoryName=repository)


# KMS developer guide, "Key policies": no permission without the key's own policy.
def test_a_key_policy_has_the_last_word(strict: Account) -> None:
    caller = strict.role(allow("kms:*"))
    kms, client = strict.client("kms"), strict.session(caller)("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*"}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy({**root, "Resource": "*"}))
    client.encrypt(KeyId=key, Plaintext=b"x")
    nobody = {**root, "Principal": {"AWS": strict.role()}, "Resource": "*"}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy(nobody))
    message = refused(client.encrypt, KeyId=key, Plaintext=b"x")["Message"]
    assert message.endswith("because no resource-based policy allows the kms:Encrypt action")


# ECS developer guide, "Amazon ECS identity-based policy examples": tags and clusters as conditions.
def test_tasks_are_stopped_by_their_tags(strict: Account) -> None:
    execution = strict.role()
    definition = strict.define(["sleep", "60"], executionRoleArn=execution)
    run = strict.client("ecs").run_task
    mine, others = (
        run(**strict.request(definition, tags=[{"key": "team", "value": team}]))["tasks"][0]["taskArn"]
        for team in ("data", "web")
    )
    only = {"StringEquals": {"aws:ResourceTag/team": "data"}}
    ecs = strict.may(allow("ecs:StopTask", Condition=only))("ecs")
    ecs.stop_task(cluster="tests", task=mine)
    assert refused(ecs.stop_task, cluster="tests", task=others)["Code"] == "AccessDeniedException"
    strict.client("ecs").stop_task(cluster="tests", task=others)


def test_a_launch_is_bound_to_definition_cluster_tags_and_roles(strict: Account) -> None:
    execution, task_role = strict.role(), strict.role()
    definition = strict.define(["true"], family="bound", executionRoleArn=execution, taskRoleArn=task_role)
    run = allow(
        "ecs:RunTask",
        strict.arn("ecs", "task-definition/bound:*"),
        Condition={
            "ArnEquals": {"ecs:cluster": strict.arn("ecs", "cluster/tests")},
            "StringEqualsIfExists": {"aws:RequestTag/env": "dev"},
        },
    )
    tag = allow(
        "ecs:TagResource",
        strict.arn("ecs", "task/tests/*"),
        Condition={"StringEquals": {"ecs:CreateAction": "RunTask"}},
    )
    to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    hand_over = allow("iam:PassRole", [execution, task_role], Condition=to_tasks)
    request = strict.request("bound")
    dev, prod = ([{"key": "env", "value": value}] for value in ("dev", "prod"))

    full = strict.may(run, tag, hand_over)("ecs")
    arn = full.run_task(**request, tags=dev)["tasks"][0]["taskArn"]
    assert strict.stopped(arn)["containers"][0]["exitCode"] == 0
    full.run_task(**strict.request(definition))

    assert f"on resource: {definition} because" in refused(full.run_task, **request, tags=prod)["Message"]
    elsewhere = name()
    strict.client("ecs").create_cluster(clusterName=elsewhere)
    assert "ecs:RunTask" in refused(full.run_task, **request | {"cluster": elsewhere})["Message"]
    other = strict.define(["true"], executionRoleArn=execution)
    assert "ecs:RunTask" in refused(full.run_task, **strict.request(other))["Message"]
    untagged = strict.may(run, hand_over)("ecs")
    assert "ecs:TagResource" in refused(untagged.run_task, **request, tags=dev)["Message"]
    # LBHackney-IT/Data-Platform#1992 quotes this answer to RunTask.
    error = refused(strict.may(run, tag)("ecs").run_task, **request)
    assert (error["Code"], error["Message"].partition(" because ")[0].partition("perform: ")[2]) == (
        "AccessDeniedException",
        f"iam:PassRole on resource: {task_role}",
    )
    override = {"taskRoleArn": strict.role()}
    assert override["taskRoleArn"] in refused(full.run_task, **request, overrides=override)["Message"]
    to_others = allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})
    assert "iam:PassRole" in refused(strict.may(run, to_others)("ecs").run_task, **request)["Message"]


def test_registering_a_definition_takes_the_right_to_hand_over_its_roles(strict: Account) -> None:
    execution = strict.role()
    request = {
        "family": "handed",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": execution,
        "containerDefinitions": [{"name": "app", "image": "host", "command": ["true"]}],
    }
    register = allow("ecs:RegisterTaskDefinition", strict.arn("ecs", "task-definition/handed:*"))
    message = refused(strict.may(register)("ecs").register_task_definition, **request)["Message"]
    assert f"iam:PassRole on resource: {execution}" in message
    allowed = strict.may(register, allow("iam:PassRole", execution))("ecs")
    allowed.register_task_definition(**request)
    refused(allowed.register_task_definition, **request | {"family": "others"})


# ECS developer guide, "Amazon ECS task IAM role": the containers' credentials are the role's, and worth what it may.
def test_a_task_may_what_its_role_may(strict: Account) -> None:
    bucket = name()
    strict.client("s3").create_bucket(Bucket=bucket)
    role = strict.role(allow("s3:PutObject", f"arn:aws:s3:::{bucket}/results/*"))
    script = (
        "import boto3, sys; from botocore.exceptions import ClientError; s3 = boto3.client('s3')\n"
        f"s3.put_object(Bucket='{bucket}', Key='results/a', Body=b'done')\n"
        "try:\n"
        f"    s3.put_object(Bucket='{bucket}', Key='other/a', Body=b'')\n"
        "except ClientError as error:\n"
        "    message = error.response['Error']['Message']\n"
        f"    s3.put_object(Bucket='{bucket}', Key='results/refusal', Body=message.encode())\n"
        "    sys.exit(7)\n"
    )
    definition = strict.define([PYTHON, "-c", script], executionRoleArn=strict.role(), taskRoleArn=role)
    task = strict.finish(definition)
    assert task["containers"][0]["exitCode"] == 7
    said = strict.client("s3").get_object(Bucket=bucket, Key="results/refusal")["Body"].read().decode()
    task_id = task["taskArn"].rpartition("/")[2]
    assert said.startswith(f"User: arn:aws:sts::123456789012:assumed-role/{role.rpartition('/')[2]}/{task_id} is not")


# RunTask's answer to a role that ECS may not assume: aws-samples/aws-modern-application-workshop#149.
def test_a_role_that_does_not_trust_ecs_runs_no_task(strict: Account) -> None:
    stranger = strict.role(trusted={"Service": "ec2.amazonaws.com"})
    definition = strict.define(["true"], executionRoleArn=strict.role(), taskRoleArn=stranger)
    error = refused(strict.client("ecs").run_task, **strict.request(definition))
    assert error["Code"] == "ClientException"
    assert error["Message"].startswith(
        f"ECS was unable to assume the role '{stranger}' that was provided for this task"
    )


def test_a_trust_that_asks_for_this_accounts_tasks_is_met(strict: Account) -> None:
    conditions = {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:ecs:us-east-1:123456789012:*"},
    }
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = strict.client("iam")
    for account, works in (("123456789012", True), ("999999999999", False)):
        conditions["StringEquals"]["aws:SourceAccount"] = account
        made = iam.create_role(RoleName=name(), AssumeRolePolicyDocument=policy({**trust, "Condition": conditions}))
        definition = strict.define(["true"], executionRoleArn=made["Role"]["Arn"])
        if works:
            assert strict.finish(definition)["stopCode"] == "EssentialContainerExited"
        else:
            refused(strict.client("ecs").run_task, **strict.request(definition))


LOGGED = {
    "logDriver": "awslogs",
    "options": {"awslogs-group": "/tests", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t"},
}


# What Fargate does with the execution role before a container starts, and the reasons that ECS gives. Their sources
# stand in fargate_local/strict/launches.py and protocol/reasons.py.
def test_an_execution_role_must_be_able_to_read_the_secrets(strict: Account) -> None:
    secret = strict.client("secretsmanager").create_secret(Name=name(), SecretString="s")["ARN"]
    strict.client("ssm").put_parameter(Name="/strict/p", Value="v", Type="String")
    parameter = strict.arn("ssm", "parameter/strict/p")
    container = {"secrets": [{"name": "A", "valueFrom": secret}, {"name": "B", "valueFrom": parameter}]}
    role = strict.role()
    definition = strict.define(["true"], executionRoleArn=role, container=container)
    task = strict.finish(definition)
    assert task["stopCode"] == "TaskFailedToStart"
    start = (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed:"
        f" unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret {secret}"
        " from secrets manager: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/"
    )
    assert task["stoppedReason"].startswith(start)
    strict.grant(role, allow("secretsmanager:GetSecretValue", secret))
    reason = strict.finish(definition)["stoppedReason"]
    assert "unable to retrieve secrets from ssm" in reason
    assert f"is not authorized to perform: ssm:GetParameters on resource: {parameter} because" in reason
    strict.grant(role, allow("secretsmanager:GetSecretValue", secret), allow("ssm:GetParameters", parameter))
    assert strict.finish(definition)["containers"][0]["exitCode"] == 0


def test_an_execution_role_must_be_able_to_create_the_log_stream(strict: Account) -> None:
    role = strict.role()
    definition = strict.define(["true"], executionRoleArn=role, container={"logConfiguration": LOGGED})
    reason = strict.finish(definition)["stoppedReason"]
    assert reason.startswith(
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to"
        " create Cloudwatch log stream: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/"
    )
    assert f"logs:CreateLogStream on resource: {strict.arn('logs', 'log-group:/tests:log-stream:t/app/')}" in reason
    streams = strict.arn("logs", "log-group:/tests:*")
    strict.grant(role, allow(["logs:CreateLogStream", "logs:PutLogEvents"], streams))
    assert strict.finish(definition)["containers"][0]["exitCode"] == 0


def test_an_execution_role_must_be_able_to_pull_the_image(strict: Account) -> None:
    repository, role = name(), strict.role()
    strict.client("ecr").create_repository(repositoryName=repository)
    image = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{repository}:1"
    definition = strict.define(["true"], executionRoleArn=role, container={"image": image})
    reason = strict.finish(definition)["stoppedReason"]
    assert "unable to retrieve ecr registry auth: service call has been retried 1 time(s)" in reason
    assert "is not authorized to perform: ecr:GetAuthorizationToken on resource: * because" in reason
    strict.grant(role, allow("ecr:GetAuthorizationToken"))
    task = strict.finish(definition)
    assert task["stoppedReason"] == task["containers"][0]["reason"]
    assert task["stoppedReason"] == (
        f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}:"
        " pulling from host 123456789012.dkr.ecr.us-east-1.amazonaws.com failed with status code [manifests 1]:"
        " 403 Forbidden"
    )
    pull = allow(["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], strict.arn("ecr", f"repository/{repository}"))
    strict.grant(role, allow("ecr:GetAuthorizationToken"), pull)
    # The permission is there; the image is not.
    assert "not found" in strict.finish(definition)["stoppedReason"]


def test_an_execution_role_must_be_able_to_read_environment_files(strict: Account) -> None:
    bucket, role = name(), strict.role()
    strict.client("s3").create_bucket(Bucket=bucket)
    strict.client("s3").put_object(Bucket=bucket, Key="a.env", Body=b"A=1\n")
    file = f"arn:aws:s3:::{bucket}/a.env"
    container = {"environmentFiles": [{"type": "s3", "value": file}]}
    definition = strict.define(["true"], executionRoleArn=role, container=container)
    assert f"failed to download s3://{bucket}/a.env: AccessDenied" in strict.finish(definition)["stoppedReason"]
    strict.grant(role, allow("s3:GetObject", file))
    assert strict.finish(definition)["containers"][0]["exitCode"] == 0


# What was used.
def test_what_a_role_used_and_never_used_is_told_by_action_and_resource(strict: Account) -> None:
    bucket = name()
    strict.client("s3").create_bucket(Bucket=bucket)
    resources = [f"arn:aws:s3:::{bucket}/*", "arn:aws:s3:::elsewhere/*"]
    role = strict.role(
        allow(["s3:PutObject", "s3:GetObject", "s3:DeleteObject"], resources, Sid="Objects"),
        allow("ecs:*", Sid="Everything"),
        deny("ssm:*", Sid="Never"),
    )
    client = strict.session(role)
    for key in ("a", "b"):
        client("s3").put_object(Bucket=bucket, Key=key, Body=b"")
    refused(client("ssm").describe_parameters)
    done = subprocess.run(
        [PYTHON, "-m", "fargate_local", "iam", "used", "--role", role.rpartition("/")[2], "--json"],
        env=strict.cloud.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (told,) = json.loads(done.stdout)
    assert told == {
        "role": role,
        "used": [
            {
                "action": "s3:PutObject",
                "times": 2,
                "resources": [f"arn:aws:s3:::{bucket}/a", f"arn:aws:s3:::{bucket}/b"],
            }
        ],
        "refused": [{"action": "ssm:DescribeParameters", "times": 1, "resources": ["*"]}],
        "unused": [
            {
                "policy": "inline",
                "statement": "Objects",
                "actions": ["s3:GetObject", "s3:DeleteObject"],
                "resources": ["arn:aws:s3:::elsewhere/*"],
            },
            {"policy": "inline", "statement": "Everything", "actions": ["ecs:*"], "resources": ["*"]},
        ],
    }


def iam_used(environment: Any, *words: Any) -> Any:
    return subprocess.run(
        [PYTHON, "-m", "fargate_local", "iam", "used", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_table_of_what_was_used_names_role_action_and_statement(strict: Account) -> None:
    role = strict.role(allow("ecs:ListClusters"), allow("ecs:StopTask", Sid="Stop"))
    strict.session(role)("ecs").list_clusters()
    done = iam_used(strict.cloud.environment, "--role", role)
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    short = role.rpartition("/")[2]
    assert f"{short} used ecs:ListClusters 1 time on *" in lines
    assert f"{short} never used ecs:StopTask inline: Stop" in lines


def test_an_unknown_role_and_a_server_that_is_not_strict_end_in_a_sentence(
    strict: Account, fargate: FargateLocal
) -> None:
    unknown = iam_used(strict.cloud.environment, "--role", "nobody")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no role 'nobody'" in unknown.stderr
    lax = iam_used(fargate.environment)
    assert (lax.returncode, lax.stdout) == (2, "")
    assert "start it with `fargate-local serve --strict`" in lax.stderr


def test_strict_and_open_exclude_each_other() -> None:
    words = [PYTHON, "-m", "fargate_local", "serve", "--strict", "--open", "--port", "0"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "--strict tells callers apart by their keys, and --open asks for none: leave one of the two away"
    )


def test_a_server_that_is_not_strict_evaluates_nothing(fargate: FargateLocal) -> None:
    iam, role = boto3.client("iam", **fargate.client_args), name()
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    given = boto3.client("sts", **fargate.client_args).assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    boto3.client("ecs", **fargate.client_args | keys).list_clusters()
