"""Which target of a group a load balancer chooses: sticky sessions, algorithms, slow start, flows of datagrams.

User guides: Application Load Balancer, "Edit target group attributes"; Network Load Balancer, "Sticky sessions".
"""

import http.server
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from tests.support.balancer import Balancer, until
from tests.support.cloud import Ecs, refusal

from fargate_local import FargateLocal
from fargate_local.balancing.pool import Pool
from fargate_local.balancing.snapshot import Group, Snapshot, Target
from fargate_local.balancing.stickiness import Seal


@pytest.fixture(scope="module")
def balancer() -> Iterator[Balancer]:
    with FargateLocal(options=("--elb-times", "0.1")) as cloud:
        yield Balancer(Ecs(cloud))


@pytest.fixture(scope="module")
def network(balancer: Balancer) -> Balancer:
    return Balancer(balancer.ecs, "network")


class Handler(http.server.BaseHTTPRequestHandler):
    """Says its port, and sets a cookie where the path says so."""

    def do_GET(self) -> None:
        body = str(self.server.server_port).encode()  # type: ignore[attr-defined] # a TCPServer's has it
        self.send_response(200)
        if self.path == "/sign-in":
            self.send_header("Set-Cookie", "session=mine; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running(made: Sequence[socketserver.BaseServer]) -> Iterator[None]:
    """Servers that serve in the block."""
    threads = [threading.Thread(target=each.serve_forever, args=(0.05,)) for each in made]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each in made:
            each.shutdown()
            each.server_close()
        for thread in threads:
            thread.join()


@contextmanager
def servers(count: int) -> Iterator[list[int]]:
    """The ports of some web servers of this process."""
    made = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(count)]
    with running(made):
        yield [each.server_port for each in made]


def grouped(balancer: Balancer, ports: list[int], protocol: str = "HTTP", **attributes: str) -> str:
    """The ARN of a target group with these targets of this process, and with attributes."""
    group = balancer.group("stick", protocol, HealthCheckEnabled=True, HealthCheckPort=str(ports[0]))
    change(balancer, group, **attributes)
    targets = [{"Id": "127.0.0.1", "Port": port} for port in ports]
    balancer.elb.register_targets(TargetGroupArn=group, Targets=targets)
    return group


def change(balancer: Balancer, group: str, **attributes: str) -> None:
    given = [{"Key": key.replace("__", "."), "Value": value} for key, value in attributes.items()]
    if given:
        balancer.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=given)


def healthy(balancer: Balancer, group: str) -> None:
    """Wait until all targets of a group are healthy."""
    until(lambda: all(each["State"] == "healthy" for each in balancer.health(group)))


def served(balancer: Balancer, *groups: str, **config: Any) -> str:
    """The URL of a listener for groups, once all their targets are healthy."""
    listed = [{"TargetGroupArn": arn, "Weight": 1} for arn in groups]
    url = balancer.url(balancer.listener({"Type": "forward", "ForwardConfig": {"TargetGroups": listed, **config}}))
    for group in groups:
        healthy(balancer, group)
    return url


def test_a_cookie_keeps_a_client_with_its_target_until_that_is_gone(balancer: Balancer) -> None:
    with servers(3) as ports:
        group = grouped(balancer, ports, stickiness__enabled="true", stickiness__type="lb_cookie")
        url = served(balancer, group)
        assert len({httpx.get(url).text for _ in range(6)}) == 3, "without a cookie each has its turn"
        with httpx.Client() as client:
            first = client.get(url)
            stays = {client.get(url).text for _ in range(6)}
            assert stays == {first.text}
            assert set(first.cookies) == {"AWSALB", "AWSALBCORS"}
            assert "SameSite=None" in first.headers.get_list("set-cookie")[1]
            assert first.text not in first.cookies["AWSALB"]
            gone = {"Id": "127.0.0.1", "Port": int(first.text)}
            balancer.elb.deregister_targets(TargetGroupArn=group, Targets=[gone])
            until(lambda: client.get(url).text != first.text)
            assert len({client.get(url).text for _ in range(6)}) == 1
        forged = httpx.get(url, headers={"Cookie": f"AWSALB={Seal().closed([group, '127.0.0.1', 1], 60)}"})
        assert forged.status_code == 200


