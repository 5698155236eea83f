"""Parameters of `datavision run`, and the order tasks are shown in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from datavision.airflow_api import topological
from datavision.cli.run import parse_params, run
from datavision.errors import UserError


def test_values_that_are_json_are_taken_as_json_and_others_as_text() -> None:
    pairs = ["fecha_rfm=2026-07-01", "reconstruir=true", 'modelos=["fact_rfm"]', "n=3", "empty="]
    assert parse_params(pairs, None) == {
        "fecha_rfm": "2026-07-01",
        "reconstruir": True,
        "modelos": ["fact_rfm"],
        "n": 3,
        "empty": "",
    }


def test_a_release_is_a_parameter_of_the_run() -> None:
    assert parse_params([], "1.2.3") == {"release": "1.2.3"}


@pytest.mark.parametrize("pair", ["fecha_rfm", "=x"])
def test_a_parameter_without_key_or_value_is_refused_with_an_example(pair: str) -> None:
    with pytest.raises(UserError, match=r"is not key=value\. Write, for example, --param"):
        parse_params([pair], None)


class RecordingAirflow:
    """An Airflow with one form, which must not be asked to start anything."""

    def wait_for_dag(self, *_: object) -> None: ...

    def form(self, dag_id: str) -> dict[str, Any]:
        pattern = {"type": "string", "pattern": "^[a-z]+$", "description_md": "Una selección."}
        return {"modelos": {"value": "x", "description": None, "schema": pattern}}

    def task_ids(self, dag_id: str) -> list[str]:
        raise AssertionError(f"{dag_id} was started")


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ("modelos=--threads 8", "'--threads 8' is not a valid value of the parameter modelos"),
        ("modelo=x", "p has no parameter 'modelo'"),
    ],
)
def test_a_run_with_a_bad_parameter_ends_before_the_run_exists(
    pair: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def session(env: str, *, build: bool) -> Iterator[Any]:
        yield SimpleNamespace(api=RecordingAirflow(), config=None, bundle_version=None)

    monkeypatch.setattr("datavision.cli.run._session", session)
    with pytest.raises(UserError, match=re.escape(sentence)) as raised:
        run(["p"], "local", param=[pair])
    assert raised.value.exit_code == 2


def test_tasks_come_before_what_follows_them() -> None:
    after = {"c": [], "a": ["b", "c"], "b": ["c"], "d": []}
    order = topological(after)
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("a") < order.index("b") < order.index("c")
