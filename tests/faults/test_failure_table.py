"""Every row of the failure table: the fault injected, and then outcome, containers, tries and message."""

from collections.abc import Callable
from typing import Any

WRITE = "python -c \"from datavision_runtime import write_result; write_result({'rows': 7})\""


def test_success_gives_the_result_and_what_was_measured(airflow: Callable[..., Any], mode: str) -> None:
    task = airflow(WRITE, mode)
    done = task.run()
    assert done.xcom["rows"] == 7
    assert done.xcom["measured"]["exit_code"] == 0
    assert (task.launches(), task.tries) == (1, 1)
