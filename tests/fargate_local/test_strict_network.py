"""A strict server's tasks have the ways out that their VPC describes."""

import json
import sys
import uuid
from typing import Any

import pytest
from tests.support.strict_cloud import Account

from fargate_local.strict.network import Endpoint, Interface, Rule, unreachable

REGION = "us-east-1"
OPEN = Rule("-1", block="0.0.0.0/0")
TO_VPC = Rule("tcp", 443, 443, block="10.0.0.0/16")
TO_S3 = Rule("tcp", 443, 443, prefix_list="pl-63a5400a")
DATABASE = Rule("tcp", 5432, 5432, block="0.0.0.0/0")


def interface(*egress: Any, way_out: Any = "", public: Any = False, endpoints: Any = ()) -> Any:
    groups = frozenset({"sg-task"})
    return Interface(REGION, "10.0.1.0/24", "rtb-1", way_out, public, groups, tuple(egress), tuple(endpoints))


def private(service: Any = "logs", *ingress: Any, groups: Any = ("sg-endpoint",), dns: Any = True) -> Any:
    rules = ingress or (TO_VPC,)
    name = f"com.amazonaws.{REGION}.{service}"
    return Endpoint(name, False, private_dns=dns, blocks=("10.0.2.0/24",), groups=frozenset(groups), ingress=rules)


def gateway(*tables: Any) -> Any:
    return Endpoint(f"com.amazonaws.{REGION}.s3", True, frozenset(tables))


# ECS developer guide, "Fargate task networking": a public address or a NAT gateway, or endpoints.
# VPC user guide, "Route tables", "Gateway endpoints", "Security group rules"; PrivateLink guide, "private DNS names".
@pytest.mark.parametrize(
    ("task", "service", "reached"),
    [
        (interface(OPEN), "logs", False),
        (interface(OPEN, way_out="nat"), "logs", True),
        (interface(OPEN, way_out="other"), "logs", True),
        (interface(OPEN, way_out="igw"), "logs", False),
        (interface(OPEN, way_out="igw", public=True), "logs", True),
        (interface(OPEN, public=True), "logs", False),
        (interface(way_out="nat"), "logs", False),
        (interface(DATABASE, way_out="nat"), "logs", False),
        (interface(TO_VPC, way_out="nat"), "logs", False),
        (interface(OPEN, endpoints=[private()]), "logs", True),
        (interface(OPEN, endpoints=[private()]), "ecr.api", False),
        (interface(TO_VPC, endpoints=[private()]), "logs", True),
        (interface(DATABASE, endpoints=[private()]), "logs", False),
        (interface(Rule("tcp", 443, 443, group="sg-endpoint"), endpoints=[private()]), "logs", True),
        (interface(Rule("tcp", 443, 443, group="sg-other"), endpoints=[private()]), "logs", False),
        (interface(OPEN, endpoints=[private("logs", Rule("tcp", 443, 443, group="sg-task"))]), "logs", True),
        (interface(OPEN, endpoints=[private("logs", Rule("tcp", 443, 443, group="sg-other"))]), "logs", False),
        (interface(OPEN, endpoints=[private("logs", Rule("tcp", 443, 443, block="192.168.0.0/16"))]), "logs", False),
        # The name leads to the endpoint although there is a NAT gateway; without private names it does not.
        (interface(OPEN, way_out="nat", endpoints=[private("logs", DATABASE)]), "logs", False),
        (interface(OPEN, way_out="nat", endpoints=[private("logs", DATABASE, dns=False)]), "logs", True),
        (interface(OPEN, endpoints=[private(dns=False)]), "logs", False),
        (interface(OPEN, endpoints=[gateway("rtb-1")]), "s3", True),
        (interface(OPEN, endpoints=[gateway("rtb-2")]), "s3", False),
        (interface(TO_S3, endpoints=[gateway("rtb-1")]), "s3", True),
        (interface(TO_VPC, endpoints=[gateway("rtb-1")]), "s3", False),
        (interface(OPEN, endpoints=[private()]), "internet", False),
        (interface(OPEN, way_out="nat"), "internet", True),
    ],
)
def test_a_service_is_reached_by_an_endpoint_or_a_route_that_the_groups_leave_open(
    task: Any, service: Any, reached: Any
) -> None:
    assert (unreachable(task, service) is None) is reached


