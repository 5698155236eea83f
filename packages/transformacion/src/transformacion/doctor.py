"""`transformacion doctor`: whether this image, as configured, can reach everything a run needs. Changes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from datavision_lakehouse import NotInitialized, connect
from transformacion.errors import ReportError
from transformacion.runner import list_nodes
from transformacion.settings import ReportCommandSettings


def diagnose(settings: ReportCommandSettings) -> Iterator[str]:
    """Check the dbt project, the catalog and the reports' destination, in this order, and yield a line for each.

    Raises:
        UsageError: A setting or the project is wrong.
        LakehouseError: The lakehouse cannot be opened.
        ReportError: Reports cannot be written.
    """
    yield f"dbt project: ok, {len(list_nodes(['--resource-type', 'model']))} models"
    try:
        connect(settings.lakehouse, read_only=True).close()
    except NotInitialized:
        yield f"lakehouse catalog {settings.lakehouse.catalog}: ok, empty"
    else:
        yield f"lakehouse catalog {settings.lakehouse.catalog}: ok"
    check_destination(settings.reports.path)
    yield f"reports {settings.reports.path}: ok"


def check_destination(location: str) -> None:
    """Check that reports can be written to a folder or s3:// prefix.

    Raises:
        ReportError: They cannot.
    """
    if location.startswith("s3://"):
        try:
            boto3.client("s3").head_bucket(Bucket=urlsplit(location).netloc)
        except (ClientError, BotoCoreError) as error:
            raise _unwritable(location, str(error)) from None
        return
    nearest = next(folder for folder in (Path(location), *Path(location).parents) if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise _unwritable(location, "permission denied" if nearest.is_dir() else f"{nearest} is a file")


def _unwritable(location: str, why: str) -> ReportError:
    return ReportError(
        f"Reports cannot be written to {location} ({why}). Fix DATAVISION_REPORTS__PATH, or grant access."
    )
