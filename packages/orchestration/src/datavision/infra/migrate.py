"""Migrates Airflow's database, one container at a time: what each service of infra/airflow.yaml does before it starts.

`airflow db migrate` gives up on its own lock after a moment, and has none for the tables of the auth manager (FAB),
which the first containers of a new environment would all create at once. Where the versions that migrate are those that
did last, nothing is started at all.
"""

import asyncio
import re
import subprocess
import sys
from importlib.metadata import version

import asyncpg

from datavision.process_environment import ProcessEnvironment

_LOCK = 7_211_304_006
"""Of PostgreSQL's advisory locks; Airflow's own are small numbers."""
_MIGRATING = ("apache-airflow-core", "apache-airflow-providers-fab")
"""Packages with migrations."""
_URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


async def migrate(url: str) -> int:
    """Run `airflow db migrate` if it has not been, while no other container does; return its exit code.

    `url` is Airflow's database.
    """
    connection = await asyncpg.connect(re.sub(r"^postgresql\+\w+:", "postgresql:", url))
    try:
        # The lock goes with the connection, whatever ends this process.
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute("CREATE TABLE IF NOT EXISTS datavision_migrated (versions text NOT NULL)")
        versions = ", ".join(f"{name} {version(name)}" for name in _MIGRATING)
        if await connection.fetchval("SELECT versions FROM datavision_migrated") == versions:
            return 0
        code = subprocess.run(["airflow", "db", "migrate"], check=False).returncode  # noqa: ASYNC221 - nothing else runs
        if code == 0:
            async with connection.transaction():
                await connection.execute("DELETE FROM datavision_migrated")
                await connection.execute("INSERT INTO datavision_migrated VALUES ($1)", versions)
        return code
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(migrate(ProcessEnvironment.current().inherited[_URL])))
