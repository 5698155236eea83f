"""Parameters of `datavision run`, and the order tasks are shown in."""

import pytest

from datavision.airflow_api import topological
from datavision.cli.run import parse_params
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
    with pytest.raises(UserError, match=r"is not key=value\. Write for instance --param"):
        parse_params([pair], None)


def test_tasks_come_before_what_follows_them() -> None:
    after = {"c": [], "a": ["b", "c"], "b": ["c"], "d": []}
    order = topological(after)
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("a") < order.index("b") < order.index("c")
