"""Load balancers really forward: to healthy tasks of services, through deployments, with the errors of ELB."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from tests.support.balancer import Balancer, until
from tests.support.cloud import Ecs
from typer.testing import CliRunner

from fargate_local import FargateLocal
from fargate_local.cli import app


@pytest.fixture(scope="module")
def balancer() -> Iterator[Balancer]:
    with FargateLocal(options=("--elb-times", "0.1")) as cloud:
        yield Balancer(Ecs(cloud))


def test_a_service_registers_its_tasks_and_the_listener_reaches_each_of_them_in_turn(balancer: Balancer) -> None:
    web = balancer.service("turns", count=2)
    balancer.stable(web)
    balancer.in_service(web)
    seen = [httpx.get(web.url).text for _ in range(6)]
    assert len(set(seen)) == 2
    assert seen[0::2] == [seen[0]] * 3
    assert seen[1::2] == [seen[1]] * 3
    said = balancer.messages(web)
    assert said.count(f"registered 1 targets in (target-group {web.group})") == 2


def test_a_rolling_deployment_loses_no_request(balancer: Balancer) -> None:
    web = balancer.service("rolling", count=2, pause=0.05)
    balancer.stable(web)
    failures, versions, over = list[Any](), set[str](), threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not over.is_set():
                try:
                    answer = client.get(web.url)
                    answer.raise_for_status()
                    versions.add(answer.headers["x-version"])
                except httpx.HTTPError as error:
                    failures.append(error)

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    until(lambda: "1" in versions or bool(failures))
    balancer.update(web, taskDefinition=balancer.define("rolling", version="2", pause=0.05))
    balancer.stable(web)
    until(lambda: "2" in versions or bool(failures))
    over.set()
    for caller in callers:
        caller.join()
    assert failures == []
    assert versions == {"1", "2"}
    assert httpx.get(web.url).headers["x-version"] == "2"
    assert "has begun draining connections on 2 tasks." in balancer.messages(web) or (
        balancer.messages(web).count("has begun draining connections on 1 tasks.") == 2
    )


def test_headers_tell_the_target_who_asked_and_how(balancer: Balancer) -> None:
    web = balancer.service("headers")
    balancer.stable(web)
    sent = {"X-Forwarded-For": "192.0.2.7", "X-Own": "yes"}
    lines = httpx.get(f"{web.url}/headers", headers=sent).text.strip().splitlines()
    told = httpx.Headers(dict(line.split(": ", 1) for line in lines))
    assert told["x-forwarded-for"] == "192.0.2.7, 127.0.0.1"
    assert (told["x-forwarded-proto"], told["x-own"]) == ("http", "yes")
    assert told["x-amzn-trace-id"].startswith("Root=1-")
    assert told["host"] == web.url.removeprefix("http://")
    body = b"x" * 3_000_000
    assert httpx.post(web.url, content=body).content == body


@pytest.fixture(scope="module")
def plain(balancer: Balancer) -> Iterator[tuple[str, int]]:
    """A target group whose one target is a socket of this process that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        group = balancer.group("plain", HealthCheckProtocol="HTTP", HealthCheckEnabled=True)
        balancer.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": port}])
        yield group, port


@pytest.mark.slow
def test_without_a_target_the_answer_is_503_and_from_one_that_says_nothing_504(
    balancer: Balancer, plain: tuple[str, int]
) -> None:
    empty = balancer.url(balancer.listener({"Type": "forward", "TargetGroupArn": balancer.group("empty")}))
    answer = httpx.get(empty)
    assert (answer.status_code, answer.headers["server"]) == (503, "awselb/2.0")
    assert "503 Service Temporarily Unavailable" in answer.text
    silent = balancer.url(balancer.listener({"Type": "forward", "TargetGroupArn": plain[0]}))
    until(lambda: balancer.health(plain[0])[0]["State"] == "unhealthy")
    assert balancer.health(plain[0]) == [
        {"State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out"}
    ]
    attributes = [{"Key": "idle_timeout.timeout_seconds", "Value": "1"}]
    balancer.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer.arn, Attributes=attributes)
    time.sleep(0.5)
    # All targets fail their checks, so they get the requests (user guide, "fail open").
    assert httpx.get(silent).status_code == 504
    attributes[0]["Value"] = "60"
    balancer.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer.arn, Attributes=attributes)


