"""Configuration files and the variables that override them."""

import shutil
from pathlib import Path

import pytest

from datavision.config import ENVIRONMENTS, load
from datavision.errors import ConfigError
from datavision.process_environment import ProcessEnvironment


@pytest.fixture
def folder(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `config/` that a test may change."""
    copy = tmp_path / "config"
    shutil.copytree(repository / "config", copy)
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(copy))
    monkeypatch.setenv("DATAVISION_STATE_DIR", str(tmp_path / "state"))
    return copy


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_environment_has_a_valid_file(env: str, folder: Path) -> None:
    config = load(env)
    assert config.env == env
    assert set(config.modules) == {"ingesta", "transformacion"}
    for module in config.modules.values():
        assert module.size in config.sizes


def test_a_variable_overrides_one_value_and_leaves_its_neighbours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load("local")
    monkeypatch.setenv("DATAVISION_ECS__LAUNCH__ATTEMPTS", "9")
    after = load("local")
    assert after.ecs.launch.attempts == 9
    assert after.ecs.launch.total_seconds == before.ecs.launch.total_seconds
    assert after.ecs.cluster == before.ecs.cluster


def test_a_configuration_comes_from_the_variables_that_are_handed_in_and_no_others(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"DATAVISION_ENV": "prod", "DATAVISION_CONFIG_DIR": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATAVISION_ECS__LAUNCH__ATTEMPTS", "9")
    variables = {
        "DATAVISION_CONFIG_DIR": str(repository / "config"),
        "DATAVISION_STATE_DIR": str(tmp_path),
        "DATAVISION_ECS__LAUNCH__TOTAL_SECONDS": "7",
        "DATAVISION_MODULES__INGESTA__SIZE": "large",
    }
    config = load(process=ProcessEnvironment.of(variables))
    assert config.env == "local"
    assert (config.ecs.launch.attempts, config.ecs.launch.total_seconds) == (6, 7)
    assert config.modules["ingesta"].size == "large"
    assert config.modules["ingesta"].secrets  # the neighbours of what a variable sets are the file's
    assert config.storage.landing_path == str(tmp_path / "landing")


def test_the_state_folder_of_a_configuration_is_the_one_that_holds_when_it_is_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("local")
    monkeypatch.setenv("DATAVISION_STATE_DIR", str(tmp_path / "other"))
    assert load("local").storage.reports_path == str(tmp_path / "other" / "reports")


def test_an_environment_asked_for_by_name_wins_over_the_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_ENV", "prod")
    assert load("dev").env == "dev"
    assert load().env == "prod"


def test_relative_paths_lie_in_the_state_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("local").storage.landing_path == str(tmp_path / "state" / "landing")
    monkeypatch.setenv("DATAVISION_STORAGE__LANDING_PATH", "s3://bucket/landing")
    assert load("local").storage.landing_path == "s3://bucket/landing"


def test_an_unknown_key_names_file_and_key(folder: Path) -> None:
    (folder / "local.toml").write_text((folder / "local.toml").read_text() + "\n[modules.ingesta.tamano]\n")
    with pytest.raises(ConfigError, match=r"local\.toml: modules\.ingesta\.tamano: Extra inputs are not permitted"):
        load("local")


def test_a_missing_value_names_file_key_and_variable(folder: Path) -> None:
    text = (folder / "local.toml").read_text().replace('cluster = "datavision-local"', "")
    (folder / "local.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"local\.toml: ecs\.cluster: Field required.*DATAVISION_ECS__CLUSTER"):
        load("local")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DATAVISION_ECS__LAUNCH__ATTEMPTS", "many", r"ecs\.launch\.attempts: .*integer.*found 'many'"),
        ("DATAVISION_AWS__ACCOUNT_ID", "12", r"aws\.account_id"),
        ("DATAVISION_ECS__CLUSTRE", "x", r"ecs\.clustre: Extra inputs are not permitted"),
        ("DATAVISION_NETZ__CLUSTER", "x", r"DATAVISION_NETZ__CLUSTER overrides nothing"),
    ],
)
def test_a_wrong_variable_is_named(
    variable: str, value: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=message):
        load("local")


def test_a_file_that_is_not_toml_is_said(folder: Path) -> None:
    (folder / "local.toml").write_text("[aws\n")
    with pytest.raises(ConfigError, match=r"local\.toml is not valid TOML"):
        load("local")


def test_an_unknown_environment_lists_the_known_ones(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"no environment 'produccion'\. Use one of: local, dev, prod"):
        load("produccion")


def test_outside_the_repository_the_error_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="not inside the DataVision repository"):
        load("local")


def test_modules_own_variables_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_SOURCE__URL", "postgresql://somewhere/else")
    assert load("local").env == "local"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[aws", b"", b"aws = 1", None])
def test_a_file_that_cannot_be_read_as_configuration_is_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dev.toml"
    path.mkdir() if content is None else path.write_bytes(content)
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match=r"dev\.toml"):
        load("dev")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"{", b"[]", b"{}", b'{"pid": 1, "x": 2}', None])
def test_a_running_stack_whose_description_is_broken_is_one_sentence(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datavision.local.locks import take
    from datavision.local.stack import StackError, running_stack

    monkeypatch.setenv("DATAVISION_STATE_DIR", str(tmp_path))
    path = tmp_path / "stack.json"
    path.mkdir() if content is None else path.write_bytes(content)
    with (tmp_path / "stack.lock").open("w") as held:
        assert take(held)
        with pytest.raises(StackError, match=r"stack\.json does not describe .* start it again\."):
            running_stack()
