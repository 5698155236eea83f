"""The calls to CloudFormation: a stack's state, waiting until it settles, and why it failed."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from datavision.infra.changes import Change, read_changes
from datavision.infra.errors import InfraError

SETTLED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
EMPTY = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"})
"""A stack that was never complete, or is being deleted: it can only be deleted and created again."""
PATIENCE_SECONDS = 3600.0
"""A PostgreSQL in two zones takes up to half an hour."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_NOTHING_CHANGES = ("didn't contain changes", "No updates are to be performed")
_CONSEQUENCE = "cancelled"
"""CloudFormation reports this for everything that was in progress when the first resource failed."""


class StackEdge:
    """One stack, by its name."""

    def __init__(self, cloudformation: Any, name: str, report: Callable[[str], None]) -> None:
        """Manage stack `name` through a boto3 client; `report` is told what is being waited for."""
        self._client = cloudformation
        self._name = name
        self._report = report
        self._last_event: str | None = None
        self._told: set[str] = set()

    def describe(self) -> Mapping[str, Any] | None:
        """Return the stack as CloudFormation describes it, or None when there is none.

        Raises:
            ClientError: The call failed for another reason.
        """
        try:
            (stack,) = self._client.describe_stacks(StackName=self._name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        described: Mapping[str, Any] = stack
        return None if stack["StackStatus"] == "DELETE_COMPLETE" else described

    def settle(self) -> Mapping[str, Any] | None:
        """Wait while something is in progress and return the stack, or None when it is gone.

        Each resource that comes to an end meanwhile is reported, since `mark`.

        Raises:
            InfraError: It is still in progress after an hour.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause, said = _FIRST_PAUSE, ""
        while True:
            stack = self.describe()
            status = stack["StackStatus"] if stack else ""
            self._tell()
            if not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
                return stack
            if time.monotonic() > deadline:
                raise InfraError(
                    f"Stack {self._name} is still {status} after {PATIENCE_SECONDS / 60:.0f} minutes. "
                    "Look at its events in CloudFormation and deploy again."
                )
            if said != status and pause > 1:
                self._report(f"{self._name}: waiting, {status}")
                said = status
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def recover(self) -> Mapping[str, Any] | None:
        """Wait for what is in progress, then bring the stack into a state from which it can be deployed.

        Returns:
            The stack, or None if it has to be created: there was none, or a failed attempt's was deleted.

        Raises:
            InfraError: A failed attempt's stack could not be deleted.
        """
        stack = self.settle()
        if stack is None:
            return None
        if stack["StackStatus"] in EMPTY:
            self._report(f"{self._name}: deleting what a failed attempt left ({stack['StackStatus']})")
            self.delete()
            return None
        if stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
            self._report(f"{self._name}: continuing a rollback that failed")
            self._client.continue_update_rollback(StackName=self._name)
            stack = self.settle()
        return stack

    def preview(self, arguments: Mapping[str, Any]) -> list[Change]:
        """Return what an update of the stack to `arguments` (of UpdateStack) would do to its resources, doing nothing.

        Raises:
            InfraError: CloudFormation cannot say.
        """
        name = {"StackName": self._name, "ChangeSetName": f"datavision-plan-{uuid.uuid4().hex}"}
        try:
            self._client.create_change_set(**{**arguments, **name, "ChangeSetType": "UPDATE"})
            return read_changes(self._change_set(name))
        except ClientError as error:
            raise InfraError(
                f"CloudFormation cannot say what would change in {self._name}: {error}. Correct it and try again."
            ) from error
        finally:
            with suppress(ClientError):
                self._client.delete_change_set(**name)

    def _change_set(self, name: Mapping[str, str]) -> list[Mapping[str, Any]]:
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, _FIRST_PAUSE
        while True:
            answer = self._client.describe_change_set(**name)
            if answer["Status"] == "CREATE_COMPLETE":
                pages = [answer]
                while token := pages[-1].get("NextToken"):
                    pages.append(self._client.describe_change_set(**name, NextToken=token))
                return pages
            reason = answer.get("StatusReason", "no reason given")
            if answer["Status"] == "FAILED" and any(text in reason for text in _NOTHING_CHANGES):
                return []
            if answer["Status"] == "FAILED" or time.monotonic() > deadline:
                raise InfraError(
                    f"CloudFormation cannot say what would change in {self._name} ({answer['Status']}: {reason}). "
                    "Correct it and try again."
                )
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def delete(self) -> None:
        """Delete the stack and wait until it is gone.

        Raises:
            InfraError: it is not; the text says which resource stands in the way.
        """
        self._client.delete_stack(StackName=self._name)
        left = self.settle()
        if left is not None:
            raise InfraError(
                f"Stack {self._name} could not be deleted ({left['StackStatus']}): {self.failure()}. "
                "Remove what stands in the way and run the command again."
            )

    def _tell(self) -> None:
        """Report the resources that came to an end since `mark` and since the last look."""
        if self._last_event is None:
            return
        for event in reversed(list(self._since_mark())):
            settled = event["ResourceStatus"].endswith(("_COMPLETE", "_FAILED"))
            itself = event["LogicalResourceId"] == self._name
            if settled and not itself and event["EventId"] not in self._told:
                self._told.add(event["EventId"])
                status = event["ResourceStatus"].lower().replace("_", " ")
                self._report(f"{self._name}: {event['LogicalResourceId']} [{event['ResourceType']}] {status}")

    def mark(self) -> None:
        """Remember the events so far: progress and `failure` speak of later ones only."""
        self._last_event = next((event["EventId"] for event in self._events()), "")

    def failure(self) -> str:
        """Return which resource failed first, and why, since `mark`."""
        failures = [event for event in self._since_mark() if event["ResourceStatus"].endswith("_FAILED")]
        causes = [event for event in failures if _CONSEQUENCE not in event.get("ResourceStatusReason", "")]
        if not causes:
            return "no failed event was recorded"
        first = causes[-1]  # the newest come first
        reason = first.get("ResourceStatusReason", first["ResourceStatus"])
        return f"{first['LogicalResourceId']} ({first['ResourceType']}): {reason}"

    def _since_mark(self) -> Iterator[Mapping[str, Any]]:
        """Yield the events since `mark`, the newest first."""
        for event in self._events():
            if event["EventId"] == self._last_event:
                return
            yield event

    def _events(self) -> Iterator[Mapping[str, Any]]:
        try:
            for page in self._client.get_paginator("describe_stack_events").paginate(StackName=self._name):
                yield from page["StackEvents"]
        except ClientError:  # no stack yet, so no events
            return
