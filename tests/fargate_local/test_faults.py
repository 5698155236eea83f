"""Every fault that can be injected, and what AWS shows then.

Sources (read November 2026): [1] ECS API reference, "Common error types" and RunTask/Errors; [2] developer guide,
"Amazon ECS API failure reasons"; [3] developer guide, "Amazon ECS stopped tasks error messages"; [4] developer guide,
"CannotPullContainer task errors"; [5] developer guide, "ResourceInitializationError errors"; [6] developer guide,
"Amazon ECS clusters for Fargate", section "Handling Fargate Spot termination notices"; [7] developer guide, "Task
retirement and maintenance for AWS Fargate on Amazon ECS"; [8] API reference DescribeTasks: a stopped task is described
for at least one hour.
"""

import time
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from tests.support.cloud import AddFault, Ecs, MakeCloud, refusal

from fargate_local.faults.rules import FaultRule, FaultRules, RuleError, load_rules


@pytest.fixture
def once(ecs: Ecs) -> Any:
    """An ECS client that never retries, so that each test sees the first answer."""
    session = botocore.session.Session()
    return session.create_client("ecs", config=Config(retries={"total_max_attempts": 1}), **ecs.cloud.client_args)


@pytest.fixture
def family(ecs: Ecs) -> str:
    return ecs.define_shell("true")


@pytest.fixture
def sleeper(ecs: Ecs) -> str:
    return ecs.define_shell("sleep 60")


def test_throttling_is_a_400_with_rate_exceeded(ecs: Ecs, once: Any, family: str, fargate_faults: AddFault) -> None:
    """[1]: ThrottlingException, HTTP 400, "Rate exceeded"."""
    fargate_faults("throttling", action="RunTask", family=family, times=1)
    request = ecs.request(family)
    assert refusal(once.run_task, **request) == ("ThrottlingException", 400, "Rate exceeded")
    assert once.run_task(**request)["tasks"]


def test_a_server_error_is_a_500_server_exception(ecs: Ecs, once: Any, family: str, fargate_faults: AddFault) -> None:
    """[1]: ServerException, HTTP 500."""
    fargate_faults("server-error", action="DescribeTasks", times=1)
    arn = ecs.run(family)
    assert refusal(once.describe_tasks, cluster=ecs.cluster, tasks=[arn])[:2] == ("ServerException", 500)


def test_access_can_be_denied(ecs: Ecs, once: Any, family: str, fargate_faults: AddFault) -> None:
    """[1]: AccessDeniedException, HTTP 400."""
    fargate_faults("access-denied", action="RunTask", family=family)
    code, status, text = refusal(once.run_task, **ecs.request(family))
    assert (code, status) == ("AccessDeniedException", 400)
    assert "is not authorized to perform: ecs:RunTask" in text


def test_latency_delays_the_answer(ecs: Ecs, once: Any, fargate_faults: AddFault) -> None:
    fargate_faults("latency", action="ListTasks", seconds=0.5, times=1)
    began = time.monotonic()
    once.list_tasks(cluster=ecs.cluster)
    assert time.monotonic() - began >= 0.5


def test_latency_beyond_the_clients_patience_times_out(ecs: Ecs, fargate_faults: AddFault) -> None:
    fargate_faults("latency", action="ListTasks", seconds=2, times=1)
    config = Config(read_timeout=0.3, retries={"total_max_attempts": 1})
    impatient = botocore.session.Session().create_client("ecs", config=config, **ecs.cloud.client_args)
    with pytest.raises(ReadTimeoutError):
        impatient.list_tasks(cluster=ecs.cluster)


def test_a_lost_response_leaves_a_task_that_the_same_token_finds(
    ecs: Ecs, once: Any, family: str, fargate_faults: AddFault
) -> None:
    fargate_faults("response-lost", action="RunTask", family=family, times=1)
    request = ecs.request(family, clientToken="lost-and-found", startedBy="lost-and-found")
    with pytest.raises(ConnectionClosedError):
        once.run_task(**request)
    (task,) = once.run_task(**request)["tasks"]
    ecs.stopped(task["taskArn"])
    listed = once.list_tasks(cluster=ecs.cluster, startedBy="lost-and-found", desiredStatus="STOPPED")
    assert listed["taskArns"] == [task["taskArn"]]


def test_no_capacity_is_a_failure_in_a_successful_answer(
    ecs: Ecs, once: Any, family: str, fargate_faults: AddFault
) -> None:
    """[2]: the reason of Fargate and Fargate Spot without capacity; there is no task and no exception."""
    fargate_faults("capacity", family=family, times=1)
    answer = once.run_task(**ecs.request(family))
    assert answer["tasks"] == []
    assert answer["failures"] == [
        {"reason": "Capacity is unavailable at this time. Please try again later or in a different availability zone"}
    ]


