"""RDS for PostgreSQL: behind each instance a PostgreSQL that runs, with the user, password and data that RDS says."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import asyncpg
import boto3
import psutil
import psycopg
import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import MakeCloud, refusal

from fargate_local import FargateLocal

PASSWORD = "correct-horse"
NEW: dict[str, Any] = {
    "Engine": "postgres",
    "DBInstanceClass": "db.t4g.micro",
    "AllocatedStorage": 20,
    "MasterUsername": "boss",
}


class Rds:
    """RDS of one cloud, and few words to work with an instance of it."""

    def __init__(self, cloud: FargateLocal, name: str = "one") -> None:
        self.cloud, self.name = cloud, name
        self.api = boto3.client("rds", **cloud.client_args)
        self.secrets = boto3.client("secretsmanager", **cloud.client_args)

    def create(self, **settings: Any) -> dict[str, Any]:
        made = self.api.create_db_instance(DBInstanceIdentifier=self.name, **NEW, **settings)
        instance: dict[str, Any] = made["DBInstance"]
        return instance

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"][0]
        return found

    def until(self, status: str = "available") -> list[str]:
        """Wait for a status; return those on the way."""
        deadline, seen = time.monotonic() + 60, list[str]()
        while (now := self.described()["DBInstanceStatus"]) != status:
            assert time.monotonic() < deadline, now
            seen += [now] if now not in seen else []
            time.sleep(0.02)
        return seen

    def connect(self, password: str, database: str = "postgres", user: str = "boss", **options: Any) -> Any:
        endpoint = self.described()["Endpoint"]
        return psycopg.connect(
            host=endpoint["Address"],
            port=endpoint["Port"],
            user=user,
            password=password,
            dbname=database,
            connect_timeout=10,
            **options,
        )

    def secret(self) -> dict[str, str]:
        """What the secret that RDS manages says."""
        arn = self.described()["MasterUserSecret"]["SecretArn"]
        value: dict[str, str] = json.loads(self.secrets.get_secret_value(SecretId=arn)["SecretString"])
        return value


@pytest.fixture(scope="module")
def rds(cloud: FargateLocal) -> Rds:
    """A cloud of the module's own with one instance."""
    made = Rds(cloud)
    made.create(MasterUserPassword=PASSWORD, DBName="tienda")
    made.api.get_waiter("db_instance_available").wait(DBInstanceIdentifier="one", WaiterConfig={"Delay": 1})
    return made


def processes_of(folder: Path | str) -> list[psutil.Process]:
    running = (each for each in psutil.process_iter(["name", "cmdline"]) if each.info["name"] == "postgres")
    return [each for each in running if str(folder) in " ".join(each.info["cmdline"] or [])]


def test_an_instance_is_being_created_and_then_a_postgresql_on_loopback(cloud: FargateLocal) -> None:
    rds = Rds(cloud, "fresh")
    made = rds.create(MasterUserPassword=PASSWORD)
    assert made["DBInstanceStatus"] == "creating"
    assert rds.until() == ["creating"]
    assert rds.described()["Endpoint"]["Address"] == "127.0.0.1"
    with rds.connect(PASSWORD) as connection:
        addresses = connection.execute("SHOW listen_addresses").fetchone()
        sockets = connection.execute("SHOW unix_socket_directories").fetchone()
    assert (addresses, sockets) == (("127.0.0.1",), ("",))
    rds.api.delete_db_instance(DBInstanceIdentifier="fresh", SkipFinalSnapshot=True)


def test_the_master_user_owns_the_database_that_was_asked_for_and_is_no_superuser(rds: Rds) -> None:
    with rds.connect(PASSWORD, "tienda") as connection:
        connection.execute("CREATE SCHEMA ventas")
        connection.execute("CREATE ROLE lector LOGIN")
        found = connection.execute(
            "SELECT rolsuper, rolcreatedb, pg_has_role('rds_superuser', 'member') FROM pg_roles WHERE rolname = 'boss'"
        ).fetchone()
    assert found == (False, True, True)


def test_another_password_is_refused(rds: Rds) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        rds.connect("another-password")


def test_a_new_password_replaces_the_one_before(rds: Rds) -> None:
    changed = rds.api.modify_db_instance(
        DBInstanceIdentifier="one", MasterUserPassword="a-second-one", ApplyImmediately=True
    )
    assert changed["DBInstance"]["DBInstanceStatus"] == "resetting-master-credentials"
    rds.until()
    rds.connect("a-second-one").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        rds.connect(PASSWORD)
    rds.api.modify_db_instance(DBInstanceIdentifier="one", MasterUserPassword=PASSWORD, ApplyImmediately=True)
    rds.until()


