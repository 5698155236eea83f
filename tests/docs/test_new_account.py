"""The steps of a new account, as the rehearsal reads them; `make rehearsal` does them."""

from pathlib import Path

import pytest
from tests.rehearsal.page import read_steps, write_setting

from datavision.config import Config


def test_the_steps_name_settings_that_there_are_and_commands_that_can_be_run(repository: Path) -> None:
    steps = read_steps(repository / "docs" / "infrastructure.md")
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    for key in (key for step in steps for key in step.settings):
        section, name = key.split(".")
        assert name in getattr(Config.model_fields[section].annotation, "model_fields", {}), key
    programs = {words[0] for step in steps for words in step.commands}
    assert programs == {"datavision", "git"}
    verbs = [words[1:3] for step in steps for words in step.commands if words[0] == "datavision"]
    assert verbs.index(("infra", "bootstrap")) < verbs.index(("release", "--env"))


def test_a_block_that_nobody_can_follow_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("## A new account\n\n1. Do this.\n\n   ```text\n   something\n   ```\n")
    with pytest.raises(ValueError, match="step 1 has a block of 'text'"):
        read_steps(page)


def test_a_setting_is_written_in_its_place_or_at_the_end_of_its_section(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_text('[aws]\nregion = "a"\n\n[airflow]\nhost = "b"\n\n[ecs]\nregion = "c"\n')
    write_setting(file, "airflow.host", "x")
    write_setting(file, "airflow.image", "y")
    assert file.read_text() == '[aws]\nregion = "a"\n\n[airflow]\nhost = "x"\nimage = "y"\n\n[ecs]\nregion = "c"\n'
    with pytest.raises(ValueError, match=r"no section \[nowhere\]"):
        write_setting(file, "nowhere.key", "z")
