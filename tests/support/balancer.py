"""A load balancer of a cloud, with services behind it that run a small web server of Python."""

import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.cloud import DEADLINE, Ecs

from fargate_local.admin_client import ask

OF_SERVICE = ("healthCheckGracePeriodSeconds", "deploymentConfiguration")

SERVER = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def do_GET(self):
        if self.path == "/health":
            return self.answer(200 if not os.path.exists(os.environ["SICK"]) else 500, b"")
        if self.path == "/broken":
            return self.connection.close()
        if self.path == "/headers":
            return self.answer(200, str(self.headers).encode())
        time.sleep(float(self.path[7:]) if self.path.startswith("/sleep/") else float(os.environ["PAUSE"]))
        self.answer(200, str(os.getpid()).encode())
    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))
    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", os.environ["VERSION"])
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["FARGATE_LOCAL_PORT_8080"])), Handler).serve_forever()
"""
HEALTH = {"HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2}


def until(done: Callable[[], Any]) -> Any:
    """What `done` returns, once it is true."""
    deadline = time.monotonic() + DEADLINE
    while not (found := done()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Web:
    """A service behind a listener of its own."""

    name: str
    group: str
    listener: str
    url: str


class Balancer:
    """One load balancer."""

    def __init__(self, ecs: Ecs, kind: str = "application") -> None:
        self.ecs = ecs
        self.elb = ecs.client("elbv2")
        subnets = ecs.client("ec2").describe_subnets()["Subnets"][:2]
        self.vpc = subnets[0]["VpcId"]
        (made,) = self.elb.create_load_balancer(
            Name=f"lb-{uuid.uuid4().hex[:8]}", Subnets=[each["SubnetId"] for each in subnets], Type=kind
        )["LoadBalancers"]
        self.arn, self.dns_name = made["LoadBalancerArn"], made["DNSName"]
        self._ports = iter(range(20, 1000))

    def group(self, name: str, protocol: str = "HTTP", **settings: Any) -> str:
        """The ARN of a new target group."""
        (made,) = self.elb.create_target_group(
            Name=f"{name}-{uuid.uuid4().hex[:6]}", Protocol=protocol, Port=8080, VpcId=self.vpc,
            **{**HEALTH, "TargetType": "ip", "UnhealthyThresholdCount": 2, "HealthyThresholdCount": 2, **settings},
        )["TargetGroups"]  # fmt: skip
        return str(made["TargetGroupArn"])

    def listener(self, *actions: dict[str, Any], protocol: str = "HTTP", **settings: Any) -> str:
        """The ARN of a new listener."""
        (made,) = self.elb.create_listener(
            LoadBalancerArn=self.arn, Protocol=protocol, DefaultActions=list(actions),
            **{"Port": next(self._ports), **settings},
        )["Listeners"]  # fmt: skip
        return str(made["ListenerArn"])

    def url(self, listener: str) -> str:
        """Where a listener is found here."""

        def found() -> Any:
            listed = ask(self.ecs.cloud.key, "GET", "balancers", None)["listeners"]
            return next((each["url"] for each in listed if each["listenerArn"] == listener), None)

        return str(until(found))

    def define(
        self, name: str, version: str = "1", pause: float = 0.0, sick: str = "/no-such-file", **more: Any
    ) -> str:
        """A family of the web server."""
        values = {"FARGATE_LOCAL_PORT_8080": "8080", "VERSION": version, "PAUSE": str(pause), "SICK": sick}
        return self.ecs.define(
            {
                "command": [sys.executable, "-c", SERVER],
                "portMappings": [{"containerPort": 8080}],
                "environment": [{"name": key, "value": value} for key, value in values.items()],
                **more,
            }
        )

    def service(
        self, name: str, count: int = 1, group: dict[str, Any] | None = None, family: str = "", **settings: Any
    ) -> Web:
        """A service of the web server, or of `family`, with a target group and a listener of its own."""
        group_arn = self.group(name, **(group or {}))
        listener = self.listener({"Type": "forward", "TargetGroupArn": group_arn})
        of_service = {key: settings.pop(key) for key in OF_SERVICE if key in settings}
        self.ecs.api.create_service(
            cluster=self.ecs.cluster, serviceName=name, taskDefinition=family or self.define(name, **settings),
            desiredCount=count,
            launchType="FARGATE", networkConfiguration=self.ecs.network,
            loadBalancers=[{"targetGroupArn": group_arn, "containerName": "app", "containerPort": 8080}], **of_service,
        )  # fmt: skip
        return Web(name, group_arn, listener, self.url(listener))

    def update(self, web: Web, **changes: Any) -> dict[str, Any]:
        answer = self.ecs.api.update_service(cluster=self.ecs.cluster, service=web.name, **changes)
        return dict(answer["service"])

    def described(self, web: Web) -> dict[str, Any]:
        (found,) = self.ecs.api.describe_services(cluster=self.ecs.cluster, services=[web.name])["services"]
        return dict(found)

    def messages(self, web: Web) -> list[str]:
        return [event["message"].partition(") ")[2] for event in reversed(self.described(web)["events"])]

    def stable(self, web: Web) -> None:
        """Wait until it runs what it wants, and its deployment is completed: the waiter does not look at targets."""
        waiter = self.ecs.api.get_waiter("services_stable")
        waiter.config.delay, waiter.config.max_attempts = 0.1, 600
        waiter.wait(cluster=self.ecs.cluster, services=[web.name])
        until(lambda: self.described(web)["deployments"][0]["rolloutState"] == "COMPLETED")

    def in_service(self, web: Web) -> None:
        waiter = self.elb.get_waiter("target_in_service")
        waiter.config.delay, waiter.config.max_attempts = 0.1, 300
        waiter.wait(TargetGroupArn=web.group)

    def health(self, group: str) -> list[dict[str, Any]]:
        """State, reason and description of each target."""
        return [
            each["TargetHealth"]
            for each in self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        ]
