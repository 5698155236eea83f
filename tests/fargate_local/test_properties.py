"""Whatever is asked in whatever order: states, timestamps and processes stay right, and no request is a 500."""

import http.client
import json
import urllib.parse
from contextlib import closing
from typing import Any, ClassVar

import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tests.support.cloud import STATES, Ecs

STAMPS = ["createdAt", "connectivityAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppingAt", "stoppedAt"]
SCRIPTS = ["true", "exit 3", "sleep 0.1", "sleep 60", "trap '' TERM; sleep 60", "setsid sleep 60 & sleep 0.05"]
TARGETS = [
    "RunTask",
    "DescribeTasks",
    "ListTasks",
    "StopTask",
    "RegisterTaskDefinition",
    "DescribeClusters",
    "Nonsense",
]


class Calls(RuleBasedStateMachine):
    """Runs, stops and watches tasks of a cloud that the test sets."""

    ecs: Any
    families: ClassVar[list[str]]

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}

    @rule(number=st.integers(0, len(SCRIPTS) - 1), token=st.sampled_from([None, "a", "b"]))
    def run(self, number: int, token: str | None) -> None:
        key = f"{id(self)}-{number}-{token}"
        arn = self.ecs.run(self.families[number], **({"clientToken": key} if token else {}))
        if token:
            assert self.tokens.setdefault(key, arn) == arn
        self.seen.setdefault(arn, {"lastStatus": STATES[0], "version": 0})

    @precondition(lambda self: self.seen)
    @rule(number=st.integers(0, 20))
    def stop(self, number: int) -> None:
        self.ecs.api.stop_task(cluster=self.ecs.cluster, task=sorted(self.seen)[number % len(self.seen)])

    @precondition(lambda self: self.seen)
    @invariant()
    def states_versions_and_times_only_grow(self) -> None:
        tasks = self.ecs.api.describe_tasks(cluster=self.ecs.cluster, tasks=list(self.seen))["tasks"]
        for task in tasks:
            before = self.seen[task["taskArn"]]
            assert STATES.index(task["lastStatus"]) >= STATES.index(before["lastStatus"])
            assert task["version"] >= before["version"]
            # A task may be asked to stop before it has started; every other order is fixed.
            stamps = [task[stamp] for stamp in STAMPS if stamp in task and stamp != "stoppingAt"]
            assert stamps == sorted(stamps)
            self.seen[task["taskArn"]] = task

    def teardown(self) -> None:
        for arn in self.seen:
            self.ecs.api.stop_task(cluster=self.ecs.cluster, task=arn)
        for arn in self.seen:
            self.ecs.stopped(arn)


@pytest.mark.slow
def test_any_sequence_of_calls_keeps_order_and_leaks_nothing(ecs: Ecs) -> None:
    Calls.ecs = ecs
    Calls.families = [ecs.define({"command": ["sh", "-c", script], "stopTimeout": 2}) for script in SCRIPTS]
    few = settings(max_examples=6, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Calls, settings=few)
    left = psutil.Process(ecs.cloud.pid).children(recursive=True)
    assert not [each for each in left if each.name() in ("sh", "sleep")]


def post(ecs: Ecs, action: str, body: Any) -> Any:
    """(HTTP status, body) of a hand-made ECS request."""
    address = urllib.parse.urlsplit(ecs.cloud.url)
    with closing(http.client.HTTPConnection(address.netloc, timeout=30)) as connection:
        headers = {
            "X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{action}",
            "Content-Type": "application/x-amz-json-1.1",
        }
        signed = AWSRequest("POST", f"{ecs.cloud.url}/", headers, body)
        key = Credentials(ecs.cloud.key.access_key_id, ecs.cloud.key.secret_access_key)
        SigV4Auth(key, "ecs", "us-east-1").add_auth(signed)
        connection.request("POST", "/", body=body, headers=dict(signed.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read()


NAMES = st.sampled_from(
    [
        "cluster",
        "taskDefinition",
        "count",
        "tasks",
        "task",
        "overrides",
        "containerOverrides",
        "tags",
        "nextToken",
        "maxResults",
        "networkConfiguration",
        "awsvpcConfiguration",
        "subnets",
        "clientToken",
        "family",
        "name",
        "key",
        "containerDefinitions",
        "cpu",
        "memory",
        "requiresCompatibilities",
        "networkMode",
        "launchType",
        "image",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
WORDS = st.sampled_from(
    ["tests", "any-0", "FARGATE", "awsvpc", "256", "512", "arn:aws:ecs:us-east-1:123456789012:task/x"]
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(action=st.sampled_from(TARGETS), document=st.dictionaries(NAMES, VALUES, max_size=8))
def test_no_request_of_any_shape_is_a_500(ecs: Ecs, action: str, document: Any) -> None:
    status, body = post(ecs, action, json.dumps(document))
    assert status in (200, 400), body
    if status == 400:
        error = json.loads(body)
        assert error["__type"].endswith("Exception")
        assert error["message"]


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    action=st.sampled_from(TARGETS),
    body=st.binary(max_size=200) | st.just(b"[" * 5000) | st.just(b'{"cluster":"\\ud800"}'),
)
def test_no_body_of_any_bytes_is_a_500(ecs: Ecs, action: str, body: Any) -> None:
    status, answer = post(ecs, action, body)
    assert status in (200, 400), answer


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"not json", "SerializationException"),
        (b"[]", "SerializationException"),
        (b'{"count": "three"}', "SerializationException"),
        (b'{"taskDefinition": 7}', "SerializationException"),
        (b'{"overrides": []}', "SerializationException"),
        (b"{}", "InvalidParameterException"),
    ],
)
def test_a_body_of_another_shape_is_a_serialization_error(ecs: Ecs, body: Any, name: str) -> None:
    status, answer = post(ecs, "RunTask", body)
    assert status == 400
    assert json.loads(answer)["__type"] == name


def test_an_unknown_operation_is_refused(ecs: Ecs) -> None:
    status, answer = post(ecs, "LaunchRocket", b"{}")
    assert (status, json.loads(answer)["__type"]) == (400, "UnknownOperationException")
