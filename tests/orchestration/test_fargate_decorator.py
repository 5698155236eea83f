"""What `@task.fargate` declares and refuses when a DAG is parsed."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.orchestration.conftest import DIGEST, Parse


def only_error(bag: Any) -> str:
    (text,) = bag.import_errors.values()
    return str(text)


def test_a_task_carries_the_pinned_image_into_the_serialised_dag(parse: Parse) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    bag = parse('@task.fargate(module="ingesta")\ndef uno() -> list[str]:\n    return ["true"]\nuno()')
    assert bag.import_errors == {}
    text = json.dumps(DagSerialization.to_dict(bag.dags["prueba"]))
    assert DIGEST in text
    assert "datavision-local-ingesta:7" in text


def test_a_mapped_task_carries_it_too_and_limits_its_launches(parse: Parse) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    body = (
        '@task.fargate(module="ingesta")\ndef parte(n: int) -> list[str]:\n    return [str(n)]\nparte.expand(n=[1, 2])'
    )
    bag = parse(body)
    assert bag.import_errors == {}
    assert DIGEST in json.dumps(DagSerialization.to_dict(bag.dags["prueba"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            'module="ingesta", cpu=256, memory=4096',
            "Fargate has no 4096 MiB with 256 CPU units. Valid there: 512, 1024",
        ),
        ('module="ingesta", size="huge"', "There is no size 'huge'. config/local.toml has: large, medium, small"),
        ('module="ingesta", cpu=256', "A task takes either size, or cpu and memory together"),
        ('module="otro", image={"release": "1"}', "There is no module 'otro'"),
        ('module="transformacion"', "Release 1.2.0 pins no image for module 'transformacion'"),
    ],
)
def test_what_cannot_run_is_refused_when_the_dag_is_parsed(parse: Parse, arguments: str, message: str) -> None:
    bag = parse(f'@task.fargate({arguments})\ndef uno() -> list[str]:\n    return ["true"]\nuno()')
    assert message in only_error(bag)


@pytest.mark.parametrize("command", [None, [], "sleep 1", [1], ()])
def test_a_command_is_a_non_empty_list_of_text(command: Any) -> None:
    from datavision.errors import ConfigError
    from datavision.fargate.operator.operator import _checked_command

    with pytest.raises(ConfigError, match="non-empty list of str"):
        _checked_command(command)


def test_the_provider_is_found_by_airflow() -> None:
    from importlib.metadata import entry_points

    found = [entry.load() for entry in entry_points(group="apache_airflow_provider") if "datavision" in entry.value]
    assert [provider()["task-decorators"][0]["name"] for provider in found] == ["fargate"]


def test_parsing_a_dag_needs_no_aws_library(parse: Parse, repository: Path, tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    parse('@task.fargate(module="ingesta")\ndef uno() -> list[str]:\n    return ["true"]\nuno()')
    script = (
        "import sys; from airflow.dag_processing.dagbag import DagBag; "
        f"bag = DagBag(dag_folder={str(tmp_path)!r}); assert not bag.import_errors, bag.import_errors; "
        "print(sorted(name for name in ('boto3', 'aiobotocore') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_every_argument_is_documented(repository: Path) -> None:
    import inspect

    from datavision.fargate.operator.operator import FargateOperator

    text = (repository / "docs" / "task-fargate.md").read_text()
    names = set(inspect.signature(FargateOperator.__init__).parameters) - {"self", "command", "kwargs"}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
    assert [name for name in sorted(names) if f"{name}:" not in (FargateOperator.__doc__ or "")] == []
