"""Tasks of the podman runtime have a network of their own: an address in their VPC, and the ways out that it has."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from tests.support.cloud import Ecs
from tests.support.podman import PodmanCloud, needs_podman
from tests.support.podman import podman_container as container

pytestmark = needs_podman
PORT = 8080
SERVE = (
    "perl -MIO::Socket::INET -e '$| = 1; $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5) or die $@;"
    ' print "ready\\n"; while ($c = $s->accept) { while (<$c>) { last if /^\\r?\\n$/ }'
    ' print $c "HTTP/1.0 200 OK\\r\\n\\r\\n$ENV{NAME} to " . $c->peerhost; close $c }\''
)


def ask(peer: str, head: str = "GET / HTTP/1.0", wait: int = 3) -> str:
    """A script that prints the last line of a server's answer, or why there is none."""
    return (
        f"perl -MIO::Socket::INET -e '$SIG{{ALRM}} = sub {{ print qq(no answer\\n); exit }}; alarm {wait};"
        f' $s = IO::Socket::INET->new(PeerAddr => "{peer}") or do {{ print "no: $!\\n"; exit }};'
        f' print $s "{head}\\r\\nHost: localhost\\r\\n\\r\\n"; @l = <$s>; print "$l[-1]\\n"\''
    )


def address(task: dict[str, Any]) -> str:
    return next(
        str(item["value"]) for item in task["attachments"][0]["details"] if item["name"] == "privateIPv4Address"
    )


def serving(ecs: Ecs, name: str, **parameters: Any) -> dict[str, Any]:
    """A task that answers HTTP at the port, once it does."""
    environment = [{"name": "NAME", "value": name}]
    arn = ecs.run(ecs.define(container(SERVE, environment=environment, stopTimeout=2)), **parameters)
    assert ecs.log_line(arn) == "ready"
    return ecs.describe(arn)


def said(ecs: Ecs, script: str, **parameters: Any) -> list[str]:
    return ecs.logs(ecs.finish(ecs.define(container(script)), **parameters)["taskArn"])


@pytest.fixture(scope="module")
def ecs(podman_cloud: PodmanCloud) -> Iterator[Ecs]:
    with podman_cloud() as ecs:
        yield ecs


