"""Whether a task's images leave room on its ephemeral storage.

Developer guide, "Fargate task ephemeral storage for Amazon ECS": "the pulled, compressed, and the uncompressed
container image for the task is stored on the ephemeral storage" (read November 2026).
"""

from collections.abc import Iterable

from fargate_local.protocol import reasons
from fargate_local.protocol.errors import StartError
from fargate_local.runtimes.base import Image


def check_room(storage: int, images: Iterable[tuple[str, Image]]) -> None:
    """Check that the images of containers, by their names, fit into so many bytes; what they share counts once.

    Raises:
        StartError: They do not; the text is ECS's.
    """
    used, counted = 0, set[str]()
    for container, image in images:
        used += 0 if image.place in counted else image.size
        counted.add(image.place)
        if used > storage:
            raise StartError(reasons.no_room(image.digest), container)
