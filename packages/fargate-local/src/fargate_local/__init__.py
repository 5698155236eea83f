"""An ECS that really runs your tasks, in front of moto."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fargate_local.embedded import FargateLocal
    from fargate_local.images import ImageStore, StoredImage
    from fargate_local.keys import ServerKey

__all__ = ["FargateLocal", "ImageStore", "ServerKey", "StoredImage"]


def __getattr__(name: str) -> Any:
    # Imported on use: the pytest plugin loads this package in every test run.
    if name == "FargateLocal":
        from fargate_local.embedded import FargateLocal

        return FargateLocal
    if name == "ServerKey":
        from fargate_local.keys import ServerKey

        return ServerKey
    if name in ("ImageStore", "StoredImage"):
        from fargate_local import images

        return getattr(images, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
