"""The images of a release that a run asked for instead of its pin."""

from datavision.config import Config
from datavision.errors import PinError
from datavision.fargate.edge.clients import Cloud
from datavision.fargate.edge.json_objects import read_json
from datavision.pins import PinnedImage

_MAX_BYTES = 256 * 1024


def release_key(env: str, version: str) -> str:
    """Return where a release's record lies in the results bucket."""
    return f"releases/{env}/{version}.json"


def released_image(cloud: Cloud, config: Config, version: str, module: str) -> PinnedImage:
    """Return the image of `module` in release `version` of this environment.

    Raises:
        PinError: there is no such release, or it has no such module.
    """
    bucket, key = config.storage.results_bucket, release_key(config.env, version)
    value = read_json(cloud, bucket, key, _MAX_BYTES)
    if value is None:
        raise PinError(
            f"There is no release {version!r} in {config.env} (s3://{bucket}/{key} is missing). "
            "`datavision history PIPELINE` lists the releases; leave `release` empty for the pinned one."
        )
    images = value.get("images", {})
    if module not in images:
        raise PinError(
            f"Release {version} has no image for module {module!r} (it has: {', '.join(sorted(images)) or 'none'}). "
            "Ask for a release that was made after the module was added."
        )
    return PinnedImage.model_validate(images[module])
