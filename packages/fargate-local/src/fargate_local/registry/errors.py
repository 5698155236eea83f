"""What a registry refuses, under the names that ECR's API and the distribution specification have for it.

Names: ECR API reference, "Errors" of each action; distribution specification 1.1, "Error Codes" (read November 2026).
"""

from typing import Final

from fargate_local.protocol.arns import ACCOUNT

EXPIRED: Final = "Your authorization token has expired. Reauthenticate and try again."
"""As clients show it (aws/aws-cli#6580)."""


class RegistryError(Exception):
    """A request that the registry refuses.

    RegistryError
    ├── UnauthorizedError        no token, or none of this server's
    ├── DeniedError              a token that has expired, or whose holder may not do this
    ├── RepositoryNotFoundError
    ├── ImageNotFoundError
    ├── ImageInvalidError        a manifest that is none, or is not what its digest says
    ├── TagTakenError            another image has the tag for good
    ├── LayersMissingError       a manifest names what was never uploaded
    ├── LayerNotFoundError
    ├── LayerExistsError
    ├── LayerInvalidError        its bytes are not what its digest says
    ├── LayerPartInvalidError    it does not begin where the upload ends
    ├── RangeError               a part of a layer that it does not have
    ├── UploadNotFoundError
    └── UnsupportedError
    """

    code = "ServerException"
    oci = "UNKNOWN"
    status = "500 Internal Server Error"


class UnauthorizedError(RegistryError):
    """The request has no token, or none that this server made."""

    code, oci, status = "AccessDeniedException", "UNAUTHORIZED", "401 Unauthorized"


class DeniedError(RegistryError):
    """The token has expired, or its holder may not do this; the text is AWS's."""

    code, oci, status = "AccessDeniedException", "DENIED", "403 Forbidden"


class RepositoryNotFoundError(RegistryError):
    """There is no such repository in this region."""

    code, oci, status = "RepositoryNotFoundException", "NAME_UNKNOWN", "404 Not Found"

    def __init__(self, name: str) -> None:
        super().__init__(f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'")


class ImageNotFoundError(RegistryError):
    """The repository has no image of this tag or digest."""

    code, oci, status = "ImageNotFoundException", "MANIFEST_UNKNOWN", "404 Not Found"

    def __init__(self) -> None:
        super().__init__("Requested image not found")


class ImageInvalidError(RegistryError):
    """It is no manifest of an image, or not the one of this digest."""

    code, oci, status = "InvalidParameterException", "MANIFEST_INVALID", "400 Bad Request"


class TagTakenError(RegistryError):
    """The repository is immutable, and an image has the tag."""

    code, oci, status = "ImageTagAlreadyExistsException", "TAG_INVALID", "400 Bad Request"

    def __init__(self, tag: str, repository: str) -> None:
        # Quoted in osscontainertools/kaniko#204.
        super().__init__(
            f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten because"
            " the tag is immutable."
        )


class LayersMissingError(RegistryError):
    """A manifest names layers, a configuration or images that the repository does not have."""

    code, oci, status = "LayersNotFoundException", "MANIFEST_BLOB_UNKNOWN", "400 Bad Request"


class LayerNotFoundError(RegistryError):
    """The repository does not have the layer."""

    code, oci, status = "LayersNotFoundException", "BLOB_UNKNOWN", "404 Not Found"

    def __init__(self, digest: str, repository: str) -> None:
        super().__init__(f"The layer with digest '{digest}' does not exist in the repository with name '{repository}'")


class LayerExistsError(RegistryError):
    """The repository has the layer already."""

    code, oci, status = "LayerAlreadyExistsException", "BLOB_UPLOAD_INVALID", "400 Bad Request"


class LayerInvalidError(RegistryError):
    """The digest is none, or not that of the bytes that came."""

    code, oci, status = "InvalidLayerException", "DIGEST_INVALID", "400 Bad Request"


class LayerPartInvalidError(RegistryError):
    """A part does not begin where the upload ends; `last` is the last byte that came, -1 before the first."""

    code, oci, status = "InvalidLayerPartException", "BLOB_UPLOAD_INVALID", "416 Range Not Satisfiable"

    def __init__(self, last: int) -> None:
        super().__init__(f"The layer part must begin at byte {last + 1}: bytes up to there have been received")
        self.last = last


class RangeError(RegistryError):
    """The layer ends before the range that was asked for."""

    code, oci, status = "InvalidParameterException", "BLOB_UNKNOWN", "416 Range Not Satisfiable"


class UploadNotFoundError(RegistryError):
    """There is no such upload, or it has ended: those that a restart interrupts have."""

    code, oci, status = "UploadNotFoundException", "BLOB_UPLOAD_UNKNOWN", "404 Not Found"

    def __init__(self, upload: str, repository: str) -> None:
        super().__init__(f"The upload with id '{upload}' does not exist in the repository with name '{repository}'")


class UnsupportedError(RegistryError):
    """The operation is none of those that there are."""

    code, oci, status = "InvalidParameterException", "UNSUPPORTED", "405 Method Not Allowed"