def test_a_target_that_breaks_off_is_502(balancer: Balancer) -> None:
    web = balancer.service("broken")
    balancer.stable(web)
    assert httpx.get(f"{web.url}/broken").status_code == 502


def test_rules_choose_by_priority_host_path_header_method_and_query(balancer: Balancer) -> None:
    def says(word: str) -> dict[str, Any]:
        return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": word}}

    listener = balancer.listener(says("default"))
    rules: list[tuple[int, str, list[dict[str, Any]]]] = [
        (50, "late", [{"Field": "path-pattern", "Values": ["/api/*"]}]),
        (10, "both", [{"Field": "path-pattern", "Values": ["/api/?"]}, {"Field": "host-header", "Values": ["*.test"]}]),
        (20, "header", [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Kind", "Values": ["a*"]}}]),
        (30, "method", [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["DELETE"]}}]),
        (40, "query", [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}}]),
    ]
    for priority, word, conditions in rules:
        balancer.elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=conditions, Actions=[says(word)])
    url = balancer.url(listener)
    until(lambda: httpx.get(url, params={"v": "2"}).text == "query")
    assert httpx.get(f"{url}/else").text == "default"
    assert httpx.get(f"{url}/api/1").text == "late"
    assert httpx.get(f"{url}/api/1", headers={"Host": "My.Test"}).text == "both"
    assert httpx.get(f"{url}/api/12", headers={"Host": "my.test"}).text == "late"
    assert httpx.get(url, headers={"X-Kind": "Abc"}).text == "header"
    assert httpx.delete(url).text == "method"


def test_a_redirect_leads_to_where_the_other_listener_is_found_here(balancer: Balancer) -> None:
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "here"}}
    target = balancer.listener(fixed, Port=743)
    balancer.url(target)
    moved = {"Protocol": "HTTP", "Port": "743", "StatusCode": "HTTP_301", "Path": "/new/#{path}"}
    url = balancer.url(balancer.listener({"Type": "redirect", "RedirectConfig": moved}))
    answer = httpx.get(f"{url}/old?x=1")
    assert answer.status_code == 301
    assert answer.headers["location"].endswith("/new/old?x=1")
    assert httpx.get(answer.headers["location"]).text == "here"


def test_an_https_listener_has_the_certificate_that_acm_has(balancer: Balancer) -> None:
    arn = balancer.ecs.client("acm").request_certificate(DomainName="shop.test")["CertificateArn"]
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "safe"}}
    url = balancer.url(balancer.listener(fixed, protocol="HTTPS", Certificates=[{"CertificateArn": arn}]))
    assert url.startswith("https://")
    assert httpx.get(url, verify=False).text == "safe"  # noqa: S501 - what it is signed by is looked at below
    pem = balancer.ecs.client("acm").get_certificate(CertificateArn=arn)["Certificate"]
    shown = ssl.get_server_certificate(("127.0.0.1", int(url.rpartition(":")[2])))
    assert shown.split() == pem.split()


def test_a_network_load_balancer_forwards_bytes(balancer: Balancer) -> None:
    network = Balancer(balancer.ecs, kind="network")
    group = network.group("bytes", "TCP", HealthCheckProtocol="TCP", HealthCheckPath="/")
    with socket.create_server(("127.0.0.1", 0)) as echo:
        network.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": echo.getsockname()[1]}])
        url = network.url(network.listener({"Type": "forward", "TargetGroupArn": group}, protocol="TCP"))
        until(lambda: network.health(group)[0]["State"] == "healthy")
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    taken, _ = echo.accept()
                    with taken:
                        if data := taken.recv(100):
                            taken.sendall(data[::-1])

        threading.Thread(target=serve, daemon=True).start()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as client:
            client.sendall(b"abc")
            assert client.recv(100) == b"cba"
            assert client.recv(100) == b""
        stop.set()


