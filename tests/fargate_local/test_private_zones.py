"""Names of Route 53's private zones inside tasks.

Developer guide, "Considerations when working with a private hosted zone".
"""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from tests.support.cloud import Ecs
from tests.support.podman import PodmanCloud, needs_podman, podman_container

from fargate_local.private_zones import answer
from fargate_local.runtimes.lookup import Answer

VPC, OTHER = "vpc-1", "vpc-2"
BALANCER = "web-1.elb.localhost"


def elsewhere(name: str, kind: str) -> Answer | None:
    if name != BALANCER:
        return None
    return Answer(exists=True, records=((5, "169.254.172.1"),) if kind == "A" else ())


def make_zone(route53: Any, name: str, vpc: str | None, records: list[dict[str, Any]]) -> str:
    private = {"VPC": {"VPCRegion": "us-east-1", "VPCId": vpc}} if vpc else {}
    config = {"Comment": "", "PrivateZone": vpc is not None}
    zone = route53.create_hosted_zone(Name=name, CallerReference=f"{name}{vpc}", HostedZoneConfig=config, **private)
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]
    if changes:
        route53.change_resource_record_sets(HostedZoneId=zone["HostedZone"]["Id"], ChangeBatch={"Changes": changes})
    return str(zone["HostedZone"]["Id"])


def record(name: str, kind: str, *values: str) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": 30, "ResourceRecords": [{"Value": value} for value in values]}


def alias(name: str, target: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "A",
        "AliasTarget": {"DNSName": target, "HostedZoneId": "Z1", "EvaluateTargetHealth": False},
    }


@pytest.fixture
def zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        route53 = boto3.client("route53", region_name="us-east-1")
        records = [
            record("db.inside.example", "A", "10.0.0.1", "10.0.0.2"),
            record("*.wild.inside.example", "A", "10.0.0.3"),
            record("short.inside.example", "CNAME", "db.inside.example"),
            record("loop.inside.example", "CNAME", "loop.inside.example"),
            record("away.inside.example", "CNAME", "www.example.net"),
            alias("web.inside.example", f"dualstack.{BALANCER}."),
        ]
        make_zone(route53, "inside.example", VPC, records)
        make_zone(route53, "deep.inside.example", VPC, [record("deep.inside.example", "A", "10.0.0.4")])
        make_zone(route53, "other.example", OTHER, [record("a.other.example", "A", "10.0.0.5")])
        make_zone(route53, "public.example", None, [record("a.public.example", "A", "192.0.2.1")])
        yield


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("db.inside.example", "A", ((30, "10.0.0.1"), (30, "10.0.0.2"))),
        ("db.inside.example", "AAAA", ()),
        ("any.wild.inside.example", "A", ((30, "10.0.0.3"),)),
        ("short.inside.example", "A", ((60, "10.0.0.1"), (60, "10.0.0.2"))),
        ("short.inside.example", "CNAME", ((30, "db.inside.example"),)),
        ("loop.inside.example", "A", ()),
        ("away.inside.example", "A", ()),
        ("web.inside.example", "A", ((60, "169.254.172.1"),)),
        ("deep.inside.example", "A", ((30, "10.0.0.4"),)),
    ],
)
@pytest.mark.usefixtures("zones")
def test_a_name_has_the_records_of_its_zone(name: str, kind: str, expected: tuple[tuple[int, str], ...]) -> None:
    assert answer(VPC, name, kind, elsewhere) == Answer(exists=True, records=expected)


@pytest.mark.usefixtures("zones")
def test_a_zone_answers_for_its_own_names_and_its_own_vpcs_alone() -> None:
    assert answer(VPC, "nobody.inside.example", "A", elsewhere) == Answer(exists=False)
    assert answer(VPC, "nobody.deep.inside.example", "A", elsewhere) == Answer(exists=False)
    for name in ("a.other.example", "a.public.example", "notinside.example"):
        assert answer(VPC, name, "A", elsewhere) is None


@pytest.fixture
def ecs(podman_cloud: PodmanCloud) -> Iterator[Ecs]:
    with podman_cloud() as ecs:
        yield ecs


@pytest.mark.containers
@needs_podman[1]
def test_a_task_finds_the_names_of_its_vpc(ecs: Ecs) -> None:
    vpc = ecs.client("ec2").describe_subnets(SubnetIds=[ecs.subnet])["Subnets"][0]["VpcId"]
    make_zone(ecs.client("route53"), "inside.example", vpc, [record("db.inside.example", "A", "10.9.8.7")])
    script = "getent hosts db.inside.example; getent hosts nobody.inside.example || echo nobody"
    arn = ecs.finish(ecs.define(podman_container(script)))["taskArn"]
    assert [line.split() for line in ecs.logs(arn)] == [["10.9.8.7", "db.inside.example"], ["nobody"]]
