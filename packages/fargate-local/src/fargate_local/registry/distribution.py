"""The distribution API: what container engines push to and pull from.

Distribution specification 1.1, "Endpoints" (read November 2026). Bodies are streamed: a layer is never in memory.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote

from fargate_local.cloud.requests import MalformedRequestError
from fargate_local.registry.access import Access, Visitor
from fargate_local.registry.errors import (
    ImageInvalidError,
    LayerNotFoundError,
    LayerPartInvalidError,
    RangeError,
    RegistryError,
    UnauthorizedError,
    UnsupportedError,
)
from fargate_local.registry.images import Images
from fargate_local.registry.layers import LayerStore, Place
from fargate_local.registry.links import Links

log = logging.getLogger(__name__)

ROOT: Final = "/v2"
NAME: Final = r"(?P<name>[a-z0-9][a-z0-9._/-]*)"
ROUTES: Final = {
    "base": re.compile("/v2/?"),
    "manifest": re.compile(f"/v2/{NAME}/manifests/(?P<reference>[^/]+)"),
    "uploads": re.compile(f"/v2/{NAME}/blobs/uploads/?"),
    "upload": re.compile(f"/v2/{NAME}/blobs/uploads/(?P<reference>[0-9a-f]+)"),
    "blob": re.compile(f"/v2/{NAME}/blobs/(?P<reference>[^/]+)"),
    "tags": re.compile(f"/v2/{NAME}/tags/list"),
}
CHUNK: Final = 256 * 1024
LARGEST_MANIFEST: Final = 4 * 1024 * 1024
"""ECR API reference, PutImage: characters of `imageManifest`."""
SIGNED: Final = ("AWS4-HMAC-SHA256", "AWS ")
SIGNED_IN_URL: Final = ("X-Amz-Signature", "Signature")

Headers = list[tuple[str, str]]
StartResponse = Callable[[str, Headers], Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and a body that is made while it is sent."""

    status: str
    headers: Headers = field(default_factory=list)
    body: Iterable[bytes] = ()
    length: int = 0


@dataclass(frozen=True)
class Request:
    """A request for one repository; `place` and `reference` are what its path names."""

    environ: dict[str, Any]
    visitor: Visitor
    name: str = ""
    reference: str = ""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def place(self) -> Place:
        """The repository."""
        return self.visitor.place(self.name)

    def query(self, name: str) -> str:
        """Return a parameter of the query, empty when it is not there."""
        query: str = self.environ.get("QUERY_STRING", "")
        return parse_qs(query).get(name, [""])[0]

    def header(self, name: str) -> str:
        """Return a header by its name in WSGI, empty when it is not there."""
        return str(self.environ.get(name, ""))


