"""RunTask: its request, where it goes, what each refusal means, how often it is repeated, and what is kept of it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from tests.support.cloud_in_process import cloud_in_process

from datavision.aws import Cloud, client
from datavision.config import Config, Launch
from datavision.errors import ConfigError, PinError
from datavision.fargate.launching.budget import LaunchBudget
from datavision.fargate.launching.network import Network, network
from datavision.fargate.launching.record import (
    TOKEN_SECONDS,
    LaunchRecord,
    read_grown,
    read_launch,
    write_grown,
    write_launch,
)
from datavision.fargate.launching.release_record import ReleaseRecord, read_record, released_image, write_record
from datavision.fargate.launching.request import (
    MAX_OVERRIDES,
    Market,
    Payload,
    Placement,
    Refusal,
    RefusedError,
    build_request,
    run_task,
)
from datavision.fargate.sizing.sizes import FargateSize
from datavision.pins import PinnedImage

SIZE = FargateSize(256, 512)


@pytest.fixture(scope="module")
def config(repository: Path) -> Iterator[Config]:
    with cloud_in_process(repository) as found:
        yield found


def request(market: Market = "on-demand", command: tuple[str, ...] = ("run", "--all")) -> dict[str, Any]:
    payload = Payload("datavision-dev-ingesta:7", "ingesta", command, {"B": "2", "A": "1"}, SIZE)
    placement = Placement("datavision-dev", "subnet-1", ("sg-1", "sg-2"), "1.4.0", market)
    return build_request(payload, placement, "datavision", [{"key": "env", "value": "dev"}])


def test_a_request_asks_for_one_private_task_with_its_command_size_and_tags() -> None:
    assert request() == {
        "cluster": "datavision-dev",
        "taskDefinition": "datavision-dev-ingesta:7",
        "count": 1,
        "startedBy": "datavision",
        "platformVersion": "1.4.0",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-1"],
                "securityGroups": ["sg-1", "sg-2"],
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": {
            "cpu": "256",
            "memory": "512",
            "containerOverrides": [
                {
                    "name": "ingesta",
                    "command": ["run", "--all"],
                    "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                }
            ],
        },
        "propagateTags": "TASK_DEFINITION",
        "tags": [{"key": "env", "value": "dev"}],
        "launchType": "FARGATE",
    }


def test_a_task_on_spot_asks_for_the_spot_provider_instead_of_a_launch_type() -> None:
    spot = request("spot")
    assert spot["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert "launchType" not in spot


def test_overrides_may_have_8192_characters_and_no_more() -> None:
    room = 8192 - len(json.dumps(request(command=("",))["overrides"]))
    assert len(json.dumps(request(command=("x" * room,))["overrides"])) == MAX_OVERRIDES
    with pytest.raises(ConfigError, match=r"take 8193 characters; RunTask accepts 8192"):
        request(command=("x" * (room + 1),))


class Ecs:
    """Answers RunTask with what it is given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: dict[str, Any] = {}

    def run_task(self, **arguments: Any) -> Any:
        self.asked = arguments
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def refusal(answer: Any) -> tuple[Refusal, str]:
    with pytest.raises(RefusedError) as refused:
        run_task(Ecs(answer), {"count": 1}, "token")
    return refused.value.refusal, str(refused.value)


def test_a_launch_sends_its_token_and_returns_the_task() -> None:
    ecs = Ecs({"tasks": [{"taskArn": "arn:1"}, {"taskArn": "arn:2"}], "failures": []})
    assert run_task(ecs, {"count": 1}, "token") == "arn:1"
    assert ecs.asked == {"count": 1, "clientToken": "token"}


@pytest.mark.parametrize(
    ("code", "message", "status", "expected"),
    [
        ("ThrottlingException", "Rate exceeded", 400, Refusal.THROTTLED),
        ("ConflictException", "other parameters", 400, Refusal.CONFLICT),
        ("ServerException", "", 500, Refusal.UNKNOWN),
        ("ServiceUnavailable", "", 503, Refusal.UNKNOWN),
        ("ExpiredTokenException", "", 400, Refusal.UNKNOWN),
        ("LimitExceededException", "", 400, Refusal.REJECTED),
        ("ClientException", "Capacity is unavailable at this time.", 400, Refusal.REJECTED),
        ("AccessDeniedException", "not authorized", 400, Refusal.PERMANENT),
        ("InvalidParameterException", "", 499, Refusal.PERMANENT),
    ],
)
def test_each_error_of_ecs_has_its_meaning(code: str, message: str, status: int, expected: Refusal) -> None:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = ClientError(response, "RunTask")
    assert refusal(error) == (expected, str(error))


