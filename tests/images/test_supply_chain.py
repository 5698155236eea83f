"""What images are made of: by digest, by hash, audited, and written down."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from datavision.config import Config, load
from datavision.images.base import move_base_image, without_tag
from datavision.images.containers import ContainerBuilder
from datavision.images.errors import ImageError
from datavision.images.recipe import Stamp
from datavision.images.registry import Registry
from datavision.images.source import read_source
from datavision.images.uv import locked_requirements, uv_binary, write_bill
from datavision.release.errors import GateError
from datavision.release.gates.lock import audit_lock

DIGEST = "sha256:" + "a" * 64
PACKAGES = {"ingesta": "datavision-ingesta", "transformacion": "datavision-transformacion"}
DOCKERFILES = sorted((Path(__file__).resolve().parents[2] / "packages").glob("*/Dockerfile"))


@pytest.fixture
def config(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The dev environment, with a configuration of its own."""
    shutil.copytree(repository / "config", tmp_path / "config")
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(tmp_path / "config"))
    return load("dev")


@pytest.fixture
def skopeo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A skopeo that knows one tag; tests/release/test_containers.py asks a registry with the real one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "skopeo"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *docker://python:3.11-slim-bookworm) echo {DIGEST};; '
        "*) echo manifest unknown >&2; exit 1;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.usefixtures("skopeo")