def test_a_stopped_instance_does_not_listen_and_has_its_data_when_it_is_started(rds: Rds) -> None:
    with rds.connect(PASSWORD, "tienda") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    stopping = rds.api.stop_db_instance(DBInstanceIdentifier="one")["DBInstance"]
    assert stopping["DBInstanceStatus"] == "stopping"
    rds.until("stopped")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        rds.connect(PASSWORD)
    started = rds.api.start_db_instance(DBInstanceIdentifier="one")["DBInstance"]
    assert started["DBInstanceStatus"] == "starting"
    rds.until()
    with rds.connect(PASSWORD, "tienda") as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_a_reboot_ends_its_connections(rds: Rds) -> None:
    connection = rds.connect(PASSWORD)
    assert rds.api.reboot_db_instance(DBInstanceIdentifier="one")["DBInstance"]["DBInstanceStatus"] == "rebooting"
    rds.until()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    rds.connect(PASSWORD).close()


def test_the_managed_secret_opens_the_database_and_a_rotation_really_changes_the_password(cloud: FargateLocal) -> None:
    rds = Rds(cloud, "managed")
    made = rds.create(ManageMasterUserPassword=True)
    assert made["MasterUserSecret"]["SecretArn"].split(":secret:")[1].startswith("rds!db-")
    rds.until()
    first = rds.secret()
    assert set(first) == {"username", "password"}
    rds.connect(first["password"], user=first["username"]).close()
    rds.secrets.rotate_secret(SecretId=made["MasterUserSecret"]["SecretArn"])
    second = rds.secret()
    assert second["password"] != first["password"]
    rds.until()
    rds.connect(second["password"], user=second["username"]).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        rds.connect(first["password"])
    rds.api.delete_db_instance(DBInstanceIdentifier="managed", SkipFinalSnapshot=True)


