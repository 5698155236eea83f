"""The embedded ECR is a registry: layers and manifests go in and out, as the distribution specification says.

Paths, headers and codes: distribution specification 1.1. Actions and their texts: ECR API reference and user guide.
Real engines push and pull in test_registry_clients.py.
"""

import base64
import hashlib
import json
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from tests.support.strict_cloud import Account

from fargate_local import FargateLocal
from fargate_local.admin_client import ask
from fargate_local.runtimes.doorway import service_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = b"bytes of a layer" * 1000


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest_of(layers: list[str], config: str, **more: Any) -> bytes:
    named = [{"mediaType": f"{MANIFEST}.layer", "digest": each, "size": 1} for each in layers]
    described = {"mediaType": f"{MANIFEST}.config", "digest": config, "size": 1}
    # The spaces are there because bytes count, not data.
    return json.dumps({"schemaVersion": 2, "config": described, "layers": named, **more}, indent=3).encode()


class Visitor:
    """An engine that has logged in with a token of this client."""

    def __init__(self, ecr: Any) -> None:
        self.data = ecr.get_authorization_token()["authorizationData"][0]
        headers = {"Authorization": f"Basic {self.data['authorizationToken']}"}
        # A connection that is kept would have to be closed by each test.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=self.data["proxyEndpoint"], headers=headers, limits=limits)

    def upload(self, repository: str, content: bytes) -> str:
        """Upload a layer in one piece; returns its digest."""
        begun = self.http.post(f"/v2/{repository}/blobs/uploads/")
        assert begun.status_code == 202, begun.text
        done = self.http.put(begun.headers["Location"], params={"digest": digest_of(content)}, content=content)
        assert done.status_code == 201, done.text
        return digest_of(content)

    def push(self, repository: str, reference: str = "1.0.0", **more: Any) -> str:
        """Push an image of one layer; returns its digest."""
        layer, config = self.upload(repository, LAYER), self.upload(repository, b"{}")
        content = manifest_of([layer], config, **more)
        done = self.put(repository, reference, content)
        assert done.status_code == 201, done.text
        return done.headers["Docker-Content-Digest"]

    def put(self, repository: str, reference: str, content: bytes, media_type: str = MANIFEST) -> httpx.Response:
        path = f"/v2/{repository}/manifests/{reference}"
        return self.http.put(path, content=content, headers={"Content-Type": media_type})


def said(response: httpx.Response) -> tuple[int, str, str]:
    """(status, code, message) of a refusal."""
    (error,) = response.json()["errors"]
    return response.status_code, error["code"], error["message"]


@pytest.fixture(scope="module")
def cloud_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def cloud(cloud_folder: Path) -> Iterator[FargateLocal]:
    with FargateLocal(cloud_folder) as started:
        yield started


@pytest.fixture(scope="module")
def ecr(cloud: FargateLocal) -> Any:
    return boto3.client("ecr", **cloud.client_args)


@pytest.fixture(scope="module")
def engine(ecr: Any) -> Visitor:
    return Visitor(ecr)


@pytest.fixture
def repository(ecr: Any) -> str:
    name = f"team/module-{uuid.uuid4().hex[:8]}"
    ecr.create_repository(repositoryName=name)
    return name


