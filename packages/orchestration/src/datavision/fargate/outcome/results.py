"""The result of a container: JSON through S3 to XCom.

`datavision-run` writes `{"result": {…} | null, "exit_code", "wall_seconds", "cpu_seconds", "peak_memory_bytes",
"bytes_written", "started_at", "finished_at"}` to DATAVISION_RESULT_URI. The XCom value is the module's `result`
(`{}` for none) with what the entry point measured under the key `measured`.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from datavision.aws import Cloud
from datavision.fargate.edge.json_objects import read_json

RESULT_URI_VARIABLE = "DATAVISION_RESULT_URI"
MAX_RESULT_BYTES = 48 * 1024
"""The module's part (the image contract). `datavision_runtime` has both facts too; a test compares the two."""
MAX_DELIVERY_BYTES = MAX_RESULT_BYTES + 4 * 1024
"""With what the entry point adds."""


class Measured(BaseModel):
    """What the entry point measured; bytes and seconds."""

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    bytes_written: int
    started_at: datetime
    finished_at: datetime
    billed_seconds: float | None = None
    """In a shared container: the step's share of its time."""
    ended_by: str | None = None
    """In a shared container: why the step was ended from outside."""


class Delivery(Measured):
    """The complete object in S3."""

    result: dict[str, Any] | None = Field(default=None)

    def xcom(self) -> dict[str, Any]:
        """Return the XCom value: the module's result, and `measured`."""
        return {**(self.result or {}), "measured": self.measured()}

    def measured(self) -> dict[str, Any]:
        """Return what the entry point measured as plain JSON."""
        return self.model_dump(mode="json", exclude={"result"}, exclude_none=True)


@dataclass(frozen=True)
class BadDelivery:
    """There is something, but it breaks the contract."""

    problem: str


Delivered = Delivery | BadDelivery | None
"""What a launch delivered; None: nothing."""


def fetch(cloud: Cloud, bucket: str, key: str) -> Delivered:
    """Return what a launch delivered, what is wrong with it, or None when it delivered nothing."""
    try:
        return read(read_json(cloud, bucket, key, MAX_DELIVERY_BYTES), f"s3://{bucket}/{key}")
    except ValueError as error:
        return BadDelivery(str(error))


def parse(body: bytes, where: str) -> Delivered:
    """Return the object found at `where` as a delivery, or what is wrong with it."""
    if len(body) > MAX_DELIVERY_BYTES:
        return BadDelivery(f"{where} has more than {MAX_DELIVERY_BYTES} bytes")
    try:
        return read(json.loads(body), where)
    except ValueError as error:
        return BadDelivery(f"{where} is not JSON: {error}")


def read(value: Any, where: str) -> Delivered:
    """Return the JSON value found at `where` as a delivery; None, as what was not found, stays None."""
    try:
        return None if value is None else Delivery.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the object"
        return BadDelivery(f"{where}: {field}: {first['msg']}")
