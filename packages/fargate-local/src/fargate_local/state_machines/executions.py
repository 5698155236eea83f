"""Executions of state machines: moto's interpreter of the Amazon States Language, whose calls come to this server.

moto 5.2 has the interpreter and lets every execution succeed at once unless told otherwise. Each execution has a
thread of its own here, which calls services over HTTP with credentials of the state machine's role: no lock is held
while it waits. The journal repeats that an execution was started, not what it did: its calls are in the journal
themselves, and its end is among the outcomes.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from datetime import UTC, datetime
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.replaced import original, replace
from fargate_local.state_machines.ecs_tasks import wait_for_tasks
from fargate_local.state_machines.interpreter import mend
from fargate_local.state_machines.outcomes import Outcome, Outcomes

log = logging.getLogger(__name__)

SERVICES: Final = frozenset({"states", "cloudformation"})
"""Those that may make a state machine."""
INTERRUPTED: Final = "fargate-local was stopped in the middle of this execution."
SESSION_SECONDS: Final = 3000.0
"""For how long credentials of a role are used; STS gives them for an hour."""
CLOSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What executions work with.

    `objection` says why Step Functions may not assume a role, given its ARN and the region; nothing if it may.
    """

    address: str
    clients: CloudClients
    objection: Callable[[str, str], str]


class StateMachines:
    """Runs executions from `begin` on; before, those of the journal are shown as they ended."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._around: Surroundings | None = None
        self._running: dict[threading.Thread, Any] = {}
        self._sessions: dict[tuple[str, str], tuple[float, boto3.Session]] = {}
        self._closing = False

    def begin(self, around: Surroundings) -> None:
        """Run what is started from now on."""
        self._around = around

    def close(self) -> None:
        """Stop what runs; it counts as aborted."""
        self._closing = True
        for worker in list(self._running.values()):
            halt(worker)
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in list(self._running):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._outcomes.close()

    def extend(self, service: str, client: Any) -> None:
        """Take moto's Step Functions over, if that is what is being loaded."""
        del client
        if service in SERVICES:
            take_over_when_used(self)

    def start(self, worker: Any) -> None:
        """Run an execution in a thread, or show how it ended before the last start of the server."""
        if self._around is None:
            self._recall(worker)
            return
        thread = threading.Thread(target=self._run, args=(worker,), name="execution", daemon=True)
        self._running[thread] = worker
        thread.start()

    def _recall(self, worker: Any) -> None:
        execution = execution_of(worker)
        worker.env = worker._get_evaluation_environment()
        outcome = self._outcomes.find(execution.exec_arn)
        if outcome is None:
            outcome = Outcome("ABORTED", datetime.now(UTC), cause=INTERRUPTED)
            self._outcomes.save(execution.exec_arn, outcome)
        show(execution, outcome)

    def _run(self, worker: Any) -> None:
        execution = execution_of(worker)
        try:
            worker._execution_logic()
            ended = outcome_of(execution)
        except Exception as error:
            log.exception("%s ended unforeseen", execution.exec_arn)
            ended = Outcome("FAILED", datetime.now(UTC), error="States.Runtime", cause=str(error))
        if self._closing:
            ended = replace_fields(ended, cause=ended.cause or INTERRUPTED)
        self._outcomes.save(execution.exec_arn, ended)
        show(execution, ended)
        del self._running[threading.current_thread()]

    def client(self, service: str, region: str, role: str) -> Any:
        """Return a client with credentials of a role.

        Raises:
            ClientError: Step Functions may not assume it.
        """
        settings = Config(
            parameter_validation=False,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            proxies={},
        )
        return self._session(role, region).client(service, endpoint_url=self._where().address, config=settings)

    def task_definition(self, region: str, arn: str) -> dict[str, Any]:
        """Return a task definition, whatever the permissions of a state machine's role."""
        answer = self._where().clients.get("ecs", region).describe_task_definition(taskDefinition=arn)
        found: dict[str, Any] = answer["taskDefinition"]
        return found

    def _where(self) -> Surroundings:
        if self._around is None or self._closing:
            raise RuntimeError(INTERRUPTED)
        return self._around

    def _session(self, role: str, region: str) -> boto3.Session:
        began, session = self._sessions.get((role, region), (0.0, None))
        if session is None or time.monotonic() - began > SESSION_SECONDS:
            session = self._new_session(role, region)
            self._sessions[role, region] = (time.monotonic(), session)
        return session

    def _new_session(self, role: str, region: str) -> boto3.Session:
        around = self._where()
        if objection := around.objection(role, region):
            answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": objection}}
            raise ClientError({**answer, "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": ""}}, "AssumeRole")
        sts = around.clients.get("sts", region)
        given = sts.assume_role(RoleArn=role, RoleSessionName="StepFunctions")["Credentials"]
        return boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region)


