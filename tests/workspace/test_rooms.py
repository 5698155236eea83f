"""Imports run one way, each package says what is public, and the command line starts without Airflow."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC = {
    "datavision": "",
    "datavision.fargate": "BusinessError DigestMismatchError FargateError FargateOperator LaunchError LostTaskError "
    "MemoryCeilingError OutOfMemoryError PermanentStartError QualityError RejectedLaunchError ResultError RunError "
    "StoppedError TaskTimeoutError UsageError fargate_session fargate_task",
    "datavision_lakehouse": "LAKE ConfigurationError LakehouseError LakehouseSettings LandingSettings ModuleSettings "
    "NotInitialized ReportsSettings SourceSettings Unavailable UnknownLoad check connect dbt_profile settings_for",
    "datavision_runtime": "ResultError read_result write_result",
    "fargate_local": "FargateLocal ImageStore ServerKey StoredImage",
    "ingesta": "",
    "transformacion": "",
}


def test_imports_run_in_the_order_that_the_root_pyproject_declares() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_exports_its_public_names_and_no_others(package: str) -> None:
    module = import_module(package)
    names = getattr(module, "__all__", [])
    assert sorted(names) == sorted(PUBLIC[package].split())
    assert all(hasattr(module, name) for name in names)


@pytest.mark.parametrize(
    "imported",
    ["datavision.cli.app", "datavision.fargate", "datavision.fargate.attempt.lifecycle", "datavision.release.release"],
)
def test_only_the_operator_side_loads_airflow(imported: str) -> None:
    script = f"import sys, {imported}; print('airflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
