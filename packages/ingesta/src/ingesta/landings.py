"""Picks the landing for a location."""

from datavision_lakehouse.process_environment import ProcessEnvironment
from datavision_lakehouse.storage import is_s3
from ingesta.landing import Landing
from ingesta.landing_folder import FolderLanding


def landing_at(
    location: str, setting: str = "DATAVISION_LANDING__PATH", process: ProcessEnvironment | None = None
) -> Landing:
    """Return the landing at a folder or an s3:// prefix; errors name the setting that it came from."""
    if not is_s3(location):
        return FolderLanding(location, setting)
    # Only here: boto3 takes a quarter of a second to import.
    from ingesta.landing_s3 import S3Landing

    return S3Landing(location, setting, (process or ProcessEnvironment.current()).region)