def test_an_image_that_is_pushed_is_a_record_of_ecr_and_comes_back_byte_by_byte(
    engine: Visitor, ecr: Any, repository: str
) -> None:
    digest = engine.push(repository)
    (found,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1.0.0"}])["images"]
    assert found["imageId"]["imageDigest"] == digest
    assert found["imageManifestMediaType"] == MANIFEST
    for reference in ("1.0.0", digest):
        answer = engine.http.get(f"/v2/{repository}/manifests/{reference}")
        assert digest_of(answer.content) == digest == answer.headers["Docker-Content-Digest"]
        assert answer.headers["Content-Type"] == MANIFEST
        assert engine.http.head(f"/v2/{repository}/manifests/{reference}").headers["Content-Length"] == str(
            len(answer.content)
        )
    assert engine.http.get(f"/v2/{repository}/blobs/{digest_of(LAYER)}").content == LAYER


def test_a_layer_comes_in_pieces_that_must_follow_each_other(engine: Visitor, repository: str) -> None:
    where = engine.http.post(f"/v2/{repository}/blobs/uploads/").headers["Location"]
    first, second = LAYER[:5000], LAYER[5000:]
    sent = engine.http.patch(where, content=first, headers={"Content-Range": "0-4999"})
    assert (sent.status_code, sent.headers["Range"]) == (202, "0-4999")
    gap = engine.http.patch(where, content=second, headers={"Content-Range": f"6000-{len(LAYER) - 1}"})
    assert said(gap)[:2] == (416, "BLOB_UPLOAD_INVALID")
    assert gap.headers["Range"] == "0-4999"
    assert engine.http.get(where).headers["Range"] == "0-4999"
    # An iterator is sent with chunked transfer encoding, as podman does.
    assert engine.http.patch(where, content=iter([second[:10], second[10:]])).status_code == 202
    assert engine.http.put(where, params={"digest": digest_of(LAYER)}).status_code == 201
    assert engine.http.get(f"/v2/{repository}/blobs/{digest_of(LAYER)}").content == LAYER


def test_a_layer_comes_with_one_request(engine: Visitor, repository: str) -> None:
    sent = engine.http.post(f"/v2/{repository}/blobs/uploads/", params={"digest": digest_of(LAYER)}, content=LAYER)
    assert sent.status_code == 201
    assert engine.http.get(sent.headers["Location"]).content == LAYER


@pytest.mark.parametrize(
    ("wanted", "content", "named"),
    [
        ("bytes=2-5", LAYER[2:6], f"bytes 2-5/{len(LAYER)}"),
        ("bytes=15990-", LAYER[15990:], f"bytes 15990-{len(LAYER) - 1}/{len(LAYER)}"),
        ("bytes=-3", LAYER[-3:], f"bytes {len(LAYER) - 3}-{len(LAYER) - 1}/{len(LAYER)}"),
    ],
)
def test_a_part_of_a_layer_is_read(engine: Visitor, repository: str, wanted: str, content: bytes, named: str) -> None:
    path = f"/v2/{repository}/blobs/{engine.upload(repository, LAYER)}"
    part = engine.http.get(path, headers={"Range": wanted})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, content, named)
    assert engine.http.get(path, headers={"Range": f"bytes={len(LAYER)}-"}).status_code == 416


def test_bytes_that_are_not_what_their_digest_says_are_no_layer(
    engine: Visitor, repository: str, cloud_folder: Path
) -> None:
    where = engine.http.post(f"/v2/{repository}/blobs/uploads/").headers["Location"]
    other = digest_of(b"other")
    assert said(engine.http.put(where, params={"digest": other}, content=LAYER))[:2] == (400, "DIGEST_INVALID")
    assert engine.http.head(f"/v2/{repository}/blobs/{other}").status_code == 404
    assert said(engine.http.put(where, params={"digest": digest_of(LAYER)}))[:2] == (404, "BLOB_UPLOAD_UNKNOWN")
    assert list((cloud_folder / "registry" / "uploads").iterdir()) == []


def test_layers_are_their_owners_alone(engine: Visitor, repository: str, cloud_folder: Path) -> None:
    engine.push(repository)
    paths = [cloud_folder / "registry", *(cloud_folder / "registry").rglob("*")]
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_file()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_dir()} == {"0o700"}


def test_a_layer_is_mounted_from_another_repository(engine: Visitor, ecr: Any, repository: str) -> None:
    other = f"other-{uuid.uuid4().hex[:8]}"
    ecr.create_repository(repositoryName=other)
    layer = engine.upload(repository, LAYER)
    # A layer belongs to its repository: knowing a digest gives nobody a layer.
    assert engine.http.head(f"/v2/{other}/blobs/{layer}").status_code == 404
    mounted = engine.http.post(f"/v2/{other}/blobs/uploads/", params={"mount": layer, "from": repository})
    assert (mounted.status_code, mounted.headers["Docker-Content-Digest"]) == (201, layer)
    assert engine.http.get(f"/v2/{other}/blobs/{layer}").content == LAYER
    absent = {"mount": digest_of(b"absent"), "from": repository}
    assert engine.http.post(f"/v2/{other}/blobs/uploads/", params=absent).status_code == 202


