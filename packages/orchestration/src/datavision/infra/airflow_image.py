"""Moves Airflow's services to the image that is pinned, and nothing else of their stacks.

CloudFormation replaces them, new tasks first, and goes back to the image before if the new one does not stay up.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from datavision.aws import checked_client
from datavision.config import Config
from datavision.infra.cloudformation import SETTLED, StackEdge
from datavision.infra.errors import InfraError
from datavision.infra.plan import image_of
from datavision.infra.stacks import IMAGE, IMAGE_PARTS, airflow_image, stack_name
from datavision.pins import AIRFLOW


def move_airflow(config: Config, *, report: Callable[[str], None]) -> None:
    """Have the stacks of Airflow's image run the pinned one, as far as they are deployed; wait until they do.

    Raises:
        InfraError: The new image did not stay up, and the services are back on the one before; or CloudFormation
            refuses.
    """
    wanted = airflow_image(config)
    for edge in _edges(config, report):
        stack = edge.settle()
        if stack is None or wanted is None or image_of(stack) == wanted:
            continue
        name = stack["StackName"]
        try:
            _move(checked_client(config, "cloudformation"), edge, stack, wanted)
        except ClientError as error:
            raise InfraError(
                f"CloudFormation does not update {name}: {error}. Run `datavision infra deploy --env {config.env}`."
            ) from error
        after = edge.settle()
        if after is None or after["StackStatus"] not in SETTLED:
            raise InfraError(
                f"Airflow's services are back on the image before: the new one did not stay up ({edge.failure()}). "
                f"Go back with `datavision rollback {AIRFLOW} --env {config.env}`, or mend it and release again."
            )
        report(f"{name}: runs {wanted.rpartition('/')[2][:27]}")


def airflow_drift(config: Config) -> list[str]:
    """Return what is wrong when a deployed stack runs another image than the pinned one, a sentence each."""
    wanted = airflow_image(config)
    return [
        f"{stack['StackName']} runs {image_of(stack)}: `datavision infra deploy --env {config.env}`"
        for edge in _edges(config, lambda _: None)
        if (stack := edge.describe()) is not None and image_of(stack) != wanted
    ]


def _edges(config: Config, report: Callable[[str], None]) -> list[StackEdge]:
    """Return the stacks of Airflow's image, deployed or not."""
    cloudformation = checked_client(config, "cloudformation")
    return [StackEdge(cloudformation, stack_name(config, part), report) for part in IMAGE_PARTS]


def _move(cloudformation: Any, edge: StackEdge, stack: Any, image: str) -> None:
    kept = [{"ParameterKey": each["ParameterKey"], "UsePreviousValue": True} for each in stack["Parameters"]]
    others = [each for each in kept if each["ParameterKey"] != IMAGE]
    edge.mark()
    cloudformation.update_stack(
        StackName=stack["StackName"],
        UsePreviousTemplate=True,
        Parameters=[*others, {"ParameterKey": IMAGE, "ParameterValue": image}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