@pytest.fixture
def vpc(strict: Account) -> Any:
    """A VPC with one subnet, nothing else."""
    ec2 = strict.client("ec2")
    made = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=made, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [made]}])["RouteTables"]
    return made, subnet, tables[0]["RouteTableId"]


def in_subnet(subnet: Any, public: Any = "DISABLED") -> Any:
    return {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [subnet], "assignPublicIp": public}}}


def endpoint(strict: Account, vpc: Any, service: Any, **settings: Any) -> None:
    strict.client("ec2").create_vpc_endpoint(VpcId=vpc[0], ServiceName=f"com.amazonaws.{REGION}.{service}", **settings)


def private_endpoint(strict: Account, vpc: Any, service: Any) -> None:
    ec2 = strict.client("ec2")
    group = ec2.create_security_group(GroupName=f"g-{uuid.uuid4().hex[:8]}", Description="d", VpcId=vpc[0])["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.9.0.0/16"
    )
    settings = {"VpcEndpointType": "Interface", "SubnetIds": [vpc[1]], "SecurityGroupIds": [group]}
    endpoint(strict, vpc, service, PrivateDnsEnabled=True, **settings)


EVERYBODY: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def asking(service: str, operation: str, **parameters: Any) -> list[str]:
    """The command of a task that makes one call and logs the error's message, or `answered`."""
    script = (
        "import boto3, sys\n"
        "from botocore.exceptions import ClientError\n"
        f"try: getattr(boto3.client({service!r}), {operation!r})(**{parameters!r}); print('answered')\n"
        "except ClientError as error: print(error.response['Error']['Message'])\n"
    )
    return [sys.executable, "-c", script]


@pytest.fixture
def guarded_bucket(strict: Account, vpc: Any) -> Any:
    """A bucket with one object; the VPC's endpoint of S3; and what a task in there is told when it reads."""
    name, s3, ec2 = f"b-{uuid.uuid4().hex[:12]}", strict.client("s3"), strict.client("ec2")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"")
    private_endpoint(strict, vpc, "logs")
    endpoint(strict, vpc, "s3", VpcEndpointType="Gateway", RouteTableIds=[vpc[2]])
    (made,) = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc[0]]}, of_s3()])["VpcEndpoints"]
    options = {"awslogs-group": "/tests", "awslogs-region": REGION, "awslogs-stream-prefix": "t"}
    definition = strict.define(
        asking("s3", "get_object", Bucket=name, Key="k"),
        executionRoleArn=everything(strict),
        taskRoleArn=everything(strict),
        container={"logConfiguration": {"logDriver": "awslogs", "options": options}},
    )

    def told() -> str:
        arn = strict.finish(definition, **in_subnet(vpc[1]))["taskArn"]
        stream = f"t/app/{arn.rpartition('/')[2]}"
        page = strict.client("logs").get_log_events(logGroupName="/tests", logStreamName=stream)
        return str(page["events"][0]["message"])

    return name, made["VpcEndpointId"], told


def of_s3() -> Any:
    return {"Name": "service-name", "Values": [f"com.amazonaws.{REGION}.s3"]}