def test_an_upload_belongs_to_its_repository(engine: Visitor, ecr: Any, repository: str) -> None:
    other = f"other-{uuid.uuid4().hex[:8]}"
    ecr.create_repository(repositoryName=other)
    where = engine.http.post(f"/v2/{repository}/blobs/uploads/").headers["Location"]
    assert said(engine.http.patch(where.replace(repository, other), content=LAYER))[1] == "BLOB_UPLOAD_UNKNOWN"


def test_a_manifest_needs_its_layers(engine: Visitor, repository: str) -> None:
    config, absent = engine.upload(repository, b"{}"), digest_of(b"absent")
    refusal = said(engine.put(repository, "1.0.0", manifest_of([absent], config)))
    assert refusal[:2] == (400, "MANIFEST_BLOB_UNKNOWN")
    assert absent in refusal[2]
    assert said(engine.http.get(f"/v2/{repository}/manifests/1.0.0")) == (
        404,
        "MANIFEST_UNKNOWN",
        "Requested image not found",
    )


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"layers": 3}', b'{"layers": [1]}', b"\xff", b'{"schemaVersion": 2}']
)
def test_what_is_no_manifest_is_refused(engine: Visitor, repository: str, content: bytes) -> None:
    assert said(engine.put(repository, "1.0.0", content))[:2] == (400, "MANIFEST_INVALID")


def test_a_manifest_is_put_by_its_digest_or_by_no_other(engine: Visitor, ecr: Any, repository: str) -> None:
    content = manifest_of([engine.upload(repository, LAYER)], engine.upload(repository, b"{}"))
    assert said(engine.put(repository, digest_of(b"other"), content))[1] == "MANIFEST_INVALID"
    for _ in range(2):
        assert engine.put(repository, digest_of(content), content).status_code == 201
    assert ecr.list_images(repositoryName=repository)["imageIds"] == [{"imageDigest": digest_of(content)}]
    assert engine.put(repository, "later", content).status_code == 201
    (found,) = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert (found["imageDigest"], found["imageTags"]) == (digest_of(content), ["later"])


def test_an_index_names_images_of_its_repository(engine: Visitor, repository: str) -> None:
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"digest": digest_of(b"absent")}]}
    assert said(engine.put(repository, "all", json.dumps(index).encode(), INDEX))[1] == "MANIFEST_BLOB_UNKNOWN"
    index["manifests"] = [{"digest": engine.push(repository), "mediaType": MANIFEST}]
    assert engine.put(repository, "all", json.dumps(index).encode(), INDEX).status_code == 201
    assert engine.http.get(f"/v2/{repository}/manifests/all").headers["Content-Type"] == INDEX


def test_a_tag_of_an_immutable_repository_stays(engine: Visitor, ecr: Any, repository: str) -> None:
    ecr.put_image_tag_mutability(repositoryName=repository, imageTagMutability="IMMUTABLE")
    digest = engine.push(repository)
    same = manifest_of([digest_of(LAYER)], digest_of(b"{}"))
    changed = manifest_of([digest_of(LAYER)], digest_of(b"{}"), annotations={"changed": "yes"})
    assert digest_of(same) == digest
    # The sentence that users quote in osscontainertools/kaniko#204; of the same image in aws/containers-roadmap#2380.
    for content in (changed, same):
        assert said(engine.put(repository, "1.0.0", content)) == (
            400,
            "TAG_INVALID",
            f"The image tag '1.0.0' already exists in the '{repository}' repository and cannot be overwritten because"
            " the tag is immutable.",
        )
    assert engine.put(repository, digest, same).status_code == 201


def test_an_image_whose_tag_moves_on_stays_without_it(engine: Visitor, ecr: Any, repository: str) -> None:
    first = engine.push(repository, "latest")
    second = engine.push(repository, "latest", annotations={"changed": "yes"})
    assert engine.http.get(f"/v2/{repository}/manifests/latest").headers["Docker-Content-Digest"] == second
    assert engine.http.get(f"/v2/{repository}/manifests/{first}").status_code == 200
    found = {each["imageDigest"]: each.get("imageTags") for each in images_of(ecr, repository)}
    assert found == {first: None, second: ["latest"]}


