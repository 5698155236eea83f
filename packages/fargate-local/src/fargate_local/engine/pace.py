"""How long Fargate takes to start a task: an address for it, then its images, which it caches nowhere.

Ten tasks with an image of 413 MB in a private subnet started 53 to 62 s after RunTask, about three quarters of which is
the pull (elasticscale.com, "Reduce AWS Fargate pull times with SOCI", April 2024): so about 14 s before it, and about
0.1 s for each megabyte.
"""

from dataclasses import dataclass
from typing import Final

from fargate_local.cloud.catalog import Catalog
from fargate_local.protocol.plan import TaskPlan
from fargate_local.runtimes.references import parse_reference

PROVISIONING_SECONDS: Final = 14.0
PULL_SECONDS_PER_BYTE: Final = (57.5 - PROVISIONING_SECONDS) / 413e6
UNKNOWN_IMAGE_BYTES: Final = 100e6
"""Of an image whose size nobody here knows: one of another registry than ECR."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Fargate's times, multiplied by `scale`."""

    catalog: Catalog
    scale: float

    @property
    def provisioning(self) -> float:
        """Seconds from RunTask to the beginning of the pull."""
        return self.scale * PROVISIONING_SECONDS

    def pull(self, plan: TaskPlan) -> float:
        """Seconds for all images of a task; none for programs of this machine."""
        images = {container.image for container in plan.containers}
        return self.scale * PULL_SECONDS_PER_BYTE * sum(self._bytes(image) for image in images)

    def _bytes(self, image: str) -> float:
        reference = parse_reference(image)
        if reference.ecr_region:
            return self.catalog.image_bytes(reference.ecr_region, reference.repository, reference.tag, reference.digest)
        return 0.0 if image.partition(":")[0] == "host" else UNKNOWN_IMAGE_BYTES
