"""Addresses of tasks: each its own, for as long as the subnet has one."""

from fargate_local.cloud.catalog import Subnet
from fargate_local.ecs.addresses import Addresses

SMALL = Subnet("subnet-1", "vpc-1", "us-east-1a", "10.0.0.0/28")
"""16 addresses, of which AWS keeps five (VPC user guide, "Subnet sizing")."""


def task(address: str) -> dict[str, object]:
    details = {"subnetId": SMALL.subnet_id, "privateIPv4Address": address}
    return {"attachments": [{"details": [{"name": name, "value": value} for name, value in details.items()]}]}


def test_no_two_tasks_have_one_address_while_the_subnet_has_another() -> None:
    addresses = Addresses()
    taken = [addresses.take([SMALL])[1] for _ in range(11)]
    assert taken == [f"10.0.0.{number}" for number in range(4, 15)]
    addresses.give_back(task("10.0.0.9"))
    assert addresses.take([SMALL])[1] == "10.0.0.9"
    assert addresses.take([SMALL])[1] in taken


def test_subnets_are_taken_in_turn() -> None:
    other = Subnet("subnet-2", "vpc-1", "us-east-1b", "10.0.1.0/28")
    addresses = Addresses()
    assert [addresses.take([SMALL, other])[0] for _ in range(4)] == [SMALL, other, SMALL, other]