def test_capacity_can_be_missing_for_spot_only(ecs: Ecs, once: Any, family: str, fargate_faults: AddFault) -> None:
    fargate_faults("capacity", family=family, capacity_provider="FARGATE_SPOT")
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert once.run_task(**ecs.request(family, launchType=None, capacityProviderStrategy=spot))["tasks"] == []
    assert once.run_task(**ecs.request(family))["failures"] == []


def test_some_of_a_count_can_fail(ecs: Ecs, once: Any, family: str, fargate_faults: AddFault) -> None:
    fargate_faults("capacity", family=family, after=1, times=1)
    answer = once.run_task(**ecs.request(family, count=3))
    assert (len(answer["tasks"]), len(answer["failures"])) == (2, 1)


def test_no_network_interface_is_resource_eni(ecs: Ecs, once: Any, family: str, fargate_faults: AddFault) -> None:
    """[2]: RESOURCE:ENI."""
    fargate_faults("resource-eni", family=family, times=1)
    (failure,) = once.run_task(**ecs.request(family))["failures"]
    assert failure["reason"] == "RESOURCE:ENI"


def failed_start(ecs: Ecs, family: str) -> Any:
    """(stop code, reason) of a task that must not start."""
    task = ecs.finish(family)
    assert "startedAt" not in task
    assert "exitCode" not in task["containers"][0]
    return task["stopCode"], task["stoppedReason"]


def test_an_image_that_cannot_be_pulled_stops_the_task(ecs: Ecs, family: str, fargate_faults: AddFault) -> None:
    """[4]: CannotPullContainerError, i/o timeout."""
    fargate_faults("cannot-pull", family=family, times=1)
    code, reason = failed_start(ecs, family)
    assert code == "TaskFailedToStart"
    assert reason.startswith(
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resol"
    )
    assert reason.endswith("dial tcp: i/o timeout")
    assert ecs.finish(family)["stopCode"] == "EssentialContainerExited"


def test_secrets_out_of_reach_stop_the_task(ecs: Ecs, family: str, fargate_faults: AddFault) -> None:
    """[5]: unable to pull secrets or registry auth."""
    fargate_faults("resource-initialization", family=family)
    code, reason = failed_start(ecs, family)
    assert code == "TaskFailedToStart"
    assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth: execution resource")


def test_a_network_interface_that_never_comes_stops_the_task(ecs: Ecs, family: str, fargate_faults: AddFault) -> None:
    """[3]: Timeout waiting for network interface provisioning to complete."""
    fargate_faults("eni-timeout", family=family, seconds=0.2)
    assert failed_start(ecs, family) == (
        "TaskFailedToStart",
        "Timeout waiting for network interface provisioning to complete.",
    )


def test_a_task_can_be_stuck_in_pending_until_it_is_stopped(ecs: Ecs, family: str, fargate_faults: AddFault) -> None:
    fargate_faults("stuck", family=family)
    arn = ecs.run(family)
    ecs.until_status(arn, "PENDING")
    time.sleep(0.5)
    assert ecs.describe(arn)["lastStatus"] == "PENDING"
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)


def test_a_task_can_be_held_in_a_state_for_a_while(ecs: Ecs, family: str, fargate_faults: AddFault) -> None:
    fargate_faults("stuck", family=family, state="ACTIVATING", seconds=0.5)
    task = ecs.finish(family)
    assert (task["startedAt"] - task["pullStoppedAt"]).total_seconds() >= 0.5
    assert task["containers"][0]["exitCode"] == 0


def test_a_spot_interruption_gives_notice_by_sigterm_and_then_kills(ecs: Ecs, fargate_faults: AddFault) -> None:
    """[6]: SIGTERM at the notice, SIGKILL when the time is over; stopCode SpotInterruption."""
    script = "trap 'echo notice' TERM; echo ready; while :; do sleep 0.05; done"
    family = ecs.define({"command": ["sh", "-c", script], "stopTimeout": 120, "logged": True})
    fargate_faults("spot-interruption", family=family, capacity_provider="FARGATE_SPOT", seconds=1, warning_seconds=1)
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    task = ecs.finish(family, launchType=None, capacityProviderStrategy=spot)
    assert (task["stopCode"], task["stoppedReason"]) == ("SpotInterruption", "Your Spot Task was interrupted.")
    assert task["containers"][0]["exitCode"] == 137
    assert ecs.logs(task["taskArn"]) == ["ready", "notice"]
    assert (task["executionStoppedAt"] - task["stoppingAt"]).total_seconds() >= 1


