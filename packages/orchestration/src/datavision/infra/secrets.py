"""The secrets of an environment: their names, and how their values get into Secrets Manager.

No template holds a value.
"""

import base64
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from datavision.aws import checked_client
from datavision.config import Config
from datavision.infra.errors import InfraError

_CONFIGURED = ("source_url", "lakehouse_catalog_url")
ASKED_FOR = ("source_url", "airflow_git", "airflow_oidc", "smtp")
"""Secrets that only people know: `datavision infra secret` prompts for them."""
BOOTSTRAPPED = ("lakehouse_catalog_url", "airflow_database_url")
"""URLs that `datavision infra bootstrap` writes, with passwords that nobody ever sees."""
GENERATED: Mapping[str, Callable[[], str]] = {
    "airflow_fernet_key": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "airflow_jwt_key": lambda: secrets.token_hex(32),
    "airflow_api_secret_key": lambda: secrets.token_hex(32),
}
"""Airflow's keys, generated here because Secrets Manager cannot generate a Fernet key (32 bytes in base64)."""


def secret_name(config: Config, key: str) -> str:
    """Return the name of a secret in Secrets Manager: from `[secrets]`, else `<prefix>/<env>/<key>` with dashes."""
    if key in _CONFIGURED:
        return str(getattr(config.secrets, key))
    return f"{config.images.repository_prefix}/{config.env}/{key.replace('_', '-')}"


def put_secret_values(config: Config, values: Mapping[str, str]) -> list[str]:
    """Set the environment's secrets; return the keys whose value changed.

    A secret that no stack created is created.
    """
    manager = checked_client(config, "secretsmanager")
    changed = []
    for key, value in values.items():
        name = secret_name(config, key)
        try:
            if manager.get_secret_value(SecretId=name)["SecretString"] == value:
                continue
            manager.put_secret_value(SecretId=name, SecretString=value)
        except manager.exceptions.ResourceNotFoundException:
            _first_value(manager, name, value)
        changed.append(key)
    return changed


def fill_in_generated(config: Config) -> list[str]:
    """Generate the keys that have no value yet; a second Fernet key would make what the first encrypted unreadable."""
    return put_secret_values(config, {key: GENERATED[key]() for key in _without_value(config, GENERATED)})


def missing_secrets(config: Config, keys: Iterable[str]) -> dict[str, str]:
    """Return those of `keys` that have no value, each with the command (after `datavision`) that sets it."""
    return {
        key: "infra bootstrap" if key in BOOTSTRAPPED else f"infra secret {key}" for key in _without_value(config, keys)
    }


def secret_arns(config: Config, keys: tuple[str, ...]) -> dict[str, str]:
    """Return the ARNs of the secrets named by `keys`.

    Raises:
        InfraError: A secret does not exist.
    """
    manager = checked_client(config, "secretsmanager")
    found = {}
    for key in keys:
        name = secret_name(config, key)
        try:
            found[key] = manager.describe_secret(SecretId=name)["ARN"]
        except manager.exceptions.ResourceNotFoundException:
            raise InfraError(
                f"Secret {name} does not exist in {config.aws.region}. "
                f"Run `datavision infra deploy --env {config.env}` "
                f"and `datavision infra secret {key} --env {config.env}`."
            ) from None
    return found


def has_value(config: Config, key: str) -> bool:
    """Return whether a secret has a value, without reading it."""
    manager = checked_client(config, "secretsmanager")
    try:
        stages = manager.describe_secret(SecretId=secret_name(config, key)).get("VersionIdsToStages", {})
    except manager.exceptions.ResourceNotFoundException:
        return False
    return any("AWSCURRENT" in labels for labels in stages.values())


def _without_value(config: Config, keys: Iterable[str]) -> list[str]:
    return [key for key in keys if not has_value(config, key)]


def _first_value(manager: Any, name: str, value: str) -> None:
    try:
        manager.put_secret_value(SecretId=name, SecretString=value)
    except manager.exceptions.ResourceNotFoundException:
        manager.create_secret(Name=name, SecretString=value)