class Distribution:
    """Answers engines under `/v2/`, at the server's own address."""

    def __init__(self, access: Access, images: Images, layers: LayerStore, links: Links) -> None:
        self._access = access
        self._images = images
        self._layers = layers
        self._links = links

    @staticmethod
    def owns(environ: dict[str, Any]) -> bool:
        """Return whether a request is for the registry: calls that are signed are for other services."""
        path = environ["PATH_INFO"]
        if not path.startswith(ROOT):
            return False
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if environ.get("HTTP_AUTHORIZATION", "").startswith(SIGNED) or any(name in query for name in SIGNED_IN_URL):
            return False
        return any(route.fullmatch(path) for route in ROUTES.values())

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request.

        Raises:
            TimeoutError: Its sender paused for too long.
            MalformedRequestError: Its length or its chunks make no sense.
        """
        try:
            answer = self._answer(environ)
        except RegistryError as error:
            answer = refused(error, environ)
        except (TimeoutError, MalformedRequestError):
            raise
        except Exception:
            log.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            answer = refused(RegistryError("The request could not be processed: see fargate-local's log."), environ)
        # What the sender still has to say would be read into memory otherwise.
        for _ in incoming(environ):
            pass
        headers = [*answer.headers, ("Content-Length", str(answer.length))]
        start_response(answer.status, [*headers, ("Docker-Distribution-Api-Version", "registry/2.0")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else answer.body

    def _answer(self, environ: dict[str, Any]) -> Answer:
        kind, found = next(
            (kind, found) for kind, route in ROUTES.items() if (found := route.fullmatch(environ["PATH_INFO"]))
        )
        parts = found.groupdict()
        name, reference = parts.get("name", ""), parts.get("reference", "")
        if kind == "blob" and (place := self._links.place(environ.get("QUERY_STRING", ""), name, reference)):
            return self._layer(place, reference, environ.get("HTTP_RANGE", ""))
        request = Request(environ, self._access.visitor(environ.get("HTTP_AUTHORIZATION", "")), name, reference)
        actions: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("base", "GET"): lambda _: Answer("200 OK"),
            ("manifest", "GET"): self._get_manifest,
            ("manifest", "PUT"): self._put_manifest,
            ("tags", "GET"): self._list_tags,
            ("blob", "HEAD"): self._look_for_layer,
            ("blob", "GET"): self._get_layer,
            ("uploads", "POST"): self._begin_upload,
            ("upload", "GET"): self._show_upload,
            ("upload", "PATCH"): self._continue_upload,
            ("upload", "PUT"): self._finish_upload,
        }
        method = request.method
        action = actions.get((kind, method)) or (actions.get((kind, "GET")) if method == "HEAD" else None)
        if action is None:
            message = "The operation is unsupported."
            raise UnsupportedError(message)
        return action(request)

    def _get_manifest(self, request: Request) -> Answer:
        self._access.check(request.visitor, "BatchGetImage", request.name)
        manifest = self._images.get(request.place, request.reference)
        content = manifest.text.encode()
        headers = [("Content-Type", manifest.media_type), ("Docker-Content-Digest", manifest.digest)]
        return Answer("200 OK", headers, [content], len(content))

    def _put_manifest(self, request: Request) -> Answer:
        self._access.check(request.visitor, "PutImage", request.name)
        content = b""
        for chunk in incoming(request.environ):
            content += chunk
            if len(content) > LARGEST_MANIFEST:
                message = f"The manifest is larger than {LARGEST_MANIFEST} bytes"
                raise ImageInvalidError(message)
        media_type = request.header("CONTENT_TYPE")
        digest = self._images.put(request.place, request.reference, media_type, content)
        return Answer("201 Created", located(f"/v2/{request.name}/manifests/{digest}", digest))

    def _list_tags(self, request: Request) -> Answer:
        self._access.check(request.visitor, "ListImages", request.name)
        last, limit = request.query("last"), request.query("n")
        tags = [tag for tag in self._images.tags(request.place) if tag > last]
        page = tags[: int(limit)] if limit.isdecimal() else tags
        content = json.dumps({"name": request.name, "tags": page}).encode()
        headers = [("Content-Type", "application/json")]
        if page and len(page) < len(tags):
            following = f"/v2/{request.name}/tags/list?n={limit}&last={quote(page[-1])}"
            headers.append(("Link", f'<{following}>; rel="next"'))
        return Answer("200 OK", headers, [content], len(content))

    def _look_for_layer(self, request: Request) -> Answer:
        self._access.check(request.visitor, "BatchCheckLayerAvailability", request.name)
        self._images.check(request.place)
        return self._layer(request.place, request.reference, "")

    def _get_layer(self, request: Request) -> Answer:
        self._access.check(request.visitor, "GetDownloadUrlForLayer", request.name)
        self._images.check(request.place)
        return self._layer(request.place, request.reference, request.header("HTTP_RANGE"))

    def _layer(self, place: Place, digest: str, wanted: str) -> Answer:
        path = self._layers.find(place, digest)
        if path is None:
            raise LayerNotFoundError(digest, place.repository)
        size = path.stat().st_size
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("Docker-Content-Digest", digest),
            ("Accept-Ranges", "bytes"),
        ]
        part = byte_range(wanted, size)
        if part is None:
            return Answer("200 OK", headers, read(path, 0, size), size)
        first, last = part
        headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        return Answer("206 Partial Content", headers, read(path, first, last - first + 1), last - first + 1)

    def _begin_upload(self, request: Request) -> Answer:
        self._access.check(request.visitor, "InitiateLayerUpload", request.name)
        self._images.check(request.place)
        mounted, source, digest = request.query("mount"), request.query("from"), request.query("digest")
        if mounted and source:
            self._access.check(request.visitor, "GetDownloadUrlForLayer", source)
            if self._layers.link(request.place, request.visitor.place(source), mounted):
                return Answer("201 Created", located(f"/v2/{request.name}/blobs/{mounted}", mounted))
        identifier = self._layers.begin(request.place)
        if digest:
            return self._complete(request, identifier, digest)
        return self._progress("202 Accepted", request, identifier, 0)

    def _show_upload(self, request: Request) -> Answer:
        self._access.check(request.visitor, "UploadLayerPart", request.name)
        size = self._layers.size(request.place, request.reference)
        return self._progress("204 No Content", request, request.reference, size)

    def _continue_upload(self, request: Request) -> Answer:
        self._access.check(request.visitor, "UploadLayerPart", request.name)
        size = self._receive(request, request.reference)
        return self._progress("202 Accepted", request, request.reference, size)

    def _finish_upload(self, request: Request) -> Answer:
        return self._complete(request, request.reference, request.query("digest"))

    def _complete(self, request: Request, identifier: str, digest: str) -> Answer:
        self._access.check(request.visitor, "UploadLayerPart", request.name)
        self._access.check(request.visitor, "CompleteLayerUpload", request.name)
        self._receive(request, identifier)
        self._layers.finish(request.place, identifier, digest)
        return Answer("201 Created", located(f"/v2/{request.name}/blobs/{digest}", digest))

    def _receive(self, request: Request, identifier: str) -> int:
        given = request.header("HTTP_CONTENT_RANGE").removeprefix("bytes ").partition("-")[0]
        first = int(given) if given.isdecimal() else None
        return self._layers.append(request.place, identifier, incoming(request.environ), first)

    @staticmethod
    def _progress(status: str, request: Request, identifier: str, size: int) -> Answer:
        headers = [
            ("Location", f"/v2/{request.name}/blobs/uploads/{identifier}"),
            ("Range", f"0-{max(size - 1, 0)}"),
            ("Docker-Upload-Uuid", identifier),
        ]
        return Answer(status, headers)


def located(path: str, digest: str) -> Headers:
    """Return the headers that say where something is, and its digest."""
    return [("Location", path), ("Docker-Content-Digest", digest)]


def incoming(environ: dict[str, Any]) -> Iterator[bytes]:
    """Yield what is left of a request's body.

    Raises:
        MalformedRequestError: Its length or its chunks make no sense.
    """
    if int(environ.get("CONTENT_LENGTH") or 0) < 0:
        message = "Content-Length is negative; send the number of bytes of the body."
        raise MalformedRequestError(message)
    try:
        while chunk := environ["wsgi.input"].read(CHUNK):
            yield chunk
    except ValueError as error:
        raise MalformedRequestError(str(error)) from error


def read(path: Path, first: int, length: int) -> Iterator[bytes]:
    """Yield a part of a file."""
    with path.open("rb") as file:
        file.seek(first)
        while length > 0 and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk


def byte_range(wanted: str, size: int) -> tuple[int, int] | None:
    """Return (first, last) byte of a `Range` header; None for the whole, which answers several ranges, too.

    Raises:
        RangeError: There are no such bytes.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
    if found is None or not (found[1] or found[2]):
        return None
    first = int(found[1]) if found[1] else max(size - int(found[2]), 0)
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if first > last:
        message = f"The layer has {size} bytes"
        raise RangeError(message)
    return first, last


def refused(error: RegistryError, environ: dict[str, Any]) -> Answer:
    """Return the answer to a request that the registry refuses, as the specification writes it."""
    content = json.dumps({"errors": [{"code": error.oci, "message": str(error)}]}).encode()
    headers = [("Content-Type", "application/json")]
    if isinstance(error, UnauthorizedError):
        host = environ.get("HTTP_HOST", "")
        headers.append(("WWW-Authenticate", f'Basic realm="http://{host}/",service="ecr.amazonaws.com"'))
    if isinstance(error, LayerPartInvalidError):
        headers.append(("Range", f"0-{max(error.last, 0)}"))
    return Answer(error.status, headers, [content], len(content))