def test_a_task_on_demand_is_not_interrupted(ecs: Ecs, family: str, fargate_faults: AddFault) -> None:
    fargate_faults("spot-interruption", family=family, capacity_provider="FARGATE_SPOT", seconds=0)
    assert ecs.finish(family)["stopCode"] == "EssentialContainerExited"


def test_out_of_memory_kills_with_137_and_says_so(ecs: Ecs, sleeper: str, fargate_faults: AddFault) -> None:
    """[3]: OutOfMemoryError, in the container's reason."""
    fargate_faults("out-of-memory", family=sleeper, seconds=0.1)
    task = ecs.finish(sleeper)
    assert task["containers"][0]["exitCode"] == 137
    assert task["containers"][0]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )


def test_a_lost_host_stops_the_task(ecs: Ecs, sleeper: str, fargate_faults: AddFault) -> None:
    """[7]: the reason of a task whose infrastructure is taken away."""
    fargate_faults("host-lost", family=sleeper, seconds=0.1)
    task = ecs.finish(sleeper)
    assert task["stopCode"] == "TerminationNotice"
    assert task["stoppedReason"] == ("ECS is performing maintenance on the underlying infrastructure hosting the task.")


def until_missing(ecs: Ecs, arn: str) -> Any:
    """The failures of DescribeTasks once the record is gone."""
    deadline = time.monotonic() + 20
    while (answer := ecs.api.describe_tasks(cluster=ecs.cluster, tasks=[arn]))["tasks"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer["failures"]


def test_records_can_be_made_to_expire_at_run_time(ecs: Ecs, family: str, fargate_faults: AddFault) -> None:
    """[8], with the hour shortened to nothing."""
    arn = ecs.finish(family)["taskArn"]
    fargate_faults("record-expiry", seconds=0)
    assert until_missing(ecs, arn) == [{"arn": arn, "reason": "MISSING"}]


def test_a_rule_matches_by_cluster(ecs: Ecs, once: Any, family: str, fargate_faults: AddFault) -> None:
    fargate_faults("capacity", family=family, cluster="other-*")
    assert once.run_task(**ecs.request(family))["failures"] == []


def test_a_rule_counts_what_it_matched_and_what_it_did(
    ecs: Ecs, once: Any, family: str, fargate_faults: AddFault
) -> None:
    number = fargate_faults("capacity", family=family, after=1, times=1)
    for _ in range(3):
        once.run_task(**ecs.request(family))
    (rule,) = [rule for rule in ecs.cloud.faults() if rule["id"] == number]
    assert (rule["matched"], rule["injected"]) == (3, 1)


def test_a_message_of_ones_own_replaces_awss(ecs: Ecs, once: Any, family: str, fargate_faults: AddFault) -> None:
    fargate_faults("capacity", family=family, message="No more")
    assert once.run_task(**ecs.request(family))["failures"] == [{"reason": "No more"}]


def test_a_probability_strikes_about_that_often_and_a_seed_repeats_it() -> None:
    def strikes(seed: int) -> list[Any]:
        rules = FaultRules([FaultRule(fault="throttling", probability=0.3)], seed=seed)
        return [rules.draw("throttling", action="RunTask", cluster="c") is not None for _ in range(1000)]

    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
    assert 200 < sum(strikes(1)) < 400


def test_rules_are_read_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('[[rule]]\nfault = "stuck"\nfamily = "rfm*"\nseconds = 2.5\n')
    assert load_rules(file) == [FaultRule(fault="stuck", family="rfm*", seconds=2.5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[rule]]\nfault = "meteor"', "rule 0.fault: Input should be 'throttling'"),
        ('[[rule]]\nfault = "stuck"\nfamilly = "x"', "rule 0.familly: Extra inputs are not permitted"),
        ('[[rule]]\nfault = "stuck"\nprobability = 2', "rule 0.probability: Input should be less than or equal to 1"),
        ('[rules]\nfault = "stuck"', r"unknown table 'rules'; rules are written as \[\[rule\]\] tables"),
        ('[[rule]]\nfault = "latency"', "latency needs seconds"),
        ("nonsense", "is not TOML"),
    ],
)
def test_a_rule_that_makes_no_sense_is_explained(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(text)
    with pytest.raises(RuleError, match=message):
        load_rules(file)


@pytest.mark.slow
def test_a_server_starts_with_rules_of_a_file_and_a_shorter_life_of_records(
    make_cloud: MakeCloud, tmp_path: Path
) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('[[rule]]\nfault = "capacity"\ntimes = 1\n')
    ecs = make_cloud(faults=file, options=("--record-life", "1"))
    family = ecs.define_shell("true")
    assert ecs.api.run_task(**ecs.request(family))["failures"]
    arn = ecs.finish(family)["taskArn"]
    assert until_missing(ecs, arn) == [{"arn": arn, "reason": "MISSING"}]