def test_an_error_that_says_nothing_is_permanent() -> None:
    assert refusal(ClientError({}, "RunTask"))[0] is Refusal.PERMANENT


def test_without_an_answer_nobody_knows_whether_the_task_was_made() -> None:
    assert refusal(ConnectTimeoutError(endpoint_url="https://ecs"))[0] is Refusal.UNKNOWN


def test_a_failure_in_the_answer_is_told_and_worth_another_launch_unless_something_is_missing() -> None:
    failures = [{"reason": "RESOURCE:ENI", "detail": "none left"}, {"arn": "a"}]
    assert refusal({"tasks": [], "failures": failures}) == (
        Refusal.REJECTED,
        "RESOURCE:ENI none left; no reason given",
    )
    assert refusal({"failures": [{"reason": "INACTIVE"}]}) == (Refusal.PERMANENT, "INACTIVE")
    assert refusal({}) == (Refusal.REJECTED, "RunTask answered without a task and without a failure")


LIMITS = Launch(attempts=3, total_seconds=100, backoff_initial_seconds=2, backoff_max_seconds=7)


def test_the_budget_ends_with_its_attempts_or_its_time() -> None:
    budget = LaunchBudget(LIMITS)
    assert budget.next_delay(2, 99.0) is not None
    assert budget.next_delay(3, 0.0) is None
    assert budget.next_delay(1, 101.0) is None


def test_delays_double_with_a_jitter_of_the_first_one_up_to_their_maximum() -> None:
    budget = LaunchBudget(LIMITS.model_copy(update={"attempts": 99}))
    for attempts, least, most in ((1, 2, 4), (2, 4, 6), (3, 7, 7), (9, 7, 7)):
        delays = [budget.next_delay(attempts, 1.0) or 0 for _ in range(200)]
        assert least <= min(delays) <= max(delays) <= most
        assert least == most or max(delays) - min(delays) > 1


def test_launches_take_the_subnets_in_turn() -> None:
    three = Network(("a", "b", "c"), ("sg",))
    assert [three.subnet(launch) for launch in range(1, 8)] == ["a", "b", "c", "a", "b", "c", "a"]


def deploy_network(config: Config, stack: str, *outputs: tuple[str, str]) -> None:
    lines = ["Resources: {Nothing: {Type: 'AWS::SNS::Topic'}}", "Outputs:" if outputs else ""]
    lines += [f"  {name}: {{Value: '{value}'}}" for name, value in outputs]
    client(Cloud.of(config), "cloudformation").create_stack(StackName=stack, TemplateBody="\n".join(lines))


def test_the_network_is_the_stacks_unless_the_configuration_names_it(config: Config) -> None:
    deploy_network(config, "whole", ("PrivateSubnets", "s-1, s-2,"), ("TaskSecurityGroup", "sg-1"))
    cloud, ecs = Cloud.of(config), config.ecs.model_copy(update={"network_stack": "whole"})
    subnets, groups = {"subnets": ("s-9",)}, {"security_groups": ("sg-9",)}
    assert network(cloud, ecs) == Network(("s-1", "s-2"), ("sg-1",))
    assert network(cloud, ecs.model_copy(update=subnets)) == Network(("s-9",), ("sg-1",))
    assert network(cloud, ecs.model_copy(update=groups)) == Network(("s-1", "s-2"), ("sg-9",))
    nowhere = ecs.model_copy(update={"network_stack": "nowhere", **subnets, **groups})
    assert network(cloud, nowhere) == Network(("s-9",), ("sg-9",))


def test_the_stack_is_asked_once(config: Config) -> None:
    deploy_network(config, "once", ("PrivateSubnets", "s-1"), ("TaskSecurityGroup", "sg-1"))
    cloud, ecs = Cloud.of(config), config.ecs.model_copy(update={"network_stack": "once"})
    before = network(cloud, ecs)
    client(cloud, "cloudformation").delete_stack(StackName="once")
    assert network(cloud, ecs) == before