def test_the_base_image_moves_to_the_digest_of_its_tag_and_nothing_else_in_the_file_changes(
    config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "config" / "dev.toml"
    old = path.read_text()
    moved = f"python:3.11-slim-bookworm@{DIGEST}"
    assert move_base_image(config) == ("python:3.11-slim-bookworm", moved)
    assert path.read_text() == old.replace("python:3.11-slim-bookworm", moved)
    again = config.model_copy(update={"images": config.images.model_copy(update={"base_image": moved})})
    assert move_base_image(again) == (moved, moved)


@pytest.mark.usefixtures("skopeo")
def test_a_tag_that_the_registry_does_not_know_leaves_the_file_as_it_is(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = (tmp_path / "config" / "dev.toml").read_text()
    monkeypatch.setenv("DATAVISION_IMAGES__BASE_IMAGE", "python:9")
    with pytest.raises(ImageError, match=r"could not look up python:9:\nmanifest unknown"):
        move_base_image(load("dev"))
    assert (tmp_path / "config" / "dev.toml").read_text() == old


def test_an_engine_gets_name_and_digest_without_the_tag_that_some_refuse() -> None:
    assert without_tag(f"python:3.11@{DIGEST}") == f"python@{DIGEST}"
    assert without_tag(f"127.0.0.1:5000/a/python:3.11@{DIGEST}") == f"127.0.0.1:5000/a/python@{DIGEST}"
    assert without_tag("127.0.0.1:5000/a/python:3.11") == "127.0.0.1:5000/a/python:3.11"


def test_no_image_for_aws_is_built_on_a_tag(config: Config, repository: Path) -> None:
    builder = ContainerBuilder(config, repository, Registry.__new__(Registry), "no-engine", lambda _: None)
    with pytest.raises(ImageError, match=r"is a tag.*`datavision image base --env dev`"):
        builder.build(read_source(repository, "ingesta"), Stamp("1.0.0", "c", "o"))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_takes_uv_by_hash_and_carries_its_bill_of_materials(path: Path) -> None:
    text = path.read_text()
    assert "--require-hashes --only-binary :all: -r /tmp/uv.txt" in text
    (package,) = re.findall(r"uv sync --frozen --package (\S+)", text)
    assert f"image/bill /opt/uv/bin/uv {package} /sbom.cdx.json" in text
    assert "COPY --from=members /sbom.cdx.json /app/sbom.cdx.json" in text.rpartition("FROM scratch")[2]


def test_uv_is_one_version_with_the_hash_of_every_wheel(repository: Path) -> None:
    text = (repository / "packages/runtime/image/uv.txt").read_text()
    (version,) = re.findall(r"^uv==([\d.]+) ", text, flags=re.MULTILINE)
    said = subprocess.run([uv_binary(repository), "--version"], capture_output=True, text=True, check=True).stdout
    assert tuple(map(int, version.split("."))) >= (0, 9)
    assert said.startswith("uv ")
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) > 10
    assert "uv.txt" in (repository / "Makefile").read_text()


@pytest.mark.parametrize("module", PACKAGES)
def test_the_bill_names_all_that_the_lock_gives_with_hashes_and_is_the_same_each_time(
    repository: Path, tmp_path: Path, module: str
) -> None:
    for name in ("first", "second"):
        write_bill(repository, PACKAGES[module], tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    bill = json.loads((tmp_path / "first").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    locked = set(re.findall(r"^([\w.-]+==[^\s;]+)", locked_requirements(repository, PACKAGES[module]), re.MULTILINE))
    listed = {f"{item['name']}=={item['version']}": item for item in bill["components"]}
    assert len(locked) > 10
    assert locked <= set(listed)
    for name in locked:
        assert listed[name]["purl"] == f"pkg:pypi/{name.replace('==', '@')}"
        assert listed[name]["externalReferences"][0]["hashes"][0]["alg"] == "SHA-256"


class Database(BaseHTTPRequestHandler):
    """osv.dev with one vulnerability, in jinja2, in the shapes of its API ("OSV API", read November 2026)."""

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        found = {"vulns": [{"id": "PYSEC-2026-1", "modified": "2026-01-01T00:00:00Z"}]}
        self._answer({"results": [found if q["package"]["name"] == "jinja2" else {} for q in queries]})

    def do_GET(self) -> None:
        package = {"ecosystem": "PyPI", "name": "jinja2"}
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]
        self._answer(
            {
                "id": "PYSEC-2026-1",
                "modified": "2026-01-01T00:00:00Z",
                "aliases": ["CVE-2026-12345"],
                "summary": "a hole",
                "affected": [{"package": package, "ranges": ranges}],
            }
        )

    def _answer(self, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def database() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def allow(project: Path, name: str, expires: str) -> None:
    rest = f'reason = "no template comes from outside"\nexpires = {expires}'
    (project / "infra").mkdir(exist_ok=True)
    (project / "infra" / "scan-allowed.toml").write_text(f'[[allowed]]\nid = "{name}"\n{rest}\n')


@pytest.fixture
def project(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lock and configuration of this repository, with a list of its own of what is let through."""
    for name in ("pyproject.toml", "uv.lock", "README.md", "config/local.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(repository / name, tmp_path / name)
    for path in repository.glob("packages/*/pyproject.toml"):
        (tmp_path / path.parent.relative_to(repository)).mkdir(parents=True)
        shutil.copy(path, tmp_path / path.relative_to(repository))
    monkeypatch.setenv("UV", uv_binary(repository))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_vulnerability_in_the_lock_fails_the_audit_until_it_is_let_through_under_any_of_its_names(
    project: Path, database: str
) -> None:
    with pytest.raises(GateError, match=r"(?s)jinja2.*PYSEC-2026-1: a hole.*infra/scan-allowed\.toml"):
        audit_lock(project, database)
    for name in ("PYSEC-2026-1", "CVE-2026-12345"):
        allow(project, name, "2999-01-01")
        assert "no known vulnerabilities" in audit_lock(project, database)


def test_an_exception_that_has_expired_fails_the_audit(project: Path, database: str) -> None:
    allow(project, "PYSEC-2026-1", "2020-01-01")
    with pytest.raises(GateError, match="PYSEC-2026-1 was allowed until 2020-01-01"):
        audit_lock(project, database)


@pytest.mark.slow
def test_a_database_that_does_not_answer_is_no_clean_lock(project: Path) -> None:
    with pytest.raises(GateError, match="could not audit the lock"):
        audit_lock(project, "http://127.0.0.1:9")
