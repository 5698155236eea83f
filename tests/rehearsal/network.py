"""What a container of the account reaches."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.rehearsal.account import CLUSTER, Account

PROBE = """
import socket, sys
for place in sys.argv[1:]:
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        print(place, "reached", flush=True)
    except OSError as error:
        print(place, type(error).__name__, flush=True)
"""


@contextmanager
def listening() -> Iterator[str]:
    """A port of this machine, which is outside of every VPC, as `address:port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.99", 9))  # sends nothing; says by which address this machine goes out
        address = probe.getsockname()[0]
    with socket.create_server((address, 0)) as server:
        yield f"{address}:{server.getsockname()[1]}"


def in_private_subnets(account: Account, group: str) -> dict[str, Any]:
    """The private subnets, in one of the environment's security groups by the name of its export."""
    exports = account.exports()
    return {
        "subnets": exports[f"{CLUSTER}-private-subnets"].split(","),
        "securityGroups": [exports[f"{CLUSTER}-{group}-security-group"]],
        "assignPublicIp": "DISABLED",
    }


def in_a_public_subnet(account: Account) -> dict[str, Any]:
    """A subnet of the account's default VPC, with an address in the internet."""
    ec2 = account.client("ec2")
    subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    return {"subnets": [subnets[0]["SubnetId"]], "assignPublicIp": "ENABLED"}


def reached(account: Account, network: dict[str, Any], *places: str) -> dict[str, str]:
    """Have ingesta's container reach for places (`host:port`); return what came of each: `reached`, or an error."""
    command = ["python", "-c", PROBE, *places]
    (task,) = account.client("ecs").run_task(
        cluster=CLUSTER,
        taskDefinition=f"{CLUSTER}-ingesta",
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
        overrides={"containerOverrides": [{"name": "ingesta", "command": command}]},
    )["tasks"]
    ended = account.stopped(task["taskArn"])
    said = account.client("logs").get_log_events(
        logGroupName="/datavision/dev", logStreamName=f"ingesta/ingesta/{task['taskArn'].rpartition('/')[2]}"
    )
    answers = [event["message"].split() for event in said["events"]]
    found = {place: answer for place, answer in answers if place in places}
    assert len(found) == len(places), (ended, answers)
    return found
