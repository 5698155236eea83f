"""Which permissions a call of a stock client takes. Source: the Service Authorization Reference, a page for each service."""

# ruff: noqa: E501 - a table of calls, one a line

import contextlib
from typing import Any

import boto3
import pytest
from botocore.config import Config

from fargate_local.cloud.requests import CloudRequest
from fargate_local.strict.authorizer import needs_of
from fargate_local.strict.calls import Call

HERE = "arn:aws:{}:us-east-1:123456789012:"
ECS, ECR, LOGS, SECRETS, SSM = (HERE.format(name) for name in ("ecs", "ecr", "logs", "secretsmanager", "ssm"))
IAM = "arn:aws:iam::123456789012:"


class SentError(Exception):
    """The request is complete; nobody is there to answer it."""


def prepared(service: str, operation: str, parameters: dict[str, Any]) -> CloudRequest:
    """The request that boto3 would send."""
    sent: list[Any] = []

    def keep(request: Any, **_: Any) -> None:
        sent.append(request)
        raise SentError

    client = boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:5555",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}),
    )
    client.meta.events.register("before-send", keep)
    with contextlib.suppress(SentError):
        getattr(client, operation)(**parameters)
    request = sent[0]
    headers = {name.lower(): v.decode() if isinstance(v, bytes) else v for name, v in request.headers.items()}
    body = request.body or b""
    target = request.url.removeprefix("http://127.0.0.1:5555")
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
    return CloudRequest(request.method, target, {**headers, "host": "127.0.0.1:5555"}, content)


def needs(service: str, operation: str, **parameters: Any) -> Any:
    request = prepared(service, operation, parameters)
    return needs_of(Call(request, request.service))


