"""ECR: which images there are, by tag and digest; the digest of a push is always read from here."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from datavision.aws import checked_client, visiting_client
from datavision.config import Config
from datavision.images.errors import RegistryError


@dataclass(frozen=True)
class RegisteredImage:
    """One image of a repository."""

    repository: str
    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    size: int
    """Bytes, compressed, as ECR bills them."""


class Registry:
    """The registry of one environment."""

    def __init__(self, config: Config, *, visitor: Config | None = None) -> None:
        """Open it with its own account's credentials, or with those of a `visitor` that its repositories let read."""
        self._config = config
        self._ecr = visiting_client(config, visitor, "ecr") if visitor else checked_client(config, "ecr")
        self._whose = {"registryId": config.aws.account_id} if visitor else {}

    def find(self, repository: str, *, tag: str | None = None, digest: str | None = None) -> RegisteredImage | None:
        """Return the image that `tag` or `digest` names, or None.

        Raises:
            RegistryError: The repository does not exist.
        """
        wanted = {"imageDigest": digest} if digest else {"imageTag": tag or ""}
        try:
            (details,) = self._ecr.describe_images(repositoryName=repository, imageIds=[wanted])["imageDetails"]
        except self._ecr.exceptions.ImageNotFoundException:
            return None
        except self._ecr.exceptions.RepositoryNotFoundException:
            raise self._no_repository(repository) from None
        return _image(repository, details)

    def images(self, repository: str) -> Iterator[RegisteredImage]:
        """Yield every image of a repository.

        Raises:
            RegistryError: The repository does not exist.
        """
        pages = self._ecr.get_paginator("describe_images").paginate(repositoryName=repository)
        try:
            for page in pages:
                for details in page["imageDetails"]:
                    yield _image(repository, details)
        except self._ecr.exceptions.RepositoryNotFoundException:
            raise self._no_repository(repository) from None

    def manifest(self, repository: str, digest: str) -> str:
        """Return an image's manifest, byte for byte.

        Raises:
            RegistryError: the image or the repository is not there.
        """
        wanted = [{"imageDigest": digest}]
        try:
            found = self._ecr.batch_get_image(repositoryName=repository, imageIds=wanted, **self._whose)["images"]
        except self._ecr.exceptions.RepositoryNotFoundException:
            raise self._no_repository(repository) from None
        if not found:
            raise RegistryError(
                f"{repository}@{digest} is not in the registry of {self._config.env}. "
                f"Release again (`datavision release --env {self._config.env}`): it builds what is missing."
            )
        return str(found[0]["imageManifest"])

    def has_layers(self, image: RegisteredImage) -> bool:
        """Return whether an image can be pulled: its layers are there, not only its record.

        Who may not ask, as the role of a rollback, takes the record's word.

        Raises:
            ClientError: The registry failed otherwise.
            RegistryError: The image or the repository is not there.
        """
        try:
            document = json.loads(self.manifest(image.repository, image.digest))
            digests = [document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]
            found = self._ecr.batch_check_layer_availability(repositoryName=image.repository, layerDigests=digests)
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDeniedException":
                return True
            raise
        return all(layer["layerAvailability"] == "AVAILABLE" for layer in found["layers"])

    def put(self, repository: str, tag: str, manifest: str) -> RegisteredImage:
        """Put `manifest` under `tag` and return the image as the registry has it; repeating it is not an error.

        Raises:
            RegistryError: The tag names another image (tags are immutable).
        """
        digest = manifest_digest(manifest)
        try:
            self._ecr.put_image(
                repositoryName=repository,
                imageManifest=manifest,
                imageManifestMediaType=json.loads(manifest)["mediaType"],
                imageTag=tag,
                imageDigest=digest,
            )
        except (
            self._ecr.exceptions.ImageAlreadyExistsException,
            self._ecr.exceptions.ImageTagAlreadyExistsException,
        ):
            pass
        except self._ecr.exceptions.RepositoryNotFoundException:
            raise self._no_repository(repository) from None
        return self.require(repository, tag, digest)

    def add_tag(self, repository: str, digest: str, tag: str) -> RegisteredImage:
        """Add a tag to an image."""
        return self.put(repository, tag, self.manifest(repository, digest))

    def require(self, repository: str, tag: str, digest: str | None = None) -> RegisteredImage:
        """Return the image under `tag`.

        Raises:
            RegistryError: There is none, or it is not `digest`.
        """
        image = self.find(repository, tag=tag)
        if image is None:
            raise RegistryError(f"{repository}:{tag} is not in the registry after its push. Run the release again.")
        if digest is not None and image.digest != digest:
            raise RegistryError(
                f"{repository}:{tag} is {image.digest} in the registry, not {digest} as built. Someone else pushed "
                "that tag; tags are immutable, so nothing was overwritten. Release under another version."
            )
        return image

    def delete(self, repository: str, digests: Sequence[str]) -> None:
        """Delete images with all their tags."""
        for start in range(0, len(digests), 100):
            identifiers = [{"imageDigest": digest} for digest in digests[start : start + 100]]
            self._ecr.batch_delete_image(repositoryName=repository, imageIds=identifiers)

    def _no_repository(self, repository: str) -> RegistryError:
        return RegistryError(
            f"Repository {repository} does not exist in {self._config.registry()}. "
            f"Run `datavision infra deploy --env {self._config.env}`."
        )


def manifest_digest(manifest: str) -> str:
    """Return the digest of a manifest: the sha256 of its bytes (OCI distribution specification 1.1)."""
    return "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()


def _image(repository: str, details: dict[str, Any]) -> RegisteredImage:
    return RegisteredImage(
        repository=repository,
        digest=details["imageDigest"],
        tags=tuple(sorted(details.get("imageTags", ()))),
        pushed_at=details["imagePushedAt"],
        size=details.get("imageSizeInBytes", 0),
    )
