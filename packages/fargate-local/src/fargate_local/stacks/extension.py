"""What the gate to moto loads with CloudFormation: our stacks."""

from collections.abc import Callable, Mapping
from typing import Any

from fargate_local.cloud.templates import ServiceWish


class Stacks:
    """Makes moto's CloudFormation ours once it is loaded."""

    def __init__(self) -> None:
        # What a template wanted of services before the last stop has happened already.
        self._wish: Callable[[ServiceWish], None] = lambda _: None
        self._describe_service: Callable[[str], Mapping[str, Any] | None] = lambda _: None

    def on_service_wish(self, hear: Callable[[ServiceWish], None]) -> None:
        """Have `hear` told what templates want of services, from now on; it must not ask moto for anything."""
        self._wish = hear

    def on_service_question(self, describe: Callable[[str], Mapping[str, Any] | None]) -> None:
        """Have `describe` say what services are like, from now on; it must not ask moto for anything."""
        self._describe_service = describe

    def extend(self, service: str, client: Callable[[str, str], Any]) -> None:
        """Take moto's CloudFormation over, if that is what is being loaded."""
        if service != "cloudformation":
            return
        # Some thirty modules take a moment to import, which a server without stacks does not spend.
        from fargate_local.stacks.catalogue import catalogue
        from fargate_local.stacks.drift.answers import answer_about_drift, detector
        from fargate_local.stacks.takeover import take_over

        take_over(client, catalogue(lambda wish: self._wish(wish)))
        answer_about_drift(detector(client, lambda arn: self._describe_service(arn)))