def images_of(ecr: Any, repository: str) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = ecr.describe_images(repositoryName=repository)["imageDetails"]
    return details


@pytest.mark.parametrize("head", ["Content-Length: -5", "Transfer-Encoding: chunked"])
def test_a_layer_whose_length_makes_no_sense_is_refused(engine: Visitor, repository: str, head: str) -> None:
    where = engine.http.post(f"/v2/{repository}/blobs/uploads/").headers["Location"]
    host, port = engine.data["proxyEndpoint"].removeprefix("http://").split(":")
    sign_on = f"Authorization: Basic {engine.data['authorizationToken']}"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"PATCH {where} HTTP/1.1\r\nHost: {host}\r\n{sign_on}\r\n{head}\r\n\r\nx\r\n".encode())
        answer = connection.recv(64)
    assert answer.startswith(b"HTTP/1.1 400")


def test_a_repository_that_there_is_not_is_named(engine: Visitor) -> None:
    refusal = (
        404,
        "NAME_UNKNOWN",
        "The repository with name 'absent' does not exist in the registry with id '123456789012'",
    )
    assert said(engine.http.post("/v2/absent/blobs/uploads/")) == refusal
    assert said(engine.http.get("/v2/absent/manifests/1.0.0")) == refusal
    assert said(engine.http.get(f"/v2/absent/blobs/{digest_of(LAYER)}")) == refusal
    assert said(engine.http.get("/v2/absent/tags/list")) == refusal
    assert said(engine.put("absent", "1.0.0", manifest_of([], digest_of(b"{}")))) == refusal


def test_tags_are_listed_in_order_and_in_pages(engine: Visitor, repository: str) -> None:
    for tag in ("b", "c", "a"):
        engine.push(repository, tag)
    first = engine.http.get(f"/v2/{repository}/tags/list", params={"n": 2})
    assert first.json() == {"name": repository, "tags": ["a", "b"]}
    assert engine.http.get(first.links["next"]["url"]).json()["tags"] == ["c"]


def test_images_are_not_deleted_by_engines(engine: Visitor, repository: str) -> None:
    digest = engine.push(repository)
    assert said(engine.http.delete(f"/v2/{repository}/manifests/{digest}"))[:2] == (405, "UNSUPPORTED")
    assert engine.http.get(f"/v2/{repository}/manifests/{digest}").status_code == 200


def test_layers_by_ecrs_api_and_by_engines_are_the_same(engine: Visitor, ecr: Any, repository: str) -> None:
    begun = ecr.initiate_layer_upload(repositoryName=repository)
    upload = {"repositoryName": repository, "uploadId": begun["uploadId"]}
    parts = [(0, LAYER[:9000]), (9000, LAYER[9000:])]
    for first, content in parts:
        last = first + len(content) - 1
        sent = ecr.upload_layer_part(**upload, partFirstByte=first, partLastByte=last, layerPartBlob=content)
        assert sent["lastByteReceived"] == last
    with pytest.raises(ecr.exceptions.InvalidLayerPartException):
        ecr.upload_layer_part(**upload, partFirstByte=0, partLastByte=1, layerPartBlob=b"xx")
    digest = digest_of(LAYER)
    assert ecr.complete_layer_upload(**upload, layerDigests=[digest])["layerDigest"] == digest
    with pytest.raises(ecr.exceptions.UploadNotFoundException):
        ecr.complete_layer_upload(**upload, layerDigests=[digest])
    assert engine.http.get(f"/v2/{repository}/blobs/{digest}").content == LAYER
    absent = digest_of(b"absent")
    checked = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest, absent])["layers"]
    assert [(each["layerDigest"], each["layerAvailability"]) for each in checked] == [
        (digest, "AVAILABLE"),
        (absent, "UNAVAILABLE"),
    ]


