"""botocore's descriptions of services and regions, read once in a process.

A session reads them for itself, and moto makes one for every service that it starts: EC2 alone read those of all
regions four times, half a second of the time until the first subnet.
"""

from functools import cache

from botocore import loaders, session


class _Folders(list[str]):
    """Where a loader searches: boto3 appends its own folder for each of its sessions, and finds it here."""

    def append(self, folder: str) -> None:
        if folder not in self:
            super().append(folder)


def share_service_models() -> None:
    """Give every later session of this process the same loader."""
    session.create_loader = _loader


@cache
def _loader(search_path: str | None = None) -> loaders.Loader:
    folders = _Folders(loaders.create_loader(search_path).search_paths)
    return loaders.Loader(folders, include_default_search_paths=False)