def test_a_stack_that_is_missing_or_has_no_such_output_is_named(config: Config) -> None:
    deploy_network(config, "other", ("PrivateSubnets", "s-1"))
    deploy_network(config, "empty")
    for stack, problem in (
        ("missing", "The network stack 'missing' cannot be read"),
        ("other", "The stack 'other' has no output 'TaskSecurityGroup'"),
        ("empty", "The stack 'empty' has no output 'PrivateSubnets'"),
    ):
        with pytest.raises(ConfigError, match=problem):
            network(Cloud.of(config), config.ecs.model_copy(update={"network_stack": stack}))


def test_a_token_is_sent_again_for_an_hour_less_than_the_day_that_ecs_keeps_it() -> None:
    assert timedelta(seconds=TOKEN_SECONDS) == timedelta(hours=23)


class Store(dict[str, Any]):
    """Airflow's task state store."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def test_a_launch_and_a_grown_size_are_read_back_as_they_were_written() -> None:
    store = Store()
    assert read_launch(store) is None
    assert read_grown(store) is None
    record = LaunchRecord(
        token="t", generation=1, try_number=2, launch=3, spent=4, try_started_at=5.0, budget_started_at=6.0,
        intended_at=7.0, request=request(), market="spot", cpu=256, memory=512, why_size="declared", result_key="r/1",
    )  # fmt: skip
    write_launch(store, record)
    write_grown(store, FargateSize(512, 1024))
    assert read_launch(store) == record
    assert read_grown(store) == FargateSize(512, 1024)
    assert (record.arn, record.launched_at) == (None, 0.0)
    launched = record.with_arn("arn:1", 8.0)
    assert (launched.arn, launched.launched_at, launched.token) == ("arn:1", 8.0, "t")
    assert launched.size == SIZE
    assert launched.command == ("run", "--all")
    assert launched.log_position_key == "r/1.log-position"


def image(tag: str) -> PinnedImage:
    digest = "sha256:" + "a" * 64
    return PinnedImage(repository="datavision/ingesta", tag=tag, digest=digest, task_definition="datavision-ingesta:1")


def released(version: str, at: str = "2026-11-23T10:00:00+00:00", **images: str) -> ReleaseRecord:
    return ReleaseRecord(
        version=version, commit="c", released_at=at, images={module: image(tag) for module, tag in images.items()}
    )


def test_a_release_is_recorded_once_and_anew_only_with_other_images(config: Config) -> None:
    cloud = Cloud.of(config)
    assert read_record(cloud, config, "1.0.0") is None
    first, again, other = (
        released("1.0.0", ingesta="1"),
        released("1.0.0", "later", ingesta="1"),
        released("1.0.0", "later", ingesta="2"),
    )
    for written, kept in ((first, first), (again, first), (other, other)):
        write_record(cloud, config, written)
        assert read_record(cloud, config, "1.0.0") == kept


def test_the_image_of_a_release_is_found_or_what_is_missing_is_named(config: Config) -> None:
    cloud = Cloud.of(config)
    write_record(cloud, config, released("2.0.0", ingesta="2", transformacion="1"))
    write_record(cloud, config, released("2.1.0"))
    assert released_image(cloud, config, "2.0.0", "ingesta") == image("2")
    for version, problem in (
        ("9.9.9", "There is no release '9.9.9' in dev"),
        ("2.0.0", r"no image for module 'reporte' \(it has: ingesta, transformacion\)"),
        ("2.1.0", r"no image for module 'reporte' \(it has: none\)"),
    ):
        with pytest.raises(PinError, match=problem):
            released_image(cloud, config, version, "reporte")


def test_a_release_record_that_is_malformed_or_larger_than_256_kib_is_named(config: Config) -> None:
    cloud, bucket = Cloud.of(config), config.storage.results_bucket
    body = released("3.0.0", ingesta="1").model_dump_json().encode()
    for text, readable in (
        (b"{}", False),
        (b"no JSON", False),
        (body.ljust(256 * 1024), True),
        (body.ljust(256 * 1024 + 1), False),
    ):
        client(cloud, "s3").put_object(Bucket=bucket, Key="releases/dev/3.0.0.json", Body=text)
        if readable:
            assert read_record(cloud, config, "3.0.0") is not None
        else:
            with pytest.raises(
                PinError, match=r"(?s)dev/3.0.0.json is not a valid release record: .*release 3.0.0 again"
            ):
                read_record(cloud, config, "3.0.0")