def test_a_cookie_of_the_applications_keeps_a_client_from_its_first_answer_on(balancer: Balancer) -> None:
    with servers(2) as ports:
        attributes = {
            "stickiness__enabled": "true",
            "stickiness__type": "app_cookie",
            "stickiness__app_cookie__cookie_name": "session",
        }
        url = served(balancer, grouped(balancer, ports, **attributes))
        with httpx.Client() as client:
            assert len({client.get(url).text for _ in range(4)}) == 2
            first = client.get(f"{url}/sign-in")
            assert set(first.cookies) == {"session", "AWSALBAPP-0"}
            assert {client.get(url).text for _ in range(4)} == {first.text}


def test_a_client_stays_with_a_target_group(balancer: Balancer) -> None:
    with servers(2) as ports:
        groups = [grouped(balancer, [port]) for port in ports]
        config = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}
        url = served(balancer, *groups, **config)
        with httpx.Client() as client:
            first = client.get(url)
            assert set(first.cookies) == {"AWSALBTG", "AWSALBTGCORS"}
            assert {client.get(url).text for _ in range(4)} == {first.text}
        assert len({httpx.get(url).text for _ in range(4)}) == 2


def test_a_cookie_says_nothing_once_its_time_is_over_and_nothing_to_others() -> None:
    seal = Seal()
    assert seal.opened(seal.closed("group", 60)) == "group"
    assert seal.opened(seal.closed("group", -1)) is None
    assert Seal().opened(seal.closed("group", 60)) is None
    assert seal.opened("no cookie of ours") is None


def pool(now: list[float], algorithm: str = "round_robin", slow_start: float = 0.0) -> tuple[Pool, Group]:
    targets = tuple(Target("127.0.0.1", port) for port in (1, 2, 3))
    group = Group("g", "", "HTTP", targets, None, 0.0, in_use=True, algorithm=algorithm, slow_start=slow_start)
    made = Pool(lambda: now[0], 1.0)
    made.take(Snapshot({}, {"g": group}))
    return made, group


def test_least_outstanding_requests_goes_where_the_fewest_are() -> None:
    made, group = pool([0.0], "least_outstanding_requests")
    first, second, third = group.targets
    with made.sending(group, first), made.sending(group, third):
        assert {made.next(group) for _ in range(5)} == {second}
    assert {made.next(group) for _ in range(3)} == set(group.targets)


def test_a_target_that_starts_slowly_gets_few_requests_at_first_and_its_share_in_the_end() -> None:
    now = [0.0]
    made, group = pool(now, slow_start=30.0)
    made.members["g", group.targets[0]].warm_since = 0.0
    now[0] = 3.0
    early = Counter(made.next(group) for _ in range(3000))[group.targets[0]]
    now[0] = 30.0
    late = Counter(made.next(group) for _ in range(3000))[group.targets[0]]
    assert 20 < early < 400
    assert late == 1000


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"proxy_protocol_v2__enabled": "true"}, "does not make proxy_protocol_v2.enabled = true"),
        ({"load_balancing__algorithm__anomaly_mitigation": "on"}, "it takes off."),
    ],
)
def test_attributes_that_are_not_made_are_refused(balancer: Balancer, attributes: dict[str, str], words: str) -> None:
    group = balancer.group("refused")
    with pytest.raises(balancer.elb.exceptions.ClientError, match=words):
        change(balancer, group, **attributes)