# PrivateLink guide, "Control access to VPC endpoints using endpoint policies"; the sentences: IAM user guide,
# "Troubleshoot access denied error messages", "Access denied due to VPC endpoint policies".
@pytest.mark.parametrize(
    ("statements", "because"),
    [
        ([EVERYBODY], ""),
        ([{**EVERYBODY, "Action": "s3:PutObject"}], "because no VPC endpoint policy allows the s3:GetObject action"),
        ([EVERYBODY, {**EVERYBODY, "Effect": "Deny"}], "with an explicit deny in a VPC endpoint policy"),
        ([{**EVERYBODY, "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}}], ""),
        (
            [{**EVERYBODY, "Condition": {"StringEquals": {"aws:ResourceAccount": "210987654321"}}}],
            "because no VPC endpoint policy allows the s3:GetObject action",
        ),
    ],
)
def test_a_tasks_call_through_an_endpoint_is_judged_by_its_policy(
    strict: Account, guarded_bucket: Any, statements: Any, because: str
) -> None:
    name, ident, told = guarded_bucket
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    strict.client("ec2").modify_vpc_endpoint(VpcEndpointId=ident, PolicyDocument=policy)
    said = told()
    assert said.endswith(because or "answered")
    if because:
        assert f'is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::{name}/k"' in said


def test_a_bucket_policy_knows_the_endpoint_that_a_call_came_through(strict: Account, guarded_bucket: Any) -> None:
    # S3 user guide, "Controlling access from VPC endpoints with bucket policies".
    name, ident, told = guarded_bucket
    for only, said in (("vpce-0", "with an explicit deny in a resource-based policy"), (ident, "answered")):
        elsewhere = {"StringNotEquals": {"aws:SourceVpce": only}}
        statement = {**EVERYBODY, "Effect": "Deny", "Resource": f"arn:aws:s3:::{name}/*", "Condition": elsewhere}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        strict.client("s3").put_bucket_policy(Bucket=name, Policy=document)
        assert told().endswith(said)


def test_who_does_not_call_from_the_vpc_is_not_judged_by_its_endpoints(strict: Account, guarded_bucket: Any) -> None:
    name, ident, _ = guarded_bucket
    nothing = json.dumps({"Version": "2012-10-17", "Statement": [{**EVERYBODY, "Effect": "Deny"}]})
    strict.client("ec2").modify_vpc_endpoint(VpcEndpointId=ident, PolicyDocument=nothing)
    strict.session(everything(strict))("s3").get_object(Bucket=name, Key="k")


def test_what_fargate_does_before_a_start_is_judged_too(strict: Account, vpc: Any) -> None:
    repository = f"n-{uuid.uuid4().hex[:8]}"
    strict.client("ecr").create_repository(repositoryName=repository)
    image = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/{repository}:1"
    definition = strict.define(["true"], executionRoleArn=everything(strict), container={"image": image})
    ec2 = strict.client("ec2")
    for service in ("ecr.api", "ecr.dkr"):
        private_endpoint(strict, vpc, service)
    endpoint(strict, vpc, "s3", VpcEndpointType="Gateway", RouteTableIds=[vpc[2]])
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc[0]]}])["VpcEndpoints"]
    idents = {each["ServiceName"].removeprefix(f"com.amazonaws.{REGION}."): each["VpcEndpointId"] for each in found}

    def reason(service: str, statement: Any) -> str:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        ec2.modify_vpc_endpoint(VpcEndpointId=idents[service], PolicyDocument=policy)
        said = str(strict.finish(definition, **in_subnet(vpc[1]))["stoppedReason"])
        opened = json.dumps({"Version": "2012-10-17", "Statement": [EVERYBODY]})
        ec2.modify_vpc_endpoint(VpcEndpointId=idents[service], PolicyDocument=opened)
        return said

    nothing = {**EVERYBODY, "Action": "s3:PutObject"}
    assert "no VPC endpoint policy allows the ecr:GetAuthorizationToken action" in reason("ecr.api", nothing)
    assert "403 Forbidden" in reason("ecr.dkr", nothing)
    ours = {**EVERYBODY, "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}}
    assert "starport-layer-bucket.s3.us-east-1.amazonaws.com/: 403 Forbidden" in reason("s3", ours)
    # ECR user guide, "Amazon ECR interface VPC endpoints": the bucket that the policy of S3's endpoint has to name.
    layers = {**EVERYBODY, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"}
    assert "403 Forbidden" not in reason("s3", layers)


def everything(strict: Account) -> Any:
    return strict.role({"Effect": "Allow", "Action": "*", "Resource": "*"})


# The reasons: aws/copilot-cli#5927 (ECR), terraform-aws-modules/terraform-aws-eks#1476 (the pull), ECS developer guide,
# "ResourceInitializationError" (secrets, logs).
def test_a_task_without_a_way_out_fails_step_by_step_until_the_vpc_is_whole(strict: Account, vpc: Any) -> Any:
    repository = f"n-{uuid.uuid4().hex[:8]}"
    strict.client("ecr").create_repository(repositoryName=repository)
    secret = strict.client("secretsmanager").create_secret(Name=repository, SecretString="s")["ARN"]
    options = {"awslogs-group": "/tests", "awslogs-region": REGION, "awslogs-stream-prefix": "t"}
    image = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/{repository}:1"
    common = {"logConfiguration": {"logDriver": "awslogs", "options": options}}
    definition = strict.define(
        ["true"],
        executionRoleArn=everything(strict),
        container={"image": image, "secrets": [{"name": "S", "valueFrom": secret}], **common},
    )

    def reason() -> Any:
        return strict.finish(definition, **in_subnet(vpc[1]))["stoppedReason"]

    assert "failed to fetch secret from secrets manager: RequestCanceled: request context canceled" in reason()
    private_endpoint(strict, vpc, "secretsmanager")
    assert f'Post "https://api.ecr.{REGION}.amazonaws.com/": dial tcp 52.46.128.1:443: i/o timeout' in reason()
    private_endpoint(strict, vpc, "ecr.api")
    said = reason()
    assert said.startswith("CannotPullContainerError: pull image manifest has been retried 5 time(s)")
    assert said.endswith("dial tcp: i/o timeout")
    private_endpoint(strict, vpc, "ecr.dkr")
    assert f"prod-{REGION}-starport-layer-bucket.s3.{REGION}.amazonaws.com" in reason()
    endpoint(strict, vpc, "s3", VpcEndpointType="Gateway", RouteTableIds=[vpc[2]])
    assert f'Post "https://logs.{REGION}.amazonaws.com/": dial tcp' in reason()
    private_endpoint(strict, vpc, "logs")
    # All is reached; the image does not exist.
    assert "not found" in reason()


def test_a_nat_gateway_or_a_public_address_is_a_way_out(strict: Account, vpc: Any) -> Any:
    ec2 = strict.client("ec2")
    options = {"awslogs-group": "/tests", "awslogs-region": REGION, "awslogs-stream-prefix": "t"}
    logged = {"logConfiguration": {"logDriver": "awslogs", "options": options}}
    definition = strict.define(["true"], executionRoleArn=everything(strict), container=logged)

    def code(**network: Any) -> Any:
        return strict.finish(definition, **in_subnet(vpc[1], **network))["stopCode"]

    assert code() == "TaskFailedToStart"
    gateway_id = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc[0])
    ec2.create_route(RouteTableId=vpc[2], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway_id)
    assert code() == "TaskFailedToStart"
    assert code(public="ENABLED") == "EssentialContainerExited"
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=vpc[1], AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.replace_route(RouteTableId=vpc[2], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert code() == "EssentialContainerExited"


def test_the_egress_rules_of_a_templates_group_are_its_only_way_out(strict: Account, vpc: Any) -> Any:
    options = {"awslogs-group": "/tests", "awslogs-region": REGION, "awslogs-stream-prefix": "t"}
    logged = {"logConfiguration": {"logDriver": "awslogs", "options": options}}
    definition = strict.define(["true"], executionRoleArn=everything(strict), container=logged)
    private_endpoint(strict, vpc, "logs")
    stacks = strict.client("cloudformation")

    def template(block: str) -> str:
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": block}
        group = {"GroupDescription": "d", "VpcId": vpc[0], "SecurityGroupEgress": [rule]}
        return json.dumps({"Resources": {"Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": group}}})

    def code() -> Any:
        (made,) = stacks.describe_stack_resources(StackName="group")["StackResources"]
        network = in_subnet(vpc[1])
        network["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"] = [made["PhysicalResourceId"]]
        return strict.finish(definition, **network)["stopCode"]

    stacks.create_stack(StackName="group", TemplateBody=template("127.0.0.1/32"))
    assert code() == "TaskFailedToStart"
    stacks.update_stack(StackName="group", TemplateBody=template("10.9.0.0/16"))
    assert code() == "EssentialContainerExited"
