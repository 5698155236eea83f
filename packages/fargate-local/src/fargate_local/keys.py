"""Keys: the server's own, which its owner's programs sign with, and those it issues to tasks."""

import json
import secrets
import string
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fargate_local.private_files import write
from fargate_local.process_environment import ProcessEnvironment

LETTERS: Final = string.ascii_uppercase + string.digits
KEY_FILE: Final = "key.json"
RDS_BUNDLE_PATH: Final = "/_fargate/rds/global-bundle.pem"
"""Where a server has what AWS has at truststore.pki.rds.amazonaws.com, under the same name."""


@dataclass(frozen=True, slots=True)
class ServerKey:
    """What a server's clients sign their calls with. `url` is where the server listens, once it does."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    url: str = ""

    @classmethod
    def new(cls) -> "ServerKey":
        """Return a random key."""
        return cls(access_key_id("LOCAL"), secrets.token_urlsafe(30))

    @classmethod
    def kept_in(cls, folder: Path) -> "ServerKey":
        """Return the key of a state folder, creating it if there is none."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = cls.read(folder / KEY_FILE)
        if key is None:
            key = cls.new()
            key.write(folder / KEY_FILE)
        return key

    @classmethod
    def read(cls, path: Path) -> "ServerKey | None":
        """Return the key in a file, or None when there is no such file or no key in it."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the key to a file that only its owner can read."""
        write(path, json.dumps(asdict(self)))

    def at(self, url: str) -> "ServerKey":
        """Return the same key with the server's address."""
        return replace(self, url=url)

    def environment(self, region: str) -> dict[str, str]:
        """Return variables that point the AWS CLI and any SDK at the server, and where its databases' authority is."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "FARGATE_LOCAL_RDS_BUNDLE": f"{self.url}{RDS_BUNDLE_PATH}",
        }

    def client_args(self, region: str) -> dict[str, Any]:
        """Return keyword arguments for `boto3.client`."""
        return {
            "endpoint_url": self.url,
            "region_name": region,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
        }


def shared_key_file(url: str, process: ProcessEnvironment | None = None) -> Path:
    """Where a server leaves its key for its owner's ``fargate-local`` commands: one file for each port."""
    base = (process or ProcessEnvironment.current()).state_home or Path.home() / ".local" / "state"
    return base / "fargate-local" / f"{urlsplit(url).port}.json"


def page_file(url: str) -> Path:
    """Where `fargate-local ui` leaves what leads a browser to a server's page."""
    return shared_key_file(url).with_suffix(".html")


def access_key_id(prefix: str) -> str:
    """Return a random identifier in AWS's format: twenty capitals and digits, which moto recognizes too."""
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(20 - len(prefix)))


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Temporary credentials of a role. `expired` ones are rejected as such."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str | None = field(repr=False)
    expired: bool = False


class TaskKeys:
    """The credentials of running tasks. Those of a task that has ended are known only as expired."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, SessionKey] = {}

    def issue(self) -> SessionKey:
        """Create fresh credentials."""
        key = SessionKey(access_key_id("ASIA"), secrets.token_urlsafe(30), secrets.token_urlsafe(48))
        with self._lock:
            self._keys[key.access_key_id] = key
        return key

    def expire(self, key: SessionKey) -> None:
        """Expire credentials."""
        with self._lock:
            self._keys[key.access_key_id] = replace(key, expired=True)

    def find(self, identifier: str) -> SessionKey | None:
        """Return the credentials that belong to an access key id, or None."""
        return self._keys.get(identifier)


def forget_shared_key(url: str) -> None:
    """Remove the file that `shared_key_file` names, and the one that `page_file` does."""
    for file in (shared_key_file(url), page_file(url)):
        with suppress(OSError):
            file.unlink(missing_ok=True)