def own_address() -> str:
    """This machine's address on the network it is in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.99", 9))
        return str(probe.getsockname()[0])


def test_two_tasks_listen_on_one_port_each_at_the_address_that_describe_tasks_names(ecs: Ecs) -> None:
    for task, name in [(serving(ecs, name), name) for name in ("first", "second")]:
        with urllib.request.urlopen(f"http://{address(task)}:{PORT}/", timeout=5) as answer:
            assert answer.read().decode().startswith(f"{name} to ")


def test_a_task_reaches_another_and_is_seen_by_its_own_address(ecs: Ecs) -> None:
    task = serving(ecs, "other")
    arn = ecs.run(ecs.define(container(ask(f"{address(task)}:{PORT}"))))
    caller = ecs.stopped(arn)
    assert ecs.logs(arn) == [f"other to {address(caller)}"]


def test_the_containers_of_a_task_share_its_loopback_and_its_name(ecs: Ecs) -> None:
    asking = container(f"sleep 1; hostname; {ask(f'127.0.0.1:{PORT}')}")
    beside = container(
        SERVE, name="beside", essential=False, stopTimeout=2, environment=[{"name": "NAME", "value": "neighbour"}]
    )
    arn = ecs.run(ecs.define({**asking, "dependsOn": [{"containerName": "beside", "condition": "START"}]}, beside))
    name = f"ip-{address(ecs.stopped(arn)).replace('.', '-')}.ec2.internal"
    assert ecs.logs(arn) == [name, "neighbour to 127.0.0.1"]


def test_a_task_of_another_vpc_is_out_of_reach_though_its_address_is_not_hidden(ecs: Ecs) -> None:
    ec2 = ecs.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.1.0/24")["Subnet"]["SubnetId"]
    task = serving(ecs, "far", networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}})
    assert said(ecs, ask(f"{address(task)}:{PORT}")) == ["no answer"]
    with urllib.request.urlopen(f"http://{address(task)}:{PORT}/", timeout=5) as answer:
        assert answer.read().decode().startswith("far to ")


def test_without_strict_a_task_reaches_what_is_outside(ecs: Ecs) -> None:
    assert said(ecs, ask(f"{own_address()}:9")) == ["no: Connection refused"]


def test_a_task_leaves_nothing_of_its_network_behind(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define(container("exit 0")))
    assert not list(Path("/run/netns").glob(f"*{task['taskArn'].rpartition('/')[2]}"))


def test_a_server_removes_what_one_that_was_killed_left_behind(podman_cloud: PodmanCloud) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    name = f"fargate-local-{gone.pid}-vpc-1"
    rule = ["FORWARD", "-i", "no-such-link", "-m", "comment", "--comment", name, "-j", "ACCEPT"]
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["iptables", "-A", *rule], check=True)
    with podman_cloud():
        assert not Path("/run/netns", name).exists()
        assert subprocess.run(["iptables", "-C", *rule], capture_output=True, check=False).returncode != 0


def database(ecs: Ecs, name: str, **settings: Any) -> tuple[str, int]:
    """Where a PostgreSQL with the password `correct-horse` is, once it runs."""
    rds = ecs.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier=name, Engine="postgres", DBInstanceClass="db.t4g.micro", AllocatedStorage=20,
        MasterUsername="boss", MasterUserPassword="correct-horse", **settings,
    )  # fmt: skip
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=name, WaiterConfig={"Delay": 1})
    endpoint = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["Endpoint"]
    return endpoint["Address"], endpoint["Port"]


def ask_for_tls(host: str, port: int) -> str:
    """A script that asks a PostgreSQL whether it speaks TLS, and prints its answer, S, or why there is none."""
    return (
        "perl -MIO::Socket::INET -e '$SIG{ALRM} = sub { print qq(no answer\n); exit }; alarm 3;"
        f' $s = IO::Socket::INET->new(PeerAddr => "{host}:{port}") or do {{ print "no: $!\n"; exit }};'
        ' print $s pack("NN", 8, 80877103); $s->flush; read($s, $a, 1); print "$a\n"\''
    )


def test_a_database_is_at_its_address_in_the_vpc_and_at_its_own_port(ecs: Ecs, tmp_path: Path) -> None:
    host, port = database(ecs, "here")
    assert (host.startswith("172.31."), port) == (True, 5432)
    assert said(ecs, ask_for_tls(host, port)) == ["S"]
    bundle = tmp_path / "global-bundle.pem"
    urllib.request.urlretrieve(ecs.cloud.environment["FARGATE_LOCAL_RDS_BUNDLE"], bundle)
    with psycopg.connect(
        host=host, port=port, user="boss", password="correct-horse", dbname="postgres", connect_timeout=10,
        sslmode="verify-full", sslrootcert=str(bundle),
    ) as connection:  # fmt: skip
        assert connection.execute("SELECT 7").fetchone() == (7,)
    rds, deadline = ecs.client("rds"), time.monotonic() + 60
    rds.stop_db_instance(DBInstanceIdentifier="here")
    while rds.describe_db_instances(DBInstanceIdentifier="here")["DBInstances"][0]["DBInstanceStatus"] != "stopped":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert said(ecs, ask_for_tls(host, port))[0].startswith("no")


# Strict: the subnet's ways out are those of the VPC, and groups guard the tasks.


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


@pytest.fixture(scope="module")
def closed(podman_cloud: PodmanCloud) -> Iterator[tuple[Ecs, dict[str, Any]]]:
    """A strict cloud, and the network of tasks in a subnet that reaches ECR, S3 and Logs by endpoints, nothing else."""
    with podman_cloud("--vcpus", "1000", strict=True) as ecs:
        by_tasks = {"Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
        trust, everything = document(by_tasks), document({"Action": "*", "Resource": "*"})
        iam, ec2 = ecs.client("iam"), ecs.client("ec2")
        ecs.execution_role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(RoleName="worker", PolicyName="all", PolicyDocument=everything)
        vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
        (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
        group = ec2.create_security_group(GroupName="endpoints", Description="d", VpcId=vpc)["GroupId"]
        ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.7.0.0/16"
        )
        ec2.create_vpc_endpoint(
            VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table["RouteTableId"]]
        )
        for service in ("ecr.api", "ecr.dkr", "logs"):
            ec2.create_vpc_endpoint(
                VpcId=vpc, ServiceName=f"com.amazonaws.us-east-1.{service}", VpcEndpointType="Interface",
                SubnetIds=[subnet], SecurityGroupIds=[group], PrivateDnsEnabled=True,
            )  # fmt: skip
        yield ecs, {"vpc": vpc, "subnet": subnet}


def within(closed: tuple[Ecs, dict[str, Any]], *groups: str) -> dict[str, Any]:
    more = {"securityGroups": list(groups)} if groups else {}
    return {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [closed[1]["subnet"]], **more}}}


def test_from_a_closed_subnet_a_connection_to_the_outside_times_out(closed: tuple[Ecs, dict[str, Any]]) -> None:
    began = time.monotonic()
    assert said(closed[0], ask(f"{own_address()}:9"), **within(closed)) == ["no answer"]
    assert time.monotonic() - began > 3


def test_from_a_closed_subnet_a_service_answers_only_through_its_endpoint(closed: tuple[Ecs, dict[str, Any]]) -> None:
    ecs = closed[0]
    server = ecs.cloud.url.removeprefix("http://")

    def signed_for(service: str) -> str:
        scope = f"AWS4-HMAC-SHA256 Credential=AKIA/20261130/us-east-1/{service}/aws4_request, SignedHeaders=host"
        return ask(server, f"GET / HTTP/1.0\\r\\nAuthorization: {scope}, Signature=0")

    ident = '" . ($ENV{ECS_CONTAINER_METADATA_URI_V4} =~ s,.*/,,r) . "'
    metadata = ask(server, f"GET /v4/{ident}/task HTTP/1.0")
    s3, sqs, task = said(ecs, f"{signed_for('s3')}; {signed_for('sqs')}; {metadata}", **within(closed))
    assert "Error" in s3, "S3 refuses the signature, but it answers"
    assert sqs == "no answer"
    assert json.loads(task)["KnownStatus"] == "RUNNING"


def test_security_groups_guard_tasks_from_each_other(closed: tuple[Ecs, dict[str, Any]]) -> None:
    ecs, network = closed
    ec2 = ecs.client("ec2")
    clients, servers = (
        ec2.create_security_group(GroupName=name, Description="d", VpcId=network["vpc"])["GroupId"]
        for name in ("clients", "servers")
    )
    pair = [{"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "UserIdGroupPairs": [{"GroupId": clients}]}]
    ec2.authorize_security_group_ingress(GroupId=servers, IpPermissions=pair)
    task = serving(ecs, "guarded", **within(closed, servers))
    script = ask(f"{address(task)}:{PORT}")
    assert said(ecs, script, **within(closed, clients))[0].startswith("guarded to ")
    assert said(ecs, script, **within(closed, servers)) == ["no answer"]
    assert said(ecs, ask(f"{address(task)}:9"), **within(closed, clients)) == ["no answer"]


def test_security_groups_guard_a_database(closed: tuple[Ecs, dict[str, Any]]) -> None:
    ecs, network = closed
    ec2, rds = ecs.client("ec2"), ecs.client("rds")
    groups = [
        ec2.create_security_group(GroupName=name, Description="d", VpcId=network["vpc"])["GroupId"]
        for name in ("readers", "strangers", "database", "closed")
    ]
    readers, strangers, guarding, shut = groups
    pair = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": readers}]}]
    ec2.authorize_security_group_ingress(GroupId=guarding, IpPermissions=pair)
    other = ec2.create_subnet(VpcId=network["vpc"], CidrBlock="10.7.2.0/24")["Subnet"]["SubnetId"]
    rds.create_db_subnet_group(
        DBSubnetGroupName="private", DBSubnetGroupDescription="d", SubnetIds=[other, network["subnet"]]
    )
    host, port = database(ecs, "guarded", DBSubnetGroupName="private", VpcSecurityGroupIds=[guarding])
    assert host.startswith("10.7.")
    assert said(ecs, ask_for_tls(host, port), **within(closed, readers)) == ["S"]
    assert said(ecs, ask_for_tls(host, port), **within(closed, strangers)) == ["no answer"]
    rds.modify_db_instance(DBInstanceIdentifier="guarded", VpcSecurityGroupIds=[shut], ApplyImmediately=True)
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="guarded", WaiterConfig={"Delay": 1})
    assert said(ecs, ask_for_tls(host, port), **within(closed, readers)) == ["no answer"]


def test_a_call_from_a_task_is_judged_by_the_endpoint_that_it_comes_through_whoever_signed_it(
    closed: tuple[Ecs, dict[str, Any]],
) -> None:
    ecs, network = closed
    iam, ec2, s3 = ecs.client("iam"), ecs.client("ec2"), ecs.client("s3")
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="k", Body=b"content")
    iam.create_user(UserName="ana")
    iam.put_user_policy(UserName="ana", PolicyName="all", PolicyDocument=document({"Action": "s3:*", "Resource": "*"}))
    made = iam.create_access_key(UserName="ana")["AccessKey"]
    keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    ana = boto3.client("s3", **ecs.cloud.client_args | keys, config=Config(signature_version="s3v4"))
    url = ana.generate_presigned_url("get_object", Params={"Bucket": "lake", "Key": "k"})
    server = ecs.cloud.url.removeprefix("http://")
    script = ask(server, f"GET {url.removeprefix(ecs.cloud.url)} HTTP/1.0").replace(
        "Host: localhost", f"Host: {server}"
    )
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [network["vpc"]]}])["VpcEndpoints"]
    (gateway,) = (each for each in found if each["ServiceName"] == "com.amazonaws.us-east-1.s3")
    told = []
    # The first lets no more through than the layers of the task's own image.
    for resource in ("arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*", "*"):
        policy = document({"Principal": "*", "Action": "s3:GetObject", "Resource": resource})
        ec2.modify_vpc_endpoint(VpcEndpointId=gateway["VpcEndpointId"], PolicyDocument=policy)
        told += said(ecs, script, **within(closed))
    assert "because no VPC endpoint policy allows the s3:GetObject action" in told[0]
    assert told[1] == "content"
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"content"
