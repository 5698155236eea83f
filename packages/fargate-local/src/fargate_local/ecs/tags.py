"""Tags of tasks and services."""

from typing import Any

from fargate_local.protocol.errors import InvalidParameterError


def check_tags(tags: list[dict[str, str]]) -> None:
    """Check tags by ECS's tagging rules.

    Raises:
        InvalidParameterError: One breaks a rule.
    """
    keys = [tag.get("key", "") for tag in tags]
    if len(tags) > 50:
        message = "Too many tags. The maximum number of tags per resource is 50."
        raise InvalidParameterError(message)
    if len(set(keys)) != len(keys):
        message = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        raise InvalidParameterError(message)
    for tag in tags:
        key = tag.get("key", "")
        if not 1 <= len(key) <= 128 or len(tag.get("value", "")) > 256:
            message = "Tag keys must have 1 to 128 characters and tag values at most 256."
            raise InvalidParameterError(message)
        if key.lower().startswith("aws:"):
            message = "Tag keys beginning with aws: are reserved for system use."
            raise InvalidParameterError(message)


def changed_tags(tags: list[dict[str, str]], action: str, parameters: dict[str, Any]) -> list[dict[str, str]]:
    """Return tags after a TagResource or UntagResource.

    Raises:
        InvalidParameterError: One breaks a rule.
    """
    known = {tag["key"]: tag.get("value", "") for tag in tags}
    if action == "TagResource":
        check_tags(parameters.get("tags", []))
        known |= {tag["key"]: tag.get("value", "") for tag in parameters.get("tags", [])}
    else:
        known = {key: value for key, value in known.items() if key not in parameters.get("tagKeys", [])}
    return [{"key": key, "value": value} for key, value in known.items()]
