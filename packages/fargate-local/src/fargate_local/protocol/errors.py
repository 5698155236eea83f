"""The errors of the ECS API, as its reference lists them (API_RunTask, CommonErrors; read November 2026)."""

from typing import Any


class EcsError(Exception):
    """An answer of ECS other than success.

    EcsError
    ├── ClientError              400, a request that cannot be granted as it stands
    │   ├── InvalidParameterError
    │   ├── ClusterNotFoundError
    │   ├── ServiceNotFoundError
    │   ├── ConflictError        a clientToken used for another request
    │   ├── SerializationError   a body that is not the JSON of the operation
    │   ├── ThrottlingError
    │   └── AccessDeniedError
    └── ServerError              500
    """

    code = "ServerException"
    status = 500

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra


class ServerError(EcsError):
    """Something failed on the service's side."""


class ClientError(EcsError):
    """The request cannot be granted as it stands."""

    code = "ClientException"
    status = 400


class InvalidParameterError(ClientError):
    """A parameter is not valid."""

    code = "InvalidParameterException"


class ClusterNotFoundError(ClientError):
    """There is no such cluster in this region, or no longer."""

    code = "ClusterNotFoundException"

    def __init__(self) -> None:
        super().__init__("Cluster not found.")


class ServiceNotFoundError(ClientError):
    """There is no such service in this cluster, or no longer."""

    code = "ServiceNotFoundException"

    def __init__(self) -> None:
        super().__init__("Service not found.")


class ConflictError(ClientError):
    """The clientToken belongs to another request."""

    code = "ConflictException"


class SerializationError(ClientError):
    """The body is not JSON of the operation's shape."""

    code = "SerializationException"


class ThrottlingError(ClientError):
    """The account's request rate is used up."""

    code = "ThrottlingException"

    def __init__(self) -> None:
        super().__init__("Rate exceeded")


class AccessDeniedError(ClientError):
    """The caller lacks the permission."""

    code = "AccessDeniedException"


class StartError(Exception):
    """A task cannot start. The text is what ECS shows as the reason."""

    def __init__(self, reason: str, container: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.container = container
