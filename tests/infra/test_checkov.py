"""checkov on the templates, in an environment of its own: its dependencies are pinned and would not fit beside ours."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from datavision.images.uv import uv_binary

CHECKOV = "checkov==3.3.30"
pytestmark = pytest.mark.slow


def found(repository: Path, folder: Path, config: Path | None = None) -> Any:
    """Return checkov's report."""
    command = [uv_binary(repository), "run", "--no-project", "--isolated", "--quiet", "--python", "3.11"]
    options = ["--config-file", str(config)] if config else ["--framework", "cloudformation", "--skip-download"]
    checkov = ["--with", CHECKOV, "checkov", "--directory", str(folder), "--output", "json", *options]
    done = subprocess.run([*command, *checkov], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_checkov_finds_nothing_but_what_has_a_reason(repository: Path) -> None:
    report = found(repository, repository / "infra", repository / "infra" / "checkov.yml")
    failed = [(check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]]
    assert failed == []
    assert report["summary"]["passed"] > 100
    assert report["summary"]["parsing_errors"] == 0


def test_each_exception_is_still_needed(repository: Path) -> None:
    excepted = yaml.safe_load((repository / "infra" / "checkov.yml").read_text())["skip-check"]
    report = found(repository, repository / "infra")
    assert {check["check_id"] for check in report["results"]["failed_checks"]} == set(excepted)


def test_it_sees_a_bucket_that_is_open(repository: Path, tmp_path: Path) -> None:
    template = (repository / "infra" / "storage.yaml").read_text()
    (tmp_path / "storage.yaml").write_text(template.replace("BlockPublicAcls: true", "BlockPublicAcls: false"))
    report = found(repository, tmp_path, repository / "infra" / "checkov.yml")
    assert "CKV_AWS_53" in {check["check_id"] for check in report["results"]["failed_checks"]}
