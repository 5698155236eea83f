"""Requests checked against botocore's service model, as the AWS front end checks them."""

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
    """Return botocore's description of ECS."""
    return botocore.session.Session().get_service_model("ecs")


@cache
def input_shape(action: str) -> Shape:
    """Return the shape of an operation's input.

    Raises:
        UnknownOperationError: ECS has no such operation.
    """
    if action not in service_model().operation_names:
        message = f"The operation {action or 'without a name'} is not one of Amazon ECS."
        raise UnknownOperationError(message)
    shape: Shape = service_model().operation_model(action).input_shape
    return shape


def parse(action: str, body: bytes) -> dict[str, Any]:
    """Return the request's parameters, without unknown ones and nulls.

    Raises:
        SerializationError: The body does not have the operation's shape.
        InvalidParameterError: A required parameter is missing, or a value is not one of those listed.
        ClientError: The launch type is not one of those listed.
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
    """Return the value if it has the shape.

    Raises:
        SerializationError: It has not.
    """
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
    """Check that a string is one of the listed values, where ECS checks that, and valid UTF-8.

    Raises:
        SerializationError: It contains half a surrogate pair.
        InvalidParameterError: It is not one of the listed values.
        ClientError: It is not a launch type.
    """
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
    """Return the AWS front end's message for a value of the wrong type."""
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


def fitted(value: Any, shape: Any) -> Any:
    """Return the value with the names of ECS's API, whatever their case, and without what that API does not know.

    Numbers and truths that are written as text, as templates have them, become such.
    """
    if shape.type_name == "structure" and isinstance(value, dict):
        members = {name.lower(): name for name in shape.members}
        known = {members[name.lower()]: item for name, item in value.items() if name.lower() in members}
        return {name: fitted(item, shape.members[name]) for name, item in known.items() if item is not None}
    if shape.type_name == "list" and isinstance(value, list):
        return [fitted(item, shape.member) for item in value]
    if shape.type_name == "integer" and isinstance(value, str) and value.isdigit():
        return int(value)
    if shape.type_name == "boolean" and value in ("true", "false"):
        return value == "true"
    return value
