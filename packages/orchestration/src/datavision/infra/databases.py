"""The databases of lakehouse and Airflow: created inside the VPC, by a task that `datavision infra bootstrap` starts.

Each gets a user that owns its database and may connect to no other. Passwords are generated here and stored only in the
URLs in Secrets Manager. Running it again changes nothing; with `--rotate` every user gets a new password.

The server and its master user are passed as PGHOST, PGPORT, PGUSER, PGPASSWORD and PGSSLMODE, which the driver reads.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import asyncpg
import typer

from datavision.aws import checked_client
from datavision.config import Config, load
from datavision.exit_codes import USAGE
from datavision.infra.secrets import put_secret_values, secret_name
from datavision.process_environment import ProcessEnvironment


@dataclass(frozen=True)
class Owned:
    """A database with the user of the same name that owns it."""

    name: str
    url_secret: str
    """Key of the secret that holds its URL."""
    scheme: str
    query: str = ""


DATABASES = (
    Owned("lakehouse", "lakehouse_catalog_url", "postgresql", "?sslmode=require"),
    # Airflow passes one URL to two drivers that name the TLS mode differently; PGSSLMODE works for both.
    Owned("airflow", "airflow_database_url", "postgresql+psycopg2"),
)


async def bootstrap(config: Config, server: str, *, rotate: bool, report: Callable[[str], None]) -> None:
    """Make what is missing of `DATABASES` on `server` (`host:port`) and write the URLs.

    Killed at any moment and run again, it ends as if it had never been started before: a URL is written in the
    transaction that gives its user the password, and a password already in a URL is given to the user again.
    """
    admin = await asyncpg.connect(database="postgres")
    try:
        for database in DATABASES:
            known = None if rotate else _password_in(_current_url(config, database))
            password = known or secrets.token_hex(32)
            url = f"{database.scheme}://{database.name}:{password}@{server}/{database.name}{database.query}"
            async with admin.transaction():
                await _ensure_user(admin, database.name, password)
                written = put_secret_values(config, {database.url_secret: url})
            made = await _ensure_database(admin, database.name)
            report(f"{database.name}: {'made' if made else 'was there'}, URL {'written' if written else 'unchanged'}")
    finally:
        await admin.close()


async def _ensure_user(admin: Any, name: str, password: str) -> None:
    if not await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name):
        await admin.execute(f'CREATE ROLE "{name}"')
        # A user that is not a superuser must be a member of a role to create a database owned by it.
        await admin.execute(f'GRANT "{name}" TO CURRENT_USER')
    # The password is hexadecimal, so it needs no quoting, here or in a URL.
    await admin.execute(f"ALTER ROLE \"{name}\" LOGIN NOCREATEDB NOCREATEROLE PASSWORD '{password}'")


async def _ensure_database(admin: Any, name: str) -> bool:
    """Create the database if there is none, closed to everybody but its owner; return whether it was created."""
    there = await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", name)
    if not there:
        await admin.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
    await admin.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
    return not there


def _current_url(config: Config, database: Owned) -> str:
    manager = checked_client(config, "secretsmanager")
    try:
        return str(manager.get_secret_value(SecretId=secret_name(config, database.url_secret))["SecretString"])
    except manager.exceptions.ResourceNotFoundException:  # also: it exists but has no value yet
        return ""


def _password_in(url: str) -> str | None:
    return urlsplit(url).password if url else None


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m datavision.infra.databases --rotate")
def main(rotate: Annotated[bool, typer.Option("--rotate", help="Give every user a new password.")] = False) -> None:
    """Make the databases of lakehouse and Airflow, each with a user that owns it and may connect to no other.

    PGHOST, PGPORT, PGUSER, PGPASSWORD and PGSSLMODE name the server and its master user.
    """
    process = ProcessEnvironment.current()
    if process.postgres_host is None:
        typer.echo("PGHOST is not set. Start this with `datavision infra bootstrap`: its task has it.", err=True)
        raise typer.Exit(USAGE)
    server = f"{process.postgres_host}:{process.postgres_port}"
    asyncio.run(bootstrap(load(process=process), server, rotate=rotate, report=typer.echo))


if __name__ == "__main__":
    app()
