"""S3 access for DuckDB: the standard AWS variables, and the container's own credentials."""

from urllib.parse import urlsplit

import duckdb

from datavision_lakehouse.errors import Unavailable
from datavision_lakehouse.postgres import sql_text
from datavision_lakehouse.process_environment import ProcessEnvironment


def is_s3(location: str) -> bool:
    """Return whether the location is an s3:// prefix rather than a folder."""
    return location.startswith("s3://")


def allow_s3(connection: duckdb.DuckDBPyConnection, process: ProcessEnvironment | None = None) -> None:
    """Give the connection's instance the container's S3 credentials.

    DuckDB 1.5.5 takes them anew when a read says that they expired, not for a write or a listing: what lives longer
    than they do (six hours at most on ECS) has to connect again.

    Raises:
        Unavailable: The AWS credential chain finds none.
    """
    try:
        connection.execute(s3_secret_sql(process or ProcessEnvironment.current()))
    except duckdb.Error as error:
        raise Unavailable(
            f"No AWS credentials for S3 ({str(error).splitlines()[0]}). "
            "Give the task a task role; elsewhere set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from None


def s3_secret_sql(process: ProcessEnvironment) -> str:
    """Return the statement for DuckDB's S3 secret in this region and at this endpoint; holds no credentials itself."""
    options = ["TYPE s3", "PROVIDER credential_chain", "REFRESH auto"]
    if process.region:
        options.append(f"REGION {sql_text(process.region)}")
    if process.s3_endpoint:
        parts = urlsplit(process.s3_endpoint)
        # An endpoint of one's own has no DNS name per bucket.
        options += [f"ENDPOINT {sql_text(parts.netloc)}", "URL_STYLE 'path'"]
        if parts.scheme == "http":
            options.append("USE_SSL false")
    return f"CREATE OR REPLACE TEMPORARY SECRET lake_s3 ({', '.join(options)})"
