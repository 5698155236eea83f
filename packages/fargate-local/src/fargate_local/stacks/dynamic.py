"""Dynamic references of a template: `{{resolve:ssm:…}}`, `{{resolve:ssm-secure:…}}`, `{{resolve:secretsmanager:…}}`.

CloudFormation user guide, "Get values stored in other services using dynamic references" (read November 2026).
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from fargate_local.stacks.order import TemplateError

REFERENCE: Final = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}")
ARN_PARTS: Final = 7


def resolved(value: Any, client: Callable[[str], Any]) -> Any:
    """Return a template's value with its dynamic references replaced, and its lists without `AWS::NoValue`.

    `client` returns the boto3 client of a service. moto takes `AWS::NoValue`, which is None, out of objects only.

    Raises:
        TemplateError: A reference does not have the form that it must have, or the secret lacks its key.
        ClientError: There is no such parameter or secret.
    """
    if isinstance(value, dict):
        return {name: resolved(item, client) for name, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, client) for item in value if item is not None]
    if isinstance(value, str) and "{{resolve:" in value:
        return REFERENCE.sub(lambda found: looked_up(found[1], found[2], client), value)
    return value


def looked_up(service: str, reference: str, client: Callable[[str], Any]) -> str:
    """Return the value that one reference stands for.

    Raises:
        TemplateError: The reference does not have the form that it must have, or the secret lacks its key.
    """
    if service != "secretsmanager":
        answer = client("ssm").get_parameter(Name=reference, WithDecryption=service == "ssm-secure")
        return str(answer["Parameter"]["Value"])
    name, kind, key, stage, version = secret_parts(reference)
    if kind not in ("", "SecretString"):
        message = f"Incorrect format is used in the following dynamic reference: [secretsmanager:{reference}]"
        raise TemplateError(message)
    wanted = {"VersionStage": stage, "VersionId": version}
    given = {name: value for name, value in wanted.items() if value}
    text = str(client("secretsmanager").get_secret_value(SecretId=name, **given)["SecretString"])
    if not key:
        return text
    try:
        found = json.loads(text)[key]
    except (ValueError, KeyError, TypeError):
        message = f"Could not find a value associated with JSONKey in SecretString: {key}"
        raise TemplateError(message) from None
    return found if isinstance(found, str) else json.dumps(found)


def secret_parts(reference: str) -> tuple[str, str, str, str, str]:
    """Return a reference's secret (name or ARN), `SecretString`, JSON key, version stage and version id."""
    parts = reference.split(":")
    if reference.startswith("arn:"):
        parts = [":".join(parts[:ARN_PARTS]), *parts[ARN_PARTS:]]
    name, kind, key, stage, version = [*parts, "", "", "", ""][:5]
    return name, kind, key, stage, version
