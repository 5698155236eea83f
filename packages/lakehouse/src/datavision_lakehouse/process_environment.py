"""The variables of this process: the only module of the package that touches `os.environ`.

Here are those of the platform (AWS, ECS). The package's own, `DATAVISION_…`, are declared in `settings`, and
pydantic-settings reads them.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class ProcessEnvironment:
    """What the platform told this process; an empty variable counts as unset."""

    region: str | None = None
    """`AWS_REGION`, else `AWS_DEFAULT_REGION`. ECS sets the first, and boto3 reads only the second."""
    s3_endpoint: str | None = None
    """`AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`; unset on AWS."""
    task_metadata_url: str | None = None
    """`ECS_CONTAINER_METADATA_URI_V4`, which ECS sets in every container."""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Pick them out of these variables."""
        return cls(
            region=variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or None,
            s3_endpoint=variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL") or None,
            task_metadata_url=variables.get("ECS_CONTAINER_METADATA_URI_V4") or None,
        )

    @classmethod
    def current(cls) -> Self:
        """Read those of this process."""
        return cls.of(os.environ)


@contextmanager
def variables_set(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the time of the block, for libraries that read them in our own process, as DuckDB and dbt do.

    Afterwards every one of them is as it was before, however the block ended.
    """
    before = {name: os.environ.get(name) for name in values}
    try:
        # Within the `try`: a value that the system refuses must not leave behind those that were set before it.
        os.environ.update(values)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
