"""Services of containers with networks of their own: behind load balancers, and found by name."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.fargate_local.test_task_networks import SERVE, ask
from tests.support.balancer import Balancer, until
from tests.support.cloud import Ecs
from tests.support.names import Names
from tests.support.podman import PodmanCloud, needs_podman
from tests.support.podman import podman_container as container

pytestmark = needs_podman


@pytest.fixture(scope="module")
def ecs(podman_cloud: PodmanCloud) -> Iterator[Ecs]:
    with podman_cloud("--elb-times", "0.1") as ecs:
        yield ecs


def test_names_resolve_inside_containers_by_getaddrinfo_and_follow_the_tasks(ecs: Ecs) -> None:
    names = Names(ecs)
    names.service("web", ecs.define(container("exec sleep 600", stopTimeout=2)), 2)
    found = until(lambda: names.two("web"))
    addresses = {each["Attributes"]["AWS_INSTANCE_IPV4"] for each in found}
    script = "getent ahostsv4 web.shop.local; getent ahostsv4 none.shop.local || echo unknown"
    lines = ecs.logs(ecs.finish(ecs.define(container(script)))["taskArn"])
    assert {line.split()[0] for line in lines[:-1]} == addresses
    assert lines[-1] == "unknown"
    ecs.api.update_service(cluster=ecs.cluster, service="web", desiredCount=0)
    until(lambda: names.discover("web") == [])
    assert ecs.logs(ecs.finish(ecs.define(container(script)))["taskArn"]) == ["unknown"]


def test_a_load_balancer_reaches_two_tasks_that_listen_at_one_port(ecs: Ecs) -> None:
    balancer = Balancer(ecs)
    served = container(SERVE, portMappings=[{"containerPort": 8080}], stopTimeout=2)
    web = balancer.service("twins", 2, family=ecs.define(served), group={"HealthCheckPath": "/"})
    balancer.stable(web)
    tasks = ecs.api.list_tasks(cluster=ecs.cluster, serviceName="twins")["taskArns"]
    registered = balancer.elb.describe_target_health(TargetGroupArn=web.group)["TargetHealthDescriptions"]
    assert {(each["Target"]["Id"], each["Target"]["Port"]) for each in registered} == {
        (address(ecs.describe(task)), 8080) for task in tasks
    }
    assert [httpx.get(web.url).status_code for _ in range(4)] == [200] * 4
    ecs.api.delete_service(cluster=ecs.cluster, service="twins", force=True)
    until(lambda: httpx.get(web.url).status_code == 503)


def test_a_load_balancers_name_leads_to_its_listeners_from_inside_a_task_too(ecs: Ecs) -> None:
    balancer = Balancer(ecs)
    echo = SERVE.replace("last if", "$f = $1 if /^x-forwarded-for: (.*?)\\r/i; last if").replace(
        ". $c->peerhost", ". $f"
    )
    served = container(echo, portMappings=[{"containerPort": 8080}], stopTimeout=2, environment=[])
    web = balancer.service("inner", family=ecs.define(served), group={"HealthCheckPath": "/"})
    balancer.stable(web)
    (listener,) = balancer.elb.describe_listeners(ListenerArns=[web.listener])["Listeners"]
    arn = ecs.run(ecs.define(container(ask(f"{balancer.dns_name}:{listener['Port']}"))))
    task = ecs.stopped(arn)
    assert ecs.logs(arn) == [f" to {address(task)}"]
    ecs.api.delete_service(cluster=ecs.cluster, service="inner", force=True)


def address(task: dict[str, Any]) -> str:
    return str(task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"])