def test_targets_that_speak_another_http_are_refused(balancer: Balancer) -> None:
    request = {"Name": "grpc", "Protocol": "HTTP", "Port": 80, "VpcId": balancer.vpc, "ProtocolVersion": "GRPC"}
    name, status, words = refusal(balancer.elb.create_target_group, **request)
    assert (name, status) == ("ValidationError", 400)
    assert words.startswith("fargate-local does not forward GRPC to targets")


def port_of(server: Any) -> int:
    return int(server.socket.getsockname()[1])


class Datagrams(socketserver.BaseRequestHandler):
    """Answers a datagram with its port, and what it said."""

    def handle(self) -> None:
        data, sock = self.request
        sock.sendto(b"%d %s" % (port_of(self.server), data), self.client_address)


class Connections(socketserver.BaseRequestHandler):
    """Says its port."""

    def handle(self) -> None:
        self.request.sendall(b"%d" % port_of(self.server))


@contextmanager
def echoes(count: int) -> Iterator[list[int]]:
    """The ports of servers for datagrams and connections."""
    made: list[socketserver.TCPServer] = []
    for _ in range(count):
        made.append(socketserver.TCPServer(("127.0.0.1", 0), Connections))
        made.append(socketserver.UDPServer(("127.0.0.1", port_of(made[-1])), Datagrams))
    with running(made):
        yield [port_of(each) for each in made[::2]]


def asked(port: int, count: int = 1) -> list[bytes]:
    """What datagrams of one client are answered with."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        answers = []
        for number in range(count):
            client.send(b"%d" % number)
            answers.append(client.recv(100))
        return answers


def flows(network: Balancer, ports: list[int], protocol: str, **attributes: str) -> tuple[int, str]:
    """The port of a new listener, and its target group."""
    group = grouped(network, ports, protocol, **attributes)
    listener = network.listener({"Type": "forward", "TargetGroupArn": group}, protocol=protocol, Port=53)
    healthy(network, group)
    return int(network.url(listener).rpartition(":")[2]), group


@pytest.fixture
def free_listener(network: Balancer) -> Iterator[None]:
    yield
    for each in network.elb.describe_listeners(LoadBalancerArn=network.arn)["Listeners"]:
        network.elb.delete_listener(ListenerArn=each["ListenerArn"])


@pytest.mark.usefixtures("free_listener")
def test_datagrams_of_a_client_go_to_one_target_and_the_answers_back(network: Balancer) -> None:
    with echoes(2) as ports:
        port, _ = flows(network, ports, "UDP")
        one = asked(port, 3)
        assert [each.split()[1] for each in one] == [b"0", b"1", b"2"]
        assert len({each.split()[0] for each in one}) == 1
        assert {asked(port)[0].split()[0] for _ in range(4)} == {b"%d" % each for each in ports}


@pytest.mark.usefixtures("free_listener")
def test_a_listener_for_both_takes_datagrams_and_connections_at_one_port(network: Balancer) -> None:
    with echoes(1) as ports:
        port, _ = flows(network, ports, "TCP_UDP")
        assert asked(port) == [b"%d 0" % ports[0]]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            assert client.recv(100) == b"%d" % ports[0]


@pytest.mark.usefixtures("free_listener")
def test_a_clients_address_decides_where_sources_stick(network: Balancer) -> None:
    with echoes(3) as ports:
        port, _ = flows(network, ports, "UDP", stickiness__enabled="true", stickiness__type="source_ip")
        assert len({asked(port)[0].split()[0] for _ in range(6)}) == 1


@pytest.mark.usefixtures("free_listener")
def test_a_flow_leaves_a_target_that_is_deregistered(network: Balancer) -> None:
    with echoes(2) as ports:
        port, group = flows(network, ports, "UDP")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect(("127.0.0.1", port))

            def answer() -> bytes:
                client.send(b"x")
                return client.recv(100).split()[0]

            first = answer()
            network.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": int(first)}])
            deadline = time.monotonic() + 10
            while answer() == first:
                assert time.monotonic() < deadline