def objection_to(
    has_role: Callable[[str], bool], may_assume: Callable[[str, str, str], bool] | None, role: str, region: str
) -> str:
    """Return why Step Functions may not assume a role, in its words; nothing if it may."""
    if has_role(role) and (may_assume is None or may_assume(role, region, "states")):
        return ""
    who = "Neither the global service principal states.amazonaws.com, nor the regional one"
    return f"{who} is authorized to assume {role}."


def execution_of(worker: Any) -> Any:
    """Return the execution that a worker of moto's is for."""
    return worker._execution_communication.execution


def show(execution: Any, outcome: Outcome) -> None:
    """Let an execution be described as ended."""
    from moto.stepfunctions.parser.api import ExecutionStatus

    execution.output, execution.error, execution.cause = outcome.output, outcome.error, outcome.cause
    execution.stop_date = execution.stop_date or outcome.stopped_at
    # Whoever sees the end finds the rest.
    execution.exec_status = ExecutionStatus(outcome.status)


def outcome_of(execution: Any) -> Outcome:
    """Return how an execution whose program is over ended; its output is text with JSON."""
    state, now = execution.exec_worker.env.program_state(), datetime.now(UTC)
    match type(state).__name__:
        case "ProgramEnded":
            return Outcome("SUCCEEDED", now, json.dumps(execution.exec_worker.env.states.get_input()))
        case "ProgramError":
            return Outcome("FAILED", now, error=state.error.get("error"), cause=state.error.get("cause"))
        case "ProgramTimedOut":
            return Outcome("TIMED_OUT", now)
    return Outcome("ABORTED", now)


def halt(worker: Any) -> None:
    """Stop the execution of a worker; it may have begun just now."""
    deadline = time.monotonic() + 1
    while (worker.env is None or not worker.env.is_running()) and time.monotonic() < deadline:
        if execution_of(worker).exec_status.value != "RUNNING":
            return
        time.sleep(0.01)
    if worker.env is not None:
        worker.env.set_stop(stop_date=datetime.now(UTC), error=None, cause=None)


def take_over_when_used(machines: StateMachines) -> None:
    """Take over with the first question about state machines: the interpreter takes a moment to import."""
    from moto.stepfunctions import responses

    def first(account: str, region: str) -> Any:
        take_over(machines)
        return responses.get_backend(account, region)

    replace(responses, "get_backend", first)


def take_over(machines: StateMachines) -> None:
    """Have executions of moto's state machines run. May be called again: the last call counts."""
    from moto.moto_api._internal import mock_random
    from moto.stepfunctions import responses
    from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
    from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

    begin = original(StepFunctionsParserBackend, "start_execution")

    def backend(account: str, region: str) -> Any:
        return stepfunctions_parser_backends[account][region]

    def start_execution(self: Any, arn: str, name: str | None = None, *more: Any, **others: Any) -> Any:
        if name:
            self._validate_name(name)
        return begin(self, arn, name or str(mock_random.uuid4()), *more, **others)

    def stop(self: Any, stop_date: datetime, error: str | None, cause: str | None) -> None:
        self.stop_date = self.stop_date or stop_date
        if self.exec_status.value == "RUNNING":
            halt(self.exec_worker)

    def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        return machines.client(service, region, state_credentials.role_arn)

    replace(responses, "get_backend", backend)
    replace(StepFunctionsParserBackend, "start_execution", start_execution)
    replace(Execution, "stop", stop)
    # An execution is over once its outcome is kept, and not before.
    replace(BaseExecutionWorkerCommunication, "terminated", lambda _: None)
    replace(ExecutionWorker, "start", lambda self: machines.start(self))
    mend()
    call_through(client_for)
    wait_for_tasks(machines.client, machines.task_definition)
    # A state that fails is an error of the user's, and in the execution's history.
    logging.getLogger("moto.stepfunctions.parser").setLevel(logging.CRITICAL)


def call_through(client_for: Callable[..., Any]) -> None:
    """Let every module of the interpreter have its clients from here: each has imported moto's function by its name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.parser.") and hasattr(module, "boto_client_for"):
            replace(module, "boto_client_for", client_for)
