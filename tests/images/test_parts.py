"""The pure parts of images and releases."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from datavision.images.containers import failing_step
from datavision.images.stamp import without_credentials
from datavision.release.changelog import insert_release
from datavision.release.diff import changed_models, changed_packages, locked_versions
from datavision.release.gates.scan import forbidden
from datavision.release.registry.prune import cron_schedules, next_run
from datavision.release.versions import bumped, latest, next_version


@pytest.mark.parametrize(("bump", "after"), [("major", "2.0.0"), ("minor", "1.3.0"), ("patch", "1.2.10")])
def test_a_bump_raises_one_number_and_resets_those_after_it(bump: str, after: str) -> None:
    assert bumped("1.2.9", bump) == after  # type: ignore[arg-type] # parametrized: a plain str


def test_the_latest_version_is_the_highest_number_not_the_last_word() -> None:
    assert latest(["0.9.0", "0.10.0", "0.2.0", "nightly"]) == "0.10.0"


def test_a_version_in_use_by_another_image_is_passed_over() -> None:
    assert next_version("1.0.0", "minor", {"1.1.0", "1.1.1"}.__contains__) == "1.1.2"
    assert next_version(None, "patch", lambda version: False) == "0.1.0"


@pytest.mark.parametrize(
    ("gate", "stopped"),
    [("off", {}), ("CRITICAL", {}), ("HIGH", {"HIGH": 2}), ("MEDIUM", {"HIGH": 2, "MEDIUM": 1})],
)
def test_the_gate_stops_its_severity_and_the_worse(gate: str, stopped: dict[str, int]) -> None:
    assert forbidden({"HIGH": 2, "MEDIUM": 1, "LOW": 9}, gate) == stopped


def test_a_failed_build_shows_its_last_step_only() -> None:
    output = ["STEP 1/3: FROM base", "[1/2] STEP 2/3: RUN one", "fine", "[1/2] STEP 3/3: RUN two", "no such file"]
    assert failing_step(output) == output[3:]


def test_labels_never_hold_the_password_of_a_remote() -> None:
    assert without_credentials("https://ana:secret@git.example/datavision.git") == "https://git.example/datavision.git"
    assert without_credentials("git@git.example:datavision.git") == "git@git.example:datavision.git"


def test_unreleased_notes_become_the_entry_of_the_release() -> None:
    text = "# Changelog\n\n## Unreleased\n\n- A note.\n\n## 0.1.0 (2026-01-01)\n\n- Old.\n"
    after = insert_release(text, "## 0.2.0 (2026-02-01)", ["- ingesta: `0.2.0`"], ["A commit"])
    assert after == (
        "# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-02-01)\n\n- A note.\n\nImages:\n\n- ingesta: `0.2.0`\n\n"
        "## 0.1.0 (2026-01-01)\n\n- Old.\n"
    )


def test_without_notes_the_commits_are_the_entry() -> None:
    after = insert_release("# Changelog\n\n## Unreleased\n", "## 0.2.0", ["- i"], ["One", "Two"])
    assert after == "# Changelog\n\n## Unreleased\n\n## 0.2.0\n\n- One\n- Two\n\nImages:\n\n- i\n"


def test_changed_dependencies_are_those_whose_locked_version_differs() -> None:
    before = locked_versions('[[package]]\nname = "a"\nversion = "1"\n[[package]]\nname = "b"\nversion = "1"\n')
    after = locked_versions('[[package]]\nname = "a"\nversion = "2"\n[[package]]\nname = "c"\nversion = "1"\n')
    assert changed_packages(before, after) == {"a": ("1", "2"), "b": ("1", None), "c": (None, "1")}


def test_changed_models_are_named_with_what_happened_to_them() -> None:
    status = "M\tx/models/marts/fact_rfm.sql\nA\tx/snapshots/snp_cuentas.sql\nM\tx/models/marts/fact_rfm.yml\n"
    assert changed_models(status + "R090\tx/models/a.sql\tx/models/b.sql\n") == {
        "b": "renamed",
        "fact_rfm": "changed",
        "snp_cuentas": "added",
    }


def test_schedules_are_read_from_the_dag_files_in_the_businesss_time(repository: Path) -> None:
    crons = cron_schedules(repository / "dags")
    moment = datetime(2026, 11, 23, 13, tzinfo=UTC)
    assert next_run(crons, "pipeline_suscripciones", moment) == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert next_run(crons, "pipeline_completo", moment) == datetime(2027, 1, 1, 3, tzinfo=UTC)
    assert next_run(crons, "pipeline_fact_rfm", moment) is None
