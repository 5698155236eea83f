"""What a module may hand back."""

from pathlib import Path

import pytest

from datavision_runtime import ResultError, read_result, write_result
from datavision_runtime.process_environment import ProcessEnvironment


def test_outside_a_container_writing_a_result_does_nothing() -> None:
    write_result({"rows": 1}, ProcessEnvironment.of({"DATAVISION_RESULT_FILE": ""}))


def test_a_result_goes_where_the_variables_that_are_handed_in_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAVISION_RESULT_FILE", str(tmp_path / "process.json"))
    write_result({"rows": 1}, ProcessEnvironment(result_file=str(tmp_path / "given.json")))
    assert [path.name for path in tmp_path.iterdir()] == ["given.json"]


def test_a_command_gets_all_variables_and_a_result_file_of_its_own() -> None:
    process = ProcessEnvironment.of({"COLOUR": "blue", "DATAVISION_RESULT_FILE": "/outer", "DATAVISION_RESULT_URI": ""})
    assert process.for_command(Path("/inner"))["DATAVISION_RESULT_FILE"] == "/inner"
    assert process.for_command(Path("/inner"))["COLOUR"] == "blue"
    assert process.result_uri is None
    assert "blue" not in repr(process)


def test_a_later_result_replaces_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "result.json"
    monkeypatch.setenv("DATAVISION_RESULT_FILE", str(target))
    write_result({"rows": 1})
    write_result({"rows": 2, "tabla": "categoría"})
    assert read_result(target) == {"rows": 2, "tabla": "categoría"}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_what_json_cannot_hold_is_refused(value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_RESULT_FILE", str(tmp_path / "result.json"))
    with pytest.raises(ResultError, match="not valid JSON"):
        write_result({"value": value})
    assert list(tmp_path.iterdir()) == []


def test_a_result_over_48_kib_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_RESULT_FILE", str(tmp_path / "result.json"))
    with pytest.raises(ResultError, match="the limit is 49152"):
        write_result({"value": "x" * 48 * 1024})


def test_a_place_that_cannot_be_written_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_RESULT_FILE", str(tmp_path / "missing" / "result.json"))
    with pytest.raises(ResultError, match=r"missing/result\.json"):
        write_result({"rows": 1})
