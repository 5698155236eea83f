"""moto's SQS where it differs from AWS's: a queue keeps its policy when other attributes of it are set."""

from typing import Any, Final

from fargate_local.cloud.replaced import original, replace

SERVICES: Final = frozenset({"sqs", "cloudformation"})
"""Those that may set a queue's attributes."""


def extend(service: str, client: Any) -> None:
    """Mend moto's SQS, if that is what is being loaded."""
    del client
    if service in SERVICES:
        keep_policies()


def keep_policies() -> None:
    """Let SetQueueAttributes change only what it names (API reference); moto 5.2 takes a policy away unasked."""
    from moto.sqs.models import Queue

    set_all = original(Queue, "_set_attributes")

    def set_attributes(self: Any, attributes: dict[str, Any], now: float | None = None) -> None:
        known = self.policy if "_policy_json" in vars(self) else None
        set_all(self, attributes if "Policy" in attributes else {**attributes, "Policy": known}, now)

    replace(Queue, "_set_attributes", set_attributes)
