"""The registry's scan of an image, as a gate."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from datavision.aws import checked_client
from datavision.config import Config
from datavision.release.errors import GateError
from datavision.release.gates.allowed import allowed_file, read_allowed

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM")
WAIT_SECONDS = 900
_MAX_POLL_SECONDS = 10


def forbidden(counts: dict[str, int], gate: str) -> dict[str, int]:
    """Return the counts of findings at or above the severity `gate` (`off`: none)."""
    if gate == "off":
        return {}
    severities = SEVERITIES[: SEVERITIES.index(gate) + 1]
    return {severity: counts[severity] for severity in severities if counts.get(severity)}


def without(
    counts: Mapping[str, int], findings: Iterable[Mapping[str, Any]], allowed: Collection[str]
) -> dict[str, int]:
    """Return the counts by severity minus the findings that are allowed."""
    let_through = Counter(finding.get("severity") for finding in findings if finding["name"] in allowed)
    return {severity: count - let_through[severity] for severity, count in counts.items()}


def check_scan(config: Config, repository: str, digest: str) -> None:
    """Wait for an image's scan and compare it with the gate.

    Raises:
        GateError: There are findings at or above `images.scan_gate` that are not in `infra/scan-allowed.toml`,
            an entry there has expired, or the scan failed or did not end in 15 minutes.
    """
    gate = config.images.scan_gate
    if gate == "off":
        return
    allowed = read_allowed(allowed_file(), datetime.now(UTC).date())
    findings = _findings(config, repository, digest)
    listed = findings.get("findings", [])
    worst = forbidden(without(findings.get("findingSeverityCounts", {}), listed, allowed), gate)
    if worst:
        names = [f["name"] for f in listed if f.get("severity") in worst and f["name"] not in allowed][:10]
        counts = ", ".join(f"{count} {severity}" for severity, count in worst.items())
        raise GateError(
            f"The scan of {repository}@{digest} found {counts} (gate: {gate}): {', '.join(names)}. "
            "Nothing that runs was changed. Use a newer base image or lock and release again, or allow a finding "
            "with a reason and an expiry date in infra/scan-allowed.toml."
        )


def _findings(config: Config, repository: str, digest: str) -> dict[str, Any]:
    registry = checked_client(config, "ecr")
    image = {"repositoryName": repository, "imageId": {"imageDigest": digest}}
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.1
    while True:
        try:
            answer = registry.describe_image_scan_findings(**image)
        except registry.exceptions.ScanNotFoundException:
            # ECR scans an image once in 24 hours, on its push or when asked (API reference, StartImageScan). Just after
            # the push that scan may be under way and not told of yet.
            with suppress(registry.exceptions.LimitExceededException):
                registry.start_image_scan(**image)
            answer = {"imageScanStatus": {"status": "PENDING"}}
        status = answer["imageScanStatus"]["status"]
        if status in {"COMPLETE", "ACTIVE"}:
            findings: dict[str, Any] = answer.get("imageScanFindings", {})
            while token := answer.get("nextToken"):
                answer = registry.describe_image_scan_findings(**image, nextToken=token)
                findings["findings"] += answer["imageScanFindings"].get("findings", [])
            return findings
        if status not in {"IN_PROGRESS", "PENDING"}:
            why = answer["imageScanStatus"].get("description", "no reason given")
            raise GateError(
                f"The scan of {repository}@{digest} ended as {status}: {why}. Scan it again, or set images.scan_gate."
            )
        if time.monotonic() > deadline:
            raise GateError(
                f"The scan of {repository}@{digest} has not ended in {WAIT_SECONDS // 60} minutes. Release again later."
            )
        time.sleep(pause)
        pause = min(pause * 2, _MAX_POLL_SECONDS)
