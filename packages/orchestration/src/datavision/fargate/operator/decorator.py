"""`@task.fargate`: the decorated function returns the container's command; the container's result is the task's."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, determine_kwargs, task_decorator_factory
from airflow.sdk.definitions._internal.contextmanager import DagContext
from airflow.sdk.definitions._internal.types import SET_DURING_EXECUTION
from airflow.sdk.definitions.context import Context, context_merge

from datavision.fargate.operator.operator import FargateOperator, pinned_image
from datavision.fargate.operator.session import current_session


class _FargateDecoratedOperator(DecoratedOperator, FargateOperator):
    """Runs the command that the decorated function returns."""

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *FargateOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **FargateOperator.template_fields_renderers,
    }
    custom_operator_name: str = "@task.fargate"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Sequence[str]],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            command=SET_DURING_EXECUTION,
            **kwargs,
        )

    def _make_command(self, context: Context) -> Any:
        context_merge(context, self.op_kwargs)
        arguments = determine_kwargs(self.python_callable, self.op_args, context)
        return self.python_callable(*self.op_args, **arguments)


def fargate_task(
    python_callable: Callable[..., Sequence[str]] | None = None, *, pin_of: str | None = None, **kwargs: Any
) -> TaskDecorator:
    """Make a Fargate task from a function that returns the container's command as a non-empty list of str.

    The function runs once per try, in the worker before the launch, and sees params and context. The keyword arguments
    are those of `FargateOperator`, first of all `module`. In a `fargate_session` the task shares its containers. The
    image is pinned by the DAG's own pin, or by that of the pipeline `pin_of`.

    Raises:
        ConfigError: In a session, the module is another one, or a size is given.
    """

    def decorate(function: Callable[..., Sequence[str]]) -> TaskDecorator:
        session, dag = current_session(), DagContext.get_current()
        given = kwargs | (session.arguments(kwargs) if session else {})
        if dag is not None and "image" not in given and "module" in given:
            # Resolved here and not in the operator, which a mapped task only builds when it runs.
            given["image"] = pinned_image(Path(dag.fileloc).parent, pin_of or dag.dag_id, given["module"])
        return task_decorator_factory(
            python_callable=function, decorated_operator_class=_FargateDecoratedOperator, **given
        )

    if python_callable:
        return decorate(python_callable)
    return decorate  # type: ignore[return-value] # with arguments it makes the decorator
