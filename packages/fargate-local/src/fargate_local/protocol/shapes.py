"""Requests checked against the service model of botocore, the way the AWS front end checks them."""

import json
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

from fargate_local.protocol.errors import ClientError, InvalidParameterError, SerializationError

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float, str),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}
JSON_NAMES = {str: "STRING_VALUE", bool: "TRUE_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE"}
INT32 = range(-(2**31), 2**31)
CHECKED_ENUMS = frozenset({"LaunchType", "PropagateTags", "DesiredStatus", "TaskField"})


class UnknownOperationError(ClientError):
    """ECS has no such operation."""

    code = "UnknownOperationException"


@cache
def service_model() -> ServiceModel:
    """botocore's description of ECS."""
    return botocore.session.Session().get_service_model("ecs")


@cache
def input_shape(action: str) -> Shape:
    """The shape of an operation's input. Raises UnknownOperationError."""
    if action not in service_model().operation_names:
        message = f"The operation {action or 'without a name'} is not one of Amazon ECS."
        raise UnknownOperationError(message)
    shape: Shape = service_model().operation_model(action).input_shape
    return shape


def parse(action: str, body: bytes) -> dict[str, Any]:
    """The request's parameters, unknown ones and nulls left out.

    Raises SerializationError for a body of another shape, InvalidParameterError or ClientError out of a list.
    """
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        message = (
            "Start of structure or map found where not expected."
            if body[:1] == b"["
            else "Could not parse the request body into json."
        )
        raise SerializationError(message) from None
    if not isinstance(document, dict):
        message = "Start of list found where not expected" if isinstance(document, list) else "Unexpected value."
        raise SerializationError(message)
    shape = input_shape(action)
    parsed: dict[str, Any] = checked(document, shape)
    for name in getattr(shape, "required_members", ()):
        if name not in parsed:
            message = f"{name[0].upper()}{name[1:]} can not be blank."
            raise InvalidParameterError(message)
    return parsed


def checked(value: Any, shape: Any) -> Any:
    """The value, if it is of the shape."""
    expected: tuple[type, ...] = PYTHON_TYPES.get(shape.type_name, (object,))
    fits = isinstance(value, expected)
    if not fits or (isinstance(value, bool) and shape.type_name != "boolean"):
        raise SerializationError(mismatch(value, shape))
    if shape.type_name == "structure":
        members = shape.members
        return {name: checked(value[name], member) for name, member in members.items() if value.get(name) is not None}
    if shape.type_name == "list":
        return [checked(item, shape.member) for item in value if item is not None]
    if shape.type_name == "map":
        return {str(key): checked(item, shape.value) for key, item in value.items() if item is not None}
    if shape.type_name == "integer" and value not in INT32:
        raise SerializationError(mismatch(value, shape))
    if shape.type_name == "string":
        check_text(value, shape)
    return value


def check_text(value: str, shape: Shape) -> None:
    """A string is one of the listed values, where ECS checks that, and can be written as UTF-8."""
    allowed = getattr(shape, "enum", None)
    if allowed and shape.name in CHECKED_ENUMS and value not in allowed:
        if shape.name == "LaunchType":
            message = f"launch type should be one of [{','.join(allowed)}]"
            raise ClientError(message)
        message = f"{value} should be one of [{','.join(allowed)}]"
        raise InvalidParameterError(message)
    try:
        value.encode()
    except UnicodeEncodeError:
        message = "Unpaired surrogate in a string"
        raise SerializationError(message) from None


def mismatch(value: Any, shape: Shape) -> str:
    """What the AWS front end says of a value of another type."""
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if isinstance(value, list):
        return "Start of list found where not expected"
    wanted = {"string": "String", "integer": "Integer", "boolean": "Boolean", "long": "Long"}.get(shape.type_name)
    if wanted is None:
        return "Unexpected token where a list or structure was expected"
    found = "NUMBER_VALUE" if type(value) is int else JSON_NAMES.get(type(value), "NULL_VALUE")
    if value is False:
        found = "FALSE_VALUE"
    return f"{found} cannot be converted to {wanted}"