def test_a_link_to_a_layer_needs_no_token_and_leads_to_no_other(engine: Visitor, ecr: Any, repository: str) -> None:
    layer, other = engine.upload(repository, LAYER), engine.upload(repository, b"other")
    link = ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=layer)["downloadUrl"]
    assert httpx.get(link).content == LAYER
    assert httpx.get(link.replace(layer, other)).status_code == 401
    with pytest.raises(ecr.exceptions.LayersNotFoundException):
        ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=digest_of(b"absent"))


def test_a_token_is_good_for_twelve_hours_in_its_region(cloud: FargateLocal, ecr: Any, repository: str) -> None:
    engine = Visitor(ecr)
    user, _, _ = base64.b64decode(engine.data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    assert engine.data["proxyEndpoint"] == cloud.url
    digest = engine.push(repository)
    elsewhere = Visitor(boto3.client("ecr", **cloud.client_args | {"region_name": "eu-west-1"}))
    assert said(elsewhere.http.get(f"/v2/{repository}/manifests/{digest}"))[1] == "NAME_UNKNOWN"


def password(**changes: Any) -> str:
    content = {"access_key_id": "AKIAEXAMPLE", "region": "us-east-1", "expires": 4_000_000_000, **changes}
    return f"{base64.urlsafe_b64encode(json.dumps(content).encode()).decode()}.{'0' * 64}"


@pytest.mark.parametrize("authorization", ["", "Basic !", "Basic QVdTOg==", "Bearer x", password()])
def test_nobody_enters_without_a_token_of_this_server(cloud: FargateLocal, authorization: str) -> None:
    if authorization == password():
        authorization = f"Basic {base64.b64encode(f'AWS:{authorization}'.encode()).decode()}"
    for path in ("/v2/", "/v2/module/manifests/1.0.0", f"/v2/module/blobs/{digest_of(LAYER)}"):
        answer = httpx.get(f"{cloud.url}{path}", headers={"Authorization": authorization} if authorization else {})
        assert said(answer)[:2] == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert answer.headers["WWW-Authenticate"].endswith('service="ecr.amazonaws.com"')


def test_an_open_server_asks_for_no_token() -> None:
    with FargateLocal(options=("--open",)) as cloud:
        boto3.client("ecr", **cloud.client_args).create_repository(repositoryName="module")
        assert httpx.post(f"{cloud.url}/v2/module/blobs/uploads/").status_code == 202


def test_what_was_pushed_is_there_after_a_restart(tmp_path: Path) -> None:
    for number in range(2):
        with FargateLocal(tmp_path / "state") as cloud:
            ecr = boto3.client("ecr", **cloud.client_args)
            if number == 0:
                ecr.create_repository(repositoryName="module")
                engine = Visitor(ecr)
                digest = engine.push("module")
                password = engine.data["authorizationToken"]
            else:
                headers = {"Authorization": f"Basic {password}"}
                assert httpx.get(f"{cloud.url}/v2/module/blobs/{digest_of(LAYER)}", headers=headers).content == LAYER
                found = ecr.describe_images(repositoryName="module")["imageDetails"]
                assert [(each["imageDigest"], each["imageTags"]) for each in found] == [(digest, ["1.0.0"])]


PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PUSH = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
]


