"""The scan gate and the findings that are let through it."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from datavision.aws import checked_client
from datavision.config import Config
from datavision.release.errors import GateError
from datavision.release.gates import scan
from datavision.release.gates.allowed import read_allowed
from datavision.release.gates.scan import check_scan, without

ENTRY = """
[[allowed]]
id = "CVE-9999-9999"
reason = "in a program that no image starts; no fixed package yet"
expires = {expires}
"""
TODAY = date(2026, 11, 25)


def gated(config: Config) -> Config:
    return config.model_copy(update={"images": config.images.model_copy(update={"scan_gate": "HIGH"})})


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "scan-allowed.toml"
    path.write_text(ENTRY.format(expires="2026-11-26"))
    return path


def test_an_entry_lets_its_finding_through_until_its_day(listed: Path) -> None:
    assert read_allowed(listed, TODAY) == {"CVE-9999-9999"}
    with pytest.raises(GateError, match=r"CVE-9999-9999 was allowed until 2026-11-26 \(in a program"):
        read_allowed(listed, date(2026, 11, 26))


@pytest.mark.parametrize("missing", ["reason", "expires"])
def test_an_entry_without_reason_or_end_is_refused(listed: Path, missing: str) -> None:
    lines = [line for line in listed.read_text().splitlines() if not line.startswith(missing)]
    listed.write_text("\n".join(lines))
    with pytest.raises(GateError, match=missing):
        read_allowed(listed, TODAY)


def test_the_list_of_this_repository_is_well_formed(repository: Path) -> None:
    assert read_allowed(repository / "infra" / "scan-allowed.toml", date.min) is not None


def test_only_the_allowed_findings_are_taken_off() -> None:
    findings = [{"name": "CVE-1-1", "severity": "HIGH"}, {"name": "CVE-1-2", "severity": "HIGH"}]
    assert without({"HIGH": 2, "LOW": 1}, findings, {"CVE-1-1"}) == {"HIGH": 1, "LOW": 1}


def test_the_gate_stops_a_finding_until_it_is_allowed(project: Any) -> None:
    config = gated(project.config)
    registry = checked_client(config, "ecr")
    # moto answers every scan with one HIGH finding.
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": {"digest": "sha256:1", "size": 1}, "layers": []}
    digest = registry.put_image(
        repositoryName="datavision/ingesta",
        imageManifest=json.dumps(manifest),
        imageTag="scanned",
    )["image"]["imageId"]["imageDigest"]
    with pytest.raises(GateError, match=r"found 1 HIGH.*CVE-9999-9999.*scan-allowed"):
        check_scan(config, "datavision/ingesta", digest)
    (project.path / "infra" / "scan-allowed.toml").write_text(ENTRY.format(expires="2999-01-01"))
    check_scan(config, "datavision/ingesta", digest)


def test_a_scan_that_the_push_began_is_waited_for_though_ecr_does_not_tell_of_it_yet(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECR's API reference: StartImageScan is refused where the image was scanned on its push in the last 24 hours."""
    registry = boto3.client("ecr", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(scan, "checked_client", lambda *_: registry)
    done = {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {"findingSeverityCounts": {"LOW": 1}}}
    with Stubber(registry) as stub:
        stub.add_client_error("describe_image_scan_findings", "ScanNotFoundException")
        stub.add_client_error("start_image_scan", "LimitExceededException")
        stub.add_response("describe_image_scan_findings", done)
        check_scan(gated(project.config), "datavision/ingesta", "sha256:1")
        stub.assert_no_pending_responses()