@pytest.mark.slow
def test_a_task_whose_target_fails_its_checks_is_replaced_after_the_grace_period(
    balancer: Balancer, tmp_path: Any
) -> None:
    sick = tmp_path / "sick"
    web = balancer.service("sick", sick=str(sick), healthCheckGracePeriodSeconds=4)
    balancer.stable(web)
    (before,) = balancer.ecs.api.list_tasks(cluster=balancer.ecs.cluster, serviceName="sick")["taskArns"]
    sick.touch()
    state = until(lambda: [each for each in balancer.health(web.group) if each["State"] == "unhealthy"])
    assert (state[0]["Reason"], state[0]["Description"]) == (
        "Target.ResponseCodeMismatch",
        "Health checks failed with these codes: [500]",
    )
    stopped = balancer.ecs.stopped(before)
    sick.unlink()
    assert stopped["stoppedReason"] == f"Task failed ELB health checks in (target-group {web.group})"
    assert (stopped["stoppingAt"] - stopped["startedAt"]).total_seconds() >= 4
    said = next(text for text in balancer.messages(web) if "is unhealthy" in text)
    assert said.endswith(
        f"is unhealthy in (target-group {web.group}) due to (reason Health checks failed with these codes: [500])."
    )
    balancer.stable(web)
    assert f"deregistered 1 targets in (target-group {web.group})" in balancer.messages(web)


@pytest.mark.slow
def test_the_circuit_breaker_counts_tasks_whose_targets_fail(balancer: Balancer, tmp_path: Any) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    web = balancer.service("breaker", deploymentConfiguration=breaker)
    balancer.stable(web)
    good = balancer.described(web)["deployments"][0]["id"]
    sick = tmp_path / "sick"
    sick.touch()
    bad = balancer.update(web, taskDefinition=balancer.define("breaker", version="2", sick=str(sick)))
    until(lambda: balancer.described(web)["deployments"][0]["id"] == good)
    assert httpx.get(web.url).headers["x-version"] == "1"
    failed = f"(deployment {bad['deployments'][0]['id']}) deployment failed: tasks failed to start."
    assert failed in balancer.messages(web)


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"containerName": "nobody"}, "The container nobody does not exist in the task definition."),
        ({"containerPort": 81}, "The container app did not have a container port 81 defined."),
        ({"targetGroupArn": "arn:nothing"}, "Unable to assume role and validate the specified targetGroupArn."),
        ({"TargetType": "instance"}, "has target type instance, which is incompatible with the awsvpc network mode"),
        ({"TargetType": "ip"}, "does not have an associated load balancer."),
    ],
)
def test_links_that_ecs_would_refuse_are_refused(balancer: Balancer, link: dict[str, Any], message: str) -> None:
    if "TargetType" in link:
        link = {"targetGroupArn": balancer.group("alone", TargetType=link["TargetType"])}
    wanted = {"targetGroupArn": "arn:nothing", "containerName": "app", "containerPort": 8080, **link}
    with pytest.raises(ClientError) as raised:
        balancer.ecs.api.create_service(
            cluster=balancer.ecs.cluster, serviceName="refused", taskDefinition=balancer.define("refused"),
            desiredCount=1, launchType="FARGATE", networkConfiguration=balancer.ecs.network, loadBalancers=[wanted],
        )  # fmt: skip
    error = raised.value.response["Error"]
    assert error["Code"] == "InvalidParameterException"
    assert message in error["Message"]


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server of web sockets that sends back what it gets, in capitals."""
    from websockets.sync.server import ServerConnection, serve

    def answer(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message.upper())

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


def test_web_sockets_pass_both_ways(balancer: Balancer, echo: int) -> None:
    from websockets.sync.client import connect

    group = balancer.group("sockets", HealthCheckPath="/")
    balancer.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": echo}])
    url = balancer.url(balancer.listener({"Type": "forward", "TargetGroupArn": group}))
    # A server of web sockets alone refuses the health check's plain request; the load balancer then fails open.
    until(lambda: balancer.health(group)[0]["State"] == "unhealthy")
    with connect(url.replace("http", "ws", 1)) as client:
        for text in ("one", "two"):
            client.send(text)
            assert client.recv(10) == text.upper()


def test_balancers_shows_where_listeners_are_found(balancer: Balancer) -> None:
    says = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "x"}}
    url = balancer.url(balancer.listener(says, Port=999))
    environment = {**balancer.ecs.cloud.environment, "NO_COLOR": "1"}
    shown = CliRunner().invoke(app, ["balancers"], env=environment)
    assert f"HTTP 999\t{url}" in shown.stdout, shown.output
    listed = json.loads(CliRunner().invoke(app, ["balancers", "--json"], env=environment).stdout)
    assert balancer.dns_name in {each["dnsName"] for each in listed}
