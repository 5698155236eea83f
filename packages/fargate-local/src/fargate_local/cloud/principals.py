"""The access keys that moto knows: those of IAM users, and those that STS issued for an assumed role."""

from datetime import UTC, datetime

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from fargate_local.keys import SessionKey


def moto_key(identifier: str) -> SessionKey | None:
    """Return the secret of an access key of IAM or STS, or None when neither knows it."""
    for backends in list(sts_backends.values()):
        for sts in list(backends.values()):
            if role := sts.get_assumed_role_from_access_key(identifier):
                over = role.expiration.replace(tzinfo=UTC) < datetime.now(UTC)
                return SessionKey(identifier, role.secret_access_key, role.session_token, over)
    for users in list(iam_backends.values()):
        for iam in list(users.values()):
            for user in list(iam.users.values()):
                for key in user.access_keys:
                    if key.access_key_id == identifier and key.status == "Active":
                        return SessionKey(identifier, key.secret_access_key, None)
    return None