CALLS = [
    # Actions, resources, and condition keys for Amazon ECS
    ("ecs", "run_task", {"cluster": "etl", "taskDefinition": "load:3"}, [("ecs:RunTask", f"{ECS}task-definition/load:3")]),
    ("ecs", "run_task", {"taskDefinition": "load:3", "tags": [{"key": "a", "value": "b"}]}, [("ecs:RunTask", f"{ECS}task-definition/load:3"), ("ecs:TagResource", f"{ECS}task/default/*")]),
    ("ecs", "run_task", {"taskDefinition": "load:3", "overrides": {"taskRoleArn": f"{IAM}role/t", "executionRoleArn": f"{IAM}role/e"}}, [("ecs:RunTask", f"{ECS}task-definition/load:3"), ("iam:PassRole", f"{IAM}role/t"), ("iam:PassRole", f"{IAM}role/e")]),
    ("ecs", "stop_task", {"cluster": "etl", "task": "0123"}, [("ecs:StopTask", f"{ECS}task/etl/0123")]),
    ("ecs", "stop_task", {"cluster": "etl", "task": f"{ECS}task/etl/9"}, [("ecs:StopTask", f"{ECS}task/etl/9")]),
    ("ecs", "describe_tasks", {"cluster": "etl", "tasks": ["1", "2"]}, [("ecs:DescribeTasks", f"{ECS}task/etl/1"), ("ecs:DescribeTasks", f"{ECS}task/etl/2")]),
    ("ecs", "list_tasks", {"cluster": "etl"}, [("ecs:ListTasks", f"{ECS}container-instance/etl/*")]),
    ("ecs", "describe_clusters", {"clusters": ["etl"]}, [("ecs:DescribeClusters", f"{ECS}cluster/etl")]),
    ("ecs", "create_cluster", {"clusterName": "etl"}, [("ecs:CreateCluster", f"{ECS}cluster/etl")]),
    ("ecs", "list_clusters", {}, [("ecs:ListClusters", "*")]),
    ("ecs", "list_services", {"cluster": "etl"}, [("ecs:ListServices", "*")]),
    ("ecs", "describe_services", {"cluster": "etl", "services": ["web"]}, [("ecs:DescribeServices", f"{ECS}service/etl/web")]),
    ("ecs", "describe_task_definition", {"taskDefinition": "load"}, [("ecs:DescribeTaskDefinition", "*")]),
    ("ecs", "register_task_definition", {"family": "load", "containerDefinitions": [], "executionRoleArn": f"{IAM}role/e"}, [("ecs:RegisterTaskDefinition", f"{ECS}task-definition/load:*"), ("iam:PassRole", f"{IAM}role/e")]),
    ("ecs", "deregister_task_definition", {"taskDefinition": "load:1"}, [("ecs:DeregisterTaskDefinition", "*")]),
    ("ecs", "delete_task_definitions", {"taskDefinitions": ["load:1"]}, [("ecs:DeleteTaskDefinitions", f"{ECS}task-definition/load:1")]),
    ("ecs", "tag_resource", {"resourceArn": f"{ECS}task/etl/1", "tags": []}, [("ecs:TagResource", f"{ECS}task/etl/1")]),
    ("ecs", "execute_command", {"cluster": "etl", "task": "1", "command": "sh", "interactive": True}, [("ecs:ExecuteCommand", f"{ECS}cluster/etl"), ("ecs:ExecuteCommand", f"{ECS}task/etl/1")]),
    # … for Amazon Elastic Container Registry
    ("ecr", "get_authorization_token", {}, [("ecr:GetAuthorizationToken", "*")]),
    ("ecr", "batch_get_image", {"repositoryName": "dv/load", "imageIds": [{"imageTag": "1"}]}, [("ecr:BatchGetImage", f"{ECR}repository/dv/load")]),
    ("ecr", "describe_repositories", {}, [("ecr:DescribeRepositories", f"{ECR}repository/*")]),
    # … for Amazon S3
    ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
    ("s3", "create_bucket", {"Bucket": "lake"}, [("s3:CreateBucket", "arn:aws:s3:::lake")]),
    ("s3", "head_bucket", {"Bucket": "lake"}, [("s3:ListBucket", "arn:aws:s3:::lake")]),
    ("s3", "list_objects_v2", {"Bucket": "lake", "Prefix": "a/"}, [("s3:ListBucket", "arn:aws:s3:::lake")]),
    ("s3", "list_object_versions", {"Bucket": "lake"}, [("s3:ListBucketVersions", "arn:aws:s3:::lake")]),
    ("s3", "list_multipart_uploads", {"Bucket": "lake"}, [("s3:ListBucketMultipartUploads", "arn:aws:s3:::lake")]),
    ("s3", "get_bucket_location", {"Bucket": "lake"}, [("s3:GetBucketLocation", "arn:aws:s3:::lake")]),
    ("s3", "put_bucket_policy", {"Bucket": "lake", "Policy": "{}"}, [("s3:PutBucketPolicy", "arn:aws:s3:::lake")]),
    ("s3", "delete_bucket_policy", {"Bucket": "lake"}, [("s3:DeleteBucketPolicy", "arn:aws:s3:::lake")]),
    ("s3", "get_bucket_encryption", {"Bucket": "lake"}, [("s3:GetEncryptionConfiguration", "arn:aws:s3:::lake")]),
    ("s3", "delete_bucket_encryption", {"Bucket": "lake"}, [("s3:PutEncryptionConfiguration", "arn:aws:s3:::lake")]),
    ("s3", "get_object", {"Bucket": "lake", "Key": "a b/ñ"}, [("s3:GetObject", "arn:aws:s3:::lake/a b/ñ")]),
    ("s3", "head_object", {"Bucket": "lake", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::lake/k")]),
    ("s3", "get_object", {"Bucket": "lake", "Key": "k", "VersionId": "1"}, [("s3:GetObjectVersion", "arn:aws:s3:::lake/k")]),
    ("s3", "get_object_tagging", {"Bucket": "lake", "Key": "k"}, [("s3:GetObjectTagging", "arn:aws:s3:::lake/k")]),
    ("s3", "put_object", {"Bucket": "lake", "Key": "k", "Body": b""}, [("s3:PutObject", "arn:aws:s3:::lake/k")]),
    ("s3", "put_object", {"Bucket": "lake", "Key": "k", "Body": b"", "Tagging": "a=b"}, [("s3:PutObject", "arn:aws:s3:::lake/k"), ("s3:PutObjectTagging", "arn:aws:s3:::lake/k")]),
    ("s3", "copy_object", {"Bucket": "lake", "Key": "k", "CopySource": {"Bucket": "raw", "Key": "a/b"}}, [("s3:PutObject", "arn:aws:s3:::lake/k"), ("s3:GetObject", "arn:aws:s3:::raw/a/b")]),
    ("s3", "create_multipart_upload", {"Bucket": "lake", "Key": "k"}, [("s3:PutObject", "arn:aws:s3:::lake/k")]),
    ("s3", "upload_part", {"Bucket": "lake", "Key": "k", "UploadId": "u", "PartNumber": 1}, [("s3:PutObject", "arn:aws:s3:::lake/k")]),
    ("s3", "list_parts", {"Bucket": "lake", "Key": "k", "UploadId": "u"}, [("s3:ListMultipartUploadParts", "arn:aws:s3:::lake/k")]),
    ("s3", "abort_multipart_upload", {"Bucket": "lake", "Key": "k", "UploadId": "u"}, [("s3:AbortMultipartUpload", "arn:aws:s3:::lake/k")]),
    ("s3", "delete_object", {"Bucket": "lake", "Key": "k"}, [("s3:DeleteObject", "arn:aws:s3:::lake/k")]),
    ("s3", "delete_object", {"Bucket": "lake", "Key": "k", "VersionId": "1"}, [("s3:DeleteObjectVersion", "arn:aws:s3:::lake/k")]),
    ("s3", "delete_objects", {"Bucket": "lake", "Delete": {"Objects": [{"Key": "a"}, {"Key": "b&c"}]}}, [("s3:DeleteObject", "arn:aws:s3:::lake/a"), ("s3:DeleteObject", "arn:aws:s3:::lake/b&c")]),
    # … for Amazon CloudWatch Logs; resources as its refusals name them (terraform-aws-modules/terraform-aws-ecs#313)
    ("logs", "create_log_group", {"logGroupName": "/etl"}, [("logs:CreateLogGroup", f"{LOGS}log-group:/etl:log-stream:")]),
    ("logs", "create_log_stream", {"logGroupName": "/etl", "logStreamName": "a/b"}, [("logs:CreateLogStream", f"{LOGS}log-group:/etl:log-stream:a/b")]),
    ("logs", "get_log_events", {"logGroupName": "/etl", "logStreamName": "a/b"}, [("logs:GetLogEvents", f"{LOGS}log-group:/etl:log-stream:a/b")]),
    ("logs", "filter_log_events", {"logGroupName": "/etl"}, [("logs:FilterLogEvents", f"{LOGS}log-group:/etl:log-stream:")]),
    ("logs", "describe_log_groups", {}, [("logs:DescribeLogGroups", f"{LOGS}log-group::log-stream:")]),
    # … for AWS Secrets Manager: an unknown secret is named as the caller did (mongodb/awscdk-resources-mongodbatlas#207)
    ("secretsmanager", "get_secret_value", {"SecretId": "dv/db"}, [("secretsmanager:GetSecretValue", "dv/db")]),
    ("secretsmanager", "create_secret", {"Name": "dv/db"}, [("secretsmanager:CreateSecret", f"{SECRETS}secret:dv/db")]),
    ("secretsmanager", "list_secrets", {}, [("secretsmanager:ListSecrets", "*")]),
    # … for AWS Systems Manager
    ("ssm", "get_parameters", {"Names": ["/a/b", "c"]}, [("ssm:GetParameters", f"{SSM}parameter/a/b"), ("ssm:GetParameters", f"{SSM}parameter/c")]),
    ("ssm", "describe_parameters", {}, [("ssm:DescribeParameters", "*")]),
    # … for Amazon SQS, SNS, EventBridge, KMS, CloudWatch
    ("sqs", "send_message", {"QueueUrl": "http://127.0.0.1:5555/123456789012/q", "MessageBody": "m"}, [("sqs:SendMessage", f"{HERE.format('sqs')}q")]),
    ("sns", "publish", {"TopicArn": f"{HERE.format('sns')}t", "Message": "m"}, [("sns:Publish", f"{HERE.format('sns')}t")]),
    ("events", "put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]}, [("events:PutEvents", f"{HERE.format('events')}event-bus/default")]),
    ("events", "put_rule", {"Name": "r", "EventPattern": "{}"}, [("events:PutRule", f"{HERE.format('events')}rule/r")]),
    ("events", "put_targets", {"Rule": "r", "Targets": [{"Id": "1", "Arn": "a", "RoleArn": f"{IAM}role/e"}]}, [("events:PutTargets", f"{HERE.format('events')}rule/r"), ("iam:PassRole", f"{IAM}role/e")]),
    ("kms", "decrypt", {"CiphertextBlob": b"x", "KeyId": "k1"}, [("kms:Decrypt", f"{HERE.format('kms')}key/k1")]),
    ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": []}, [("cloudwatch:PutMetricData", "*")]),
    # … for AWS STS, IAM, CloudFormation
    ("sts", "assume_role", {"RoleArn": f"{IAM}role/r", "RoleSessionName": "me"}, [("sts:AssumeRole", f"{IAM}role/r")]),
    ("iam", "get_role", {"RoleName": "r"}, [("iam:GetRole", f"{IAM}role/r")]),
    ("iam", "create_role", {"RoleName": "r", "Path": "/app/", "AssumeRolePolicyDocument": "{}"}, [("iam:CreateRole", f"{IAM}role/app/r")]),
    ("iam", "create_policy", {"PolicyName": "p", "PolicyDocument": "{}"}, [("iam:CreatePolicy", f"{IAM}policy/p")]),
    ("iam", "list_roles", {}, [("iam:ListRoles", "*")]),
    ("cloudformation", "create_stack", {"StackName": "s", "TemplateBody": "{}", "RoleARN": f"{IAM}role/cfn"}, [("cloudformation:CreateStack", f"{HERE.format('cloudformation')}stack/s/*"), ("iam:PassRole", f"{IAM}role/cfn")]),
    # What is not known is the operation on everything: in query, JSON and REST protocols.
    ("ec2", "describe_subnets", {}, [("ec2:DescribeSubnets", "*")]),
    ("ec2", "run_instances", {"MinCount": 1, "MaxCount": 1}, [("ec2:RunInstances", "*")]),
    ("dynamodb", "get_item", {"TableName": "t", "Key": {"a": {"S": "b"}}}, [("dynamodb:GetItem", "*")]),
    ("lambda", "get_function", {"FunctionName": "f"}, [("lambda:GetFunction", "*")]),
    ("batch", "submit_job", {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"}, [("batch:SubmitJob", "*")]),
    ("scheduler", "get_schedule", {"Name": "s"}, [("scheduler:GetSchedule", "*")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"), CALLS, ids=[f"{call[0]}.{call[1]}" for call in CALLS]
)
def test_a_call_takes_these_permissions(service: Any, operation: Any, parameters: Any, expected: Any) -> None:
    assert [(need.action, need.resource) for need in needs(service, operation, **parameters)] == expected


def test_the_condition_keys_of_a_launch() -> None:
    launch, hand_over, tag = needs(
        "ecs",
        "run_task",
        cluster="etl",
        taskDefinition="load:3",
        enableExecuteCommand=True,
        tags=[{"key": "env", "value": "dev"}],
        overrides={"taskRoleArn": f"{IAM}role/t", "cpu": "512"},
    )
    assert launch.context["ecs:cluster"] == (f"{ECS}cluster/etl",)
    assert launch.context["ecs:enable-execute-command"] == ("true",)
    assert launch.context["ecs:task-cpu"] == ("512",)
    assert launch.context["aws:RequestTag/env"] == ("dev",)
    assert launch.context["aws:TagKeys"] == ("env",)
    assert hand_over.context["iam:PassedToService"] == ("ecs-tasks.amazonaws.com",)
    assert tag.context["ecs:CreateAction"] == ("RunTask",)


def test_the_condition_keys_of_s3() -> None:
    (listing,) = needs("s3", "list_objects_v2", Bucket="lake", Prefix="a/", Delimiter="/")
    assert listing.context["s3:prefix"] == ("a/",)
    assert listing.context["s3:delimiter"] == ("/",)
    (put,) = needs("s3", "put_object", Bucket="lake", Key="k", Body=b"", ServerSideEncryption="aws:kms")
    assert put.context["s3:x-amz-server-side-encryption"] == ("aws:kms",)


def test_a_bucket_in_the_hosts_name_is_found() -> None:
    request = CloudRequest("GET", "/a/b", {"host": "lake.localhost:5555"})
    (need,) = needs_of(Call(request, "s3"))
    assert need.resource == "arn:aws:s3:::lake/a/b"


def test_an_operation_of_no_name_is_never_allowed_by_accident() -> None:
    request = CloudRequest("POST", "/2020-01-01/nothing", {"host": "127.0.0.1"})
    assert [(need.action, need.resource) for need in needs_of(Call(request, "lambda"))] == [("lambda:Unknown", "*")]
    assert [need.action for need in needs_of(Call(request, "no-such-service"))] == ["no-such-service:Unknown"]
