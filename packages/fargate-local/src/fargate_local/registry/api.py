"""ECR's own API where the registry answers in moto's place: the token, and layers by parts.

ECR API reference (read November 2026). Who may call has been judged by then, as for every call of AWS.
"""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, Final

from fargate_local.cloud.requests import CloudRequest
from fargate_local.protocol.arns import ACCOUNT
from fargate_local.registry.errors import (
    ImageInvalidError,
    LayerExistsError,
    LayerInvalidError,
    LayerNotFoundError,
)
from fargate_local.registry.images import Images
from fargate_local.registry.layers import DIGEST, LayerStore, Place
from fargate_local.registry.links import Links
from fargate_local.registry.tokens import Tokens, basic
from fargate_local.signature import read_claim

TARGET: Final = "AmazonEC2ContainerRegistry_V20150921."
PART_SIZE: Final = 20 * 1024 * 1024
"""What InitiateLayerUpload tells clients to send at a time."""
LAYER_TYPE: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

Parameters = dict[str, Any]


class LayerApi:
    """Actions of ECR's API by name."""

    def __init__(self, address: str, tokens: Tokens, images: Images, layers: LayerStore, links: Links) -> None:
        self._address = address
        self._tokens = tokens
        self._images = images
        self._layers = layers
        self._links = links
        self._actions: dict[str, Callable[[Place, Parameters], dict[str, Any]]] = {
            "BatchCheckLayerAvailability": self._check_layers,
            "InitiateLayerUpload": self._begin_upload,
            "UploadLayerPart": self._upload_part,
            "CompleteLayerUpload": self._complete_upload,
            "GetDownloadUrlForLayer": self._download_url,
        }

    def answer(self, request: CloudRequest) -> bytes | None:
        """Return the answer to a call, None when it is moto's to answer.

        Raises:
            RegistryError: The call is refused.
        """
        if not request.headers.get("x-amz-target", "").startswith(TARGET):
            return None
        if request.action == "GetAuthorizationToken":
            return json.dumps(self._token(request)).encode()
        action = self._actions.get(request.action)
        if action is None:
            return None
        parameters = parameters_of(request)
        place = Place(request.region, str(parameters.get("repositoryName", "")))
        self._images.check(place)
        return json.dumps(action(place, parameters)).encode()

    def _token(self, request: CloudRequest) -> dict[str, Any]:
        claim = read_claim(request)
        password, expires = self._tokens.issue(claim.access_key_id if claim else "", request.region)
        data = {"authorizationToken": basic(password), "expiresAt": expires, "proxyEndpoint": self._address}
        return {"authorizationData": [data for _ in parameters_of(request).get("registryIds") or [ACCOUNT]]}

    def _check_layers(self, place: Place, parameters: Parameters) -> dict[str, Any]:
        layers: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        for digest in map(str, parameters.get("layerDigests", [])):
            path = self._layers.find(place, digest)
            if not DIGEST.fullmatch(digest):
                reason = f"Invalid layer digest '{digest}'"
                failure = {"layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": reason}
                failures.append(failure)
            elif path is None:
                layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
            else:
                found = {"layerSize": path.stat().st_size, "mediaType": LAYER_TYPE}
                layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", **found})
        return {"layers": layers, "failures": failures}

    def _begin_upload(self, place: Place, _: Parameters) -> dict[str, Any]:
        return {"uploadId": self._layers.begin(place), "partSize": PART_SIZE}

    def _upload_part(self, place: Place, parameters: Parameters) -> dict[str, Any]:
        try:
            content = base64.b64decode(parameters["layerPartBlob"], validate=True)
            first, last = int(parameters["partFirstByte"]), int(parameters["partLastByte"])
        except (LookupError, TypeError, ValueError, binascii.Error) as error:
            message = "layerPartBlob, partFirstByte and partLastByte are required"
            raise ImageInvalidError(message) from error
        if last - first + 1 != len(content):
            message = f"{len(content)} bytes came for the part from {first} to {last}"
            raise ImageInvalidError(message)
        size = self._layers.append(place, str(parameters.get("uploadId")), [content], first)
        return {**upload(place, parameters), "lastByteReceived": size - 1}

    def _complete_upload(self, place: Place, parameters: Parameters) -> dict[str, Any]:
        digest = next(iter(parameters.get("layerDigests") or []), "")
        identifier = str(parameters.get("uploadId"))
        if self._layers.size(place, identifier) == 0:
            message = "The upload has received no bytes"
            raise LayerInvalidError(message)
        if self._layers.find(place, digest):
            message = f"The layer with digest '{digest}' already exists in the repository '{place.repository}'"
            raise LayerExistsError(message)
        self._layers.finish(place, identifier, digest)
        return {**upload(place, parameters), "layerDigest": digest}

    def _download_url(self, place: Place, parameters: Parameters) -> dict[str, Any]:
        digest = str(parameters.get("layerDigest"))
        if self._layers.find(place, digest) is None:
            raise LayerNotFoundError(digest, place.repository)
        return {"downloadUrl": self._links.make(place, digest), "layerDigest": digest}


def parameters_of(request: CloudRequest) -> Parameters:
    """Return the parameters of a call; none when its body is no JSON object, which the actions refuse."""
    try:
        found = json.loads(request.body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def upload(place: Place, parameters: Parameters) -> dict[str, Any]:
    """Return what answers say of an upload."""
    return {"registryId": ACCOUNT, "repositoryName": place.repository, "uploadId": parameters.get("uploadId")}