def allow(account: Account, actions: list[str], repository: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": account.arn("ecr", f"repository/{repository}")}


def entered(account: Account, *statements: dict[str, Any]) -> tuple[str, Visitor]:
    """(ARN of a role with these permissions, an engine that logged in as it)."""
    sign_on = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    role = account.role(sign_on, *statements)
    return role, Visitor(account.session(role)("ecr"))


@pytest.fixture
def guarded(strict: Account) -> str:
    name = f"guarded-{uuid.uuid4().hex[:8]}"
    strict.client("ecr").create_repository(repositoryName=name)
    return name


def test_who_may_push_and_who_may_pull_is_judged_by_the_tokens_principal(strict: Account, guarded: str) -> None:
    pusher, pushing = entered(strict, allow(strict, [*PUSH, "ecr:BatchGetImage"], guarded))
    _, pulling = entered(strict, allow(strict, PULL, guarded))
    digest = pushing.push(guarded)
    assert pulling.http.get(f"/v2/{guarded}/manifests/{digest}").status_code == 200
    assert pulling.http.get(f"/v2/{guarded}/blobs/{digest_of(LAYER)}").content == LAYER
    status, code, text = said(pulling.http.post(f"/v2/{guarded}/blobs/uploads/"))
    assert (status, code) == (403, "DENIED")
    assert text.endswith(
        f"is not authorized to perform: ecr:InitiateLayerUpload on resource: "
        f"{strict.arn('ecr', f'repository/{guarded}')} because no identity-based policy allows the"
        " ecr:InitiateLayerUpload action"
    )
    assert "ecr:GetDownloadUrlForLayer" in said(pushing.http.get(f"/v2/{guarded}/blobs/{digest_of(LAYER)}"))[2]
    report = {each["role"]: each for each in ask(strict.cloud.key, "GET", "iam/used")["roles"]}
    assert {each["action"] for each in report[pusher]["used"]} >= {*PUSH[1:], "ecr:GetAuthorizationToken"}


@pytest.mark.parametrize("action", PUSH[1:])
def test_a_push_takes_each_of_its_actions(strict: Account, guarded: str, action: str) -> None:
    _, engine = entered(strict, allow(strict, [each for each in PUSH if each != action], guarded))
    with pytest.raises(AssertionError, match=f"is not authorized to perform: {action}"):
        engine.push(guarded)


def test_a_repositorys_policy_lets_in_and_keeps_out(strict: Account, guarded: str) -> None:
    role, engine = entered(strict)
    Visitor(strict.client("ecr")).push(guarded)
    path = f"/v2/{guarded}/manifests/1.0.0"
    assert engine.http.get(path).status_code == 403
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": PULL}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    strict.client("ecr").set_repository_policy(repositoryName=guarded, policyText=document)
    assert engine.http.get(path).status_code == 200


def test_a_mount_takes_the_right_to_read_the_layer(strict: Account, guarded: str) -> None:
    """User guide, "Blob mounting"."""
    source = f"source-{uuid.uuid4().hex[:8]}"
    strict.client("ecr").create_repository(repositoryName=source)
    layer = Visitor(strict.client("ecr")).upload(source, LAYER)
    wanted = {"mount": layer, "from": source}
    role, engine = entered(strict, allow(strict, PUSH, guarded))
    assert engine.http.post(f"/v2/{guarded}/blobs/uploads/", params=wanted).status_code == 403
    strict.grant(role, allow(strict, PULL, source), policy="source")
    assert engine.http.post(f"/v2/{guarded}/blobs/uploads/", params=wanted).status_code == 201


def test_a_token_ends_with_the_access_key_that_asked_for_it(strict: Account, guarded: str) -> None:
    iam, user = strict.client("iam"), f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    statement = {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="inline", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    signed = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    engine = Visitor(boto3.client("ecr", **strict.cloud.client_args | signed))
    engine.push(guarded)
    iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    # As clients show it: aws/aws-cli#6580.
    assert said(engine.http.get(f"/v2/{guarded}/tags/list")) == (
        403,
        "DENIED",
        "Your authorization token has expired. Reauthenticate and try again.",
    )


def test_a_token_takes_the_permission_to_ask_for_one(strict: Account) -> None:
    with pytest.raises(ClientError, match="ecr:GetAuthorizationToken"):
        strict.may({"Effect": "Allow", "Action": PULL, "Resource": "*"})("ecr").get_authorization_token()


@pytest.mark.parametrize(
    ("line", "service"),
    [
        ("GET /v2/module/manifests/1.0.0 HTTP/1.1", "ecr.dkr"),
        ("GET /v2/ HTTP/1.1", "ecr.dkr"),
        ("GET /v2/credentials/c0ffee HTTP/1.1", ""),
        ("GET /v4/c0ffee HTTP/1.1", ""),
    ],
)
def test_a_task_reaches_the_registry_where_its_subnet_reaches_ecrs(line: str, service: str) -> None:
    assert service_of(f"{line}\r\nHost: 127.0.0.1\r\n\r\n".encode()) == service