@pytest.fixture(scope="module")
def bundle(cloud: FargateLocal, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What AWS has at truststore.pki.rds.amazonaws.com, downloaded without a key as there."""
    file = tmp_path_factory.mktemp("rds") / "global-bundle.pem"
    file.write_bytes(bundle_of(cloud))
    return str(file)


def bundle_of(cloud: FargateLocal) -> bytes:
    with urllib.request.urlopen(cloud.environment["FARGATE_LOCAL_RDS_BUNDLE"]) as answer:
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_tls_is_verified_in_full_with_the_bundle(rds: Rds, bundle: str, negotiation: str) -> None:
    checked = {"sslmode": "verify-full", "sslnegotiation": negotiation}
    with rds.connect(PASSWORD, **checked, sslrootcert=bundle) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT repeat('x', 1000000)").fetchone() == ("x" * 1_000_000,)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        rds.connect(PASSWORD, **checked, sslrootcert="system")


def test_an_asynchronous_client_verifies_it_too(rds: Rds, bundle: str) -> None:
    endpoint = rds.described()["Endpoint"]

    async def ask() -> Any:
        context = ssl.create_default_context(cafile=bundle)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        connection = await asyncpg.connect(
            host=endpoint["Address"], port=endpoint["Port"], user="boss", password=PASSWORD, database="postgres",
            ssl=context,
        )  # fmt: skip
        try:
            return await connection.fetchval("SELECT 7")
        finally:
            await connection.close()

    assert asyncio.run(ask()) == 7


def test_a_query_is_cancelled_through_tls(rds: Rds) -> None:
    over = threading.Event()
    with rds.connect(PASSWORD, sslmode="require") as connection:

        def cancel() -> None:
            while not over.wait(0.2):
                connection.cancel_safe()

        cancelling = threading.Thread(target=cancel)
        cancelling.start()
        try:
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("SELECT pg_sleep(60)")
        finally:
            over.set()
            cancelling.join()


def test_clients_without_tls_are_refused_unless_the_parameter_group_lets_them_in(rds: Rds) -> None:
    # RDS user guide, "Requiring an SSL connection to a PostgreSQL DB instance": rds.force_ssl is 1 from version 15 on.
    refused = r'FATAL:  no pg_hba.conf entry for host "127.0.0.1", user "boss", database "tienda", no encryption'
    with pytest.raises(psycopg.OperationalError, match=refused):
        rds.connect(PASSWORD, "tienda", sslmode="disable")
    rds.api.create_db_parameter_group(
        DBParameterGroupName="plain", DBParameterGroupFamily="postgres18", Description="d"
    )
    for forced, refused in (("0", ""), ("1", "no encryption")):
        parameter = {"ParameterName": "rds.force_ssl", "ParameterValue": forced, "ApplyMethod": "immediate"}
        rds.api.modify_db_parameter_group(DBParameterGroupName="plain", Parameters=[parameter])
        rds.api.modify_db_instance(DBInstanceIdentifier="one", DBParameterGroupName="plain", ApplyImmediately=True)
        rds.until()
        if not refused:
            rds.connect(PASSWORD, sslmode="disable").close()
            continue
        with pytest.raises(psycopg.OperationalError, match=refused):
            rds.connect(PASSWORD, sslmode="disable")


def test_what_is_no_client_is_let_go_and_holds_up_nobody(rds: Rds) -> None:
    endpoint = rds.described()["Endpoint"]
    address = endpoint["Address"], endpoint["Port"]
    with socket.create_connection(address, 10) as silent, socket.create_connection(address, 10) as odd:
        odd.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert odd.recv(100) == b""
        silent.sendall(b"\0")
        rds.connect(PASSWORD).close()


@pytest.mark.slow
def test_state_data_port_and_password_outlive_a_killed_server_and_no_process_does(tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        rds = Rds(cloud)
        rds.create(ManageMasterUserPassword=True, DBName="tienda")
        rds.until()
        with rds.connect(rds.secret()["password"], "tienda") as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        rds.secrets.rotate_secret(SecretId=rds.described()["MasterUserSecret"]["SecretArn"])
        rds.until()
        before = rds.described()["Endpoint"], rds.secret(), bundle_of(cloud)
        assert processes_of(tmp_path)
        os.kill(cloud.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while processes_of(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with FargateLocal(state_dir=tmp_path) as cloud:
        rds = Rds(cloud)
        rds.until()
        assert (rds.described()["Endpoint"], rds.secret(), bundle_of(cloud)) == before
        with rds.connect(rds.secret()["password"], "tienda") as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        rds.api.delete_db_instance(DBInstanceIdentifier="one", SkipFinalSnapshot=True)
        deadline = time.monotonic() + 30
        while list((tmp_path / "databases").iterdir()):
            assert time.monotonic() < deadline, "its data is removed with it"
            time.sleep(0.05)
    assert processes_of(tmp_path) == []


@pytest.mark.slow
def test_an_instance_whose_port_somebody_else_took_says_where_it_is_now(tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        rds = Rds(cloud)
        rds.create(MasterUserPassword=PASSWORD)
        rds.until()
        before = rds.described()["Endpoint"]["Port"]
    with socket.create_server(("127.0.0.1", before)), FargateLocal(state_dir=tmp_path) as cloud:
        rds = Rds(cloud)
        rds.until()
        assert rds.described()["Endpoint"]["Port"] != before
        rds.connect(PASSWORD).close()


@pytest.mark.slow
def test_what_the_state_folder_says_of_a_database_is_for_its_owner_only(tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        rds = Rds(cloud)
        rds.create(MasterUserPassword=PASSWORD)
        rds.until()
        (folder,) = (tmp_path / "databases").iterdir()
        files = [path for path in folder.iterdir() if path.is_file()]
        assert {path.name for path in files} >= {"password", "port", "ready", "postgres.log"}
        for path in files:
            assert path.stat().st_mode & 0o077 == 0, path
            assert PASSWORD not in path.read_text(errors="replace"), path


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"MasterUserPassword": "short"}, "InvalidParameterValue", "shorter than 8 characters"),
        ({"MasterUserPassword": "with a blank"}, "InvalidParameterValue", "printable ASCII characters besides"),
        ({}, "InvalidParameterValue", "MasterUserPassword must be provided"),
        (
            {"MasterUserPassword": PASSWORD, "ManageMasterUserPassword": True},
            "InvalidParameterCombination",
            "ManageMasterUserPassword",
        ),
    ],
)
def test_what_rds_refuses_of_a_new_instance_is_refused(
    cloud: FargateLocal, settings: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError) as refused:
        Rds(cloud, "refused").create(**settings)
    assert refused.value.response["Error"]["Code"] == code
    assert words in refused.value.response["Error"]["Message"]


def test_reserved_master_users_and_copies_of_data_are_refused(rds: Rds) -> None:
    name, status, words = refusal(
        rds.api.create_db_instance,
        **{**NEW, "MasterUsername": "rdsadmin"},
        DBInstanceIdentifier="two",
        MasterUserPassword=PASSWORD,
    )
    assert (name, status) == ("InvalidParameterValue", 400)
    assert "reserved word" in words
    rds.api.create_db_snapshot(DBSnapshotIdentifier="snap", DBInstanceIdentifier="one")
    _, _, words = refusal(
        rds.api.restore_db_instance_from_db_snapshot, DBInstanceIdentifier="copy", DBSnapshotIdentifier="snap"
    )
    assert "pg_dump" in words


def test_other_engines_stay_records(rds: Rds) -> None:
    made = rds.api.create_db_instance(
        DBInstanceIdentifier="my", MasterUserPassword=PASSWORD, **{**NEW, "Engine": "mysql"}
    )["DBInstance"]
    assert made["Endpoint"]["Address"].endswith(".rds.amazonaws.com")
    found = rds.api.describe_db_instances(DBInstanceIdentifier="my")["DBInstances"][0]
    assert found["DBInstanceStatus"] == "available"


WITHOUT = """
from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.databases import programs, takeover
from fargate_local.databases.authority import Authority
from fargate_local.databases.keeper import Keeper

programs.NEEDED = ("no_such_module_anywhere",)
keeper = Keeper(None, Authority(None))
gate = MotoGate(None, [takeover.extension(keeper)])
keeper.begin(gate)
try:
    CloudClients(gate.handle).get("rds", "us-east-1").create_db_instance(
        DBInstanceIdentifier="one", Engine="postgres", DBInstanceClass="db.t4g.micro", MasterUsername="boss",
        MasterUserPassword="correct-horse", AllocatedStorage=20)
except Exception as error:
    print(error)
keeper.close()
"""


def test_without_postgresql_an_instance_is_refused_with_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert "(InvalidParameterValue)" in done.stdout
    assert "pip install 'fargate-local[postgres]'" in done.stdout


def test_a_stack_waits_for_its_database_and_knows_where_it_is(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    stacks, rds = ecs.client("cloudformation"), Rds(ecs.cloud, "of-a-stack")
    stacks.create_stack(StackName="db", TemplateBody=database_template(PASSWORD))
    assert stacks.describe_stacks(StackName="db")["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    stacks.get_waiter("stack_create_complete").wait(StackName="db", WaiterConfig={"Delay": 1})
    (stack,) = stacks.describe_stacks(StackName="db")["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    endpoint = rds.described()["Endpoint"]
    assert outputs == {"Address": endpoint["Address"], "Port": str(endpoint["Port"])}
    parameter = ecs.client("ssm").get_parameter(Name="/db/url")["Parameter"]["Value"]
    with psycopg.connect(parameter) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("boss",)

    stacks.update_stack(StackName="db", TemplateBody=database_template("a-second-one"))
    stacks.get_waiter("stack_update_complete").wait(StackName="db", WaiterConfig={"Delay": 1})
    rds.connect("a-second-one").close()
    stacks.delete_stack(StackName="db")
    with pytest.raises(ClientError, match="DBInstanceNotFound"):
        rds.described()


def database_template(password: str) -> str:
    instance = {
        "DBInstanceIdentifier": "of-a-stack",
        "Engine": "postgres",
        "DBInstanceClass": "db.t4g.micro",
        "AllocatedStorage": "20",
        "MasterUsername": "boss",
        "MasterUserPassword": password,
    }
    url = f"postgresql://boss:{password}@${{Database.Endpoint.Address}}:${{Database.Endpoint.Port}}/postgres"
    parameter = {"Name": "/db/url", "Type": "String", "Value": {"Fn::Sub": url}}
    resources = {
        "Url": {"Type": "AWS::SSM::Parameter", "Properties": parameter},
        "Database": {"Type": "AWS::RDS::DBInstance", "Properties": instance},
    }
    outputs = {name: {"Value": {"Fn::GetAtt": ["Database", f"Endpoint.{name}"]}} for name in ("Address", "Port")}
    return json.dumps({"Resources": resources, "Outputs": outputs})
