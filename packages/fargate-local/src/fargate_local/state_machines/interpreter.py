"""moto's interpreter of the Amazon States Language where it is wrong, as of 5.2."""

from typing import Any

from fargate_local.cloud.replaced import replace


def mend() -> None:
    """Let refusals have their names, and what fails in a Map or Parallel state the name that it had there."""
    from moto.core.exceptions import AWSError
    from moto.stepfunctions.parser import api
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
    from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl

    for refusal in vars(api).values():
        if isinstance(refusal, type) and issubclass(refusal, AWSError) and "code" in vars(refusal):
            refusal.TYPE = str(refusal.code)
    for module in (iteration_worker, branches_decl):
        replace(module, "CustomErrorName", name_of_error)


def name_of_error(error_name: Any) -> Any:
    """Return an error's name as the interpreter compares it with those that a state catches."""
    from moto.stepfunctions.parser.asl.component.common.error_name import custom_error_name, states_error_name
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType

    if str(error_name).startswith("States."):
        return states_error_name.StatesErrorName(typ=StatesErrorNameType.from_name(error_name))
    return custom_error_name.CustomErrorName(error_name=error_name)
