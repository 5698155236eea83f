"""What RDS was asked for, read from moto's records."""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from fargate_local.protocol.arns import ACCOUNT
from fargate_local.runtimes.vpc_network import Guest

ENGINE: Final = "postgres"
FORCE_TLS: Final = "rds.force_ssl"
TLS_FORCED_FROM: Final = 15
"""The first version of PostgreSQL whose default parameter group has it on."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One database instance as it is to be."""

    resource_id: str
    """What stays the same whatever the instance is called."""
    identifier: str
    user: str
    password: str = field(repr=False)
    database: str
    stopped: bool
    reboots: int
    """How often it was rebooted so far."""
    port: int | None
    """What was asked for, if anything was."""
    encrypted_only: bool = False
    """Whether clients without TLS are refused."""
    guest: Guest | None = None
    """Where it is in its VPC; None where it is on this machine's loopback."""

    def fingerprint(self, key: str) -> str:
        """Return what tells this password from another one, for whoever has the key."""
        return hashlib.sha256(f"{key}:{self.user}:{self.password}".encode()).hexdigest()


def is_real(instance: Any) -> bool:
    """Return whether a PostgreSQL runs for one of moto's database instances."""
    return instance.engine == ENGINE and instance.db_cluster_identifier is None


def wanted_of(instance: Any) -> Wanted:
    """Return what is wanted of one of moto's database instances."""
    return Wanted(
        resource_id=instance.dbi_resource_id,
        identifier=instance.db_instance_identifier,
        user=instance.master_username or "",
        password=password_of(instance),
        database=instance.db_name or "",
        stopped=instance.__dict__.get("wanted_status") == "stopped",
        reboots=instance.__dict__.get("reboots", 0),
        port=instance.port_asked,
        encrypted_only=forces_tls(instance),
        guest=guest_of(instance),
    )


def guest_of(instance: Any) -> Guest | None:
    """Return where an instance is in its VPC; None where it is on this machine's loopback."""
    if instance.vpc_address is None:
        return None
    vpc, address = instance.vpc_address
    groups = tuple(instance.vpc_security_group_ids)
    return Guest(instance.dbi_resource_id, instance.region, vpc, address, instance.port, groups)


def forces_tls(instance: Any) -> bool:
    """Return whether an instance's parameter group has `rds.force_ssl`, a dynamic parameter, on.

    RDS user guide, "Requiring an SSL connection to a PostgreSQL DB instance": it is on by default from PostgreSQL 15 on
    (read November 2026).
    """
    group = instance.backend.db_parameter_groups.get(instance.db_parameter_group_name or "")
    given = group.parameters.get(FORCE_TLS, {}).get("ParameterValue") if group else None
    if given is not None:
        return str(given) == "1"
    major = str(instance.engine_version).partition(".")[0]
    return not major.isdigit() or int(major) >= TLS_FORCED_FROM


def password_of(instance: Any) -> str:
    """Return the password of an instance's master user: its own, or that of the secret that RDS manages."""
    managed = getattr(instance, "master_user_secret", None)
    if managed is None:
        return str(instance.__dict__.get("_master_user_password") or "")
    secret = managed.secretsmanager.secrets[managed.secret.arn]
    current = secret.versions[secret.default_version_id]
    return str(json.loads(current["secret_string"])["password"])


def instance_named(region: str, identifier: str) -> Any:
    """Return one of moto's database instances, or None; the caller holds the gate."""
    models = sys.modules.get("moto.rds.models")
    return models.rds_backends[ACCOUNT][region].databases.get(identifier) if models else None


def all_real() -> Iterator[Any]:
    """Yield moto's database instances that a PostgreSQL runs for; the caller holds the gate."""
    # Before its first call the service is not imported, and there is no instance.
    models = sys.modules.get("moto.rds.models")
    for backend in dict.get(models.rds_backends, ACCOUNT, {}).values() if models else ():
        yield from (instance for instance in list(backend.databases.values()) if is_real(instance))
