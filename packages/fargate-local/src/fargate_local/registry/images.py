"""Images of repositories: moto's records, found and put by its API, with the layers that they are made of."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from fargate_local.cloud.clients import CloudClients
from fargate_local.registry.errors import (
    ImageInvalidError,
    ImageNotFoundError,
    LayersMissingError,
    RepositoryNotFoundError,
    TagTakenError,
)
from fargate_local.registry.layers import DIGEST, LayerStore, Place

TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""Distribution specification 1.1, "Pulling manifests"."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was pushed."""

    digest: str
    media_type: str
    text: str


class Images:
    """The images that moto's ECR knows of."""

    def __init__(self, clients: CloudClients, layers: LayerStore) -> None:
        self._clients = clients
        self._layers = layers

    def check(self, place: Place) -> None:
        """Check that there is such a repository.

        Raises:
            RepositoryNotFoundError: There is none.
        """
        try:
            self._ecr(place).describe_repositories(repositoryNames=[place.repository])
        except ClientError as error:
            raise RepositoryNotFoundError(place.repository) from error

    def get(self, place: Place, reference: str) -> Manifest:
        """Return the manifest of a tag or a digest.

        Raises:
            RepositoryNotFoundError: There is no such repository.
            ImageNotFoundError: It has no such image.
        """
        named = "imageDigest" if DIGEST.fullmatch(reference) else "imageTag"
        try:
            found = self._ecr(place).batch_get_image(repositoryName=place.repository, imageIds=[{named: reference}])
        except ClientError as error:
            raise RepositoryNotFoundError(place.repository) from error
        if not found["images"]:
            raise ImageNotFoundError
        image = found["images"][0]
        text = image["imageManifest"]
        media_type = image.get("imageManifestMediaType") or json.loads(text).get("mediaType", "")
        return Manifest(image["imageId"]["imageDigest"], media_type, text)

    def put(self, place: Place, reference: str, media_type: str, content: bytes) -> str:
        """Make a record of an image under a tag, or under its digest alone; return its digest.

        Raises:
            RepositoryNotFoundError: There is no such repository.
            ImageInvalidError: It is no manifest, or has another digest.
            LayersMissingError: The repository lacks something that it names.
            TagTakenError: The repository is immutable and has the tag, on this image or on another: ECR does not look
                (aws/containers-roadmap#2179 and #2380, moby/buildkit#3776; read November 2026).
        """
        self.check(place)
        text, document = parsed(content)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        tag = None if ":" in reference else reference
        if (tag is None and reference != digest) or (tag is not None and not TAG.fullmatch(tag)):
            message = f"The manifest's digest is '{digest}', and '{reference}' is neither that nor a tag"
            raise ImageInvalidError(message)
        self._require_parts(place, document)
        if not self._has(place, reference, digest):
            self._record(place, tag, Manifest(digest, media_type, text))
        elif tag and self._is_immutable(place):
            raise TagTakenError(tag, place.repository)
        return digest

    def tags(self, place: Place) -> list[str]:
        """Return the tags of a repository, in order.

        Raises:
            RepositoryNotFoundError: There is no such repository.
        """
        try:
            listed = self._ecr(place).list_images(repositoryName=place.repository, filter={"tagStatus": "TAGGED"})
        except ClientError as error:
            raise RepositoryNotFoundError(place.repository) from error
        return sorted({each["imageTag"] for each in listed["imageIds"] if "imageTag" in each})

    def complete(self, place: Place, digest: str) -> bool:
        """Return whether there are layers to an image, so that it can be pulled from here."""
        try:
            self._require_parts(place, json.loads(self.get(place, digest).text))
        except (RepositoryNotFoundError, ImageNotFoundError, LayersMissingError):
            return False
        return True

    def _require_parts(self, place: Place, document: dict[str, Any]) -> None:
        named = [document.get("config", {}), *document["layers"]] if "layers" in document else []
        # What lies elsewhere by its own word is not uploaded (image specification, "Non-Distributable Layers").
        digests = [str(each.get("digest")) for each in named if not each.get("urls")]
        missing = [each for each in digests if self._layers.find(place, each) is None]
        if missing:
            message = (
                f"Layers with digests '[{', '.join(missing)}]' required for pushing image into repository with name"
                f" '{place.repository}' in the registry do not exist"
            )
            raise LayersMissingError(message)
        for each in document.get("manifests", []):
            if not self._has(place, str(each.get("digest")), str(each.get("digest"))):
                message = f"The image with digest '{each.get('digest')}' that the image index names does not exist"
                raise LayersMissingError(message)

    def _is_immutable(self, place: Place) -> bool:
        (found,) = self._ecr(place).describe_repositories(repositoryNames=[place.repository])["repositories"]
        return bool(found["imageTagMutability"] == "IMMUTABLE")

    def _has(self, place: Place, reference: str, digest: str) -> bool:
        found = self._find(place, reference)
        return found is not None and found.digest == digest

    def _find(self, place: Place, reference: str) -> Manifest | None:
        try:
            return self.get(place, reference)
        except ImageNotFoundError:
            return None

    def _record(self, place: Place, tag: str | None, manifest: Manifest) -> None:
        ecr = self._ecr(place)
        before = self._find(place, tag) if tag else None
        try:
            ecr.put_image(
                repositoryName=place.repository,
                imageManifest=manifest.text,
                imageManifestMediaType=manifest.media_type,
                imageDigest=manifest.digest,
                **({"imageTag": tag} if tag else {}),
            )
        except ecr.exceptions.ImageAlreadyExistsException as error:
            raise TagTakenError(str(tag), place.repository) from error
        if before and not self._has(place, before.digest, before.digest):
            # moto forgets an image with its last tag.
            self._record(place, None, before)

    def _ecr(self, place: Place) -> Any:
        return self._clients.get("ecr", place.region)


def parsed(content: bytes) -> tuple[str, dict[str, Any]]:
    """Return a manifest as text and as data.

    Raises:
        ImageInvalidError: It is none.
    """
    try:
        text = content.decode()
        document = json.loads(text)
    except ValueError:
        document = None
    if not is_manifest(document):
        message = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
        raise ImageInvalidError(message)
    return text, document


def is_manifest(document: Any) -> bool:
    """Return whether data has the shape of an image's manifest, or of an index of several."""
    if not isinstance(document, dict) or not ({"layers", "manifests"} & document.keys()):
        return False
    lists = [document.get("layers", []), document.get("manifests", []), [document.get("config", {})]]
    return all(isinstance(each, list) and all(isinstance(part, dict) for part in each) for each in lists)
