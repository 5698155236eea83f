"""One factory makes every client of AWS."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.loaders import JSONFileLoader

from datavision.aws import Cloud, async_client, client, forget_clients
from datavision.config import load

SOURCES = Path(__file__).parents[2] / "packages" / "orchestration" / "src" / "datavision"
FACTORIES = {"boto3", "aiobotocore"}


def test_dag_files_may_import_it_without_loading_boto3() -> None:
    script = "import sys, datavision.aws; print(sorted({'boto3', 'botocore', 'aiobotocore'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_other_module_of_the_orchestration_makes_clients() -> None:
    makers = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & FACTORIES:
                makers.add(path.relative_to(SOURCES).as_posix())
    assert makers == {"aws.py", "executor.py"}  # the executor only loads boto3 before it forks


def test_operators_and_commands_share_a_client() -> None:
    cloud = Cloud("eu-west-1", "http://127.0.0.1:9")
    assert client(cloud, "ecs") is client(cloud, "ecs")


async def test_every_client_after_the_first_finds_the_models_of_its_service_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud = Cloud("eu-west-1", "http://127.0.0.1:9", "aws_default")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    embedded = Cloud("eu-west-1", "http://127.0.0.1:9")

    async def open_each() -> None:
        for place in (cloud, embedded):
            async with async_client(place, "ecs") as ecs:
                assert ecs.meta.service_model.service_name == "ecs"
        forget_clients()
        client(embedded, "ecs")

    await open_each()
    monkeypatch.setattr(JSONFileLoader, "load_file", None)
    await open_each()


@pytest.mark.parametrize(("set_to", "attempts"), [(None, 3), ("1", 1)])
def test_a_call_is_tried_three_times_or_as_often_as_the_sdks_variable_says(
    set_to: str | None, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    for name, value in {**variables, **({"AWS_MAX_ATTEMPTS": set_to} if set_to else {})}.items():
        monkeypatch.setenv(name, value)
    forget_clients()
    api = client(Cloud("eu-west-1", "http://127.0.0.1:9"), "ecs")
    tries: list[object] = []
    api.meta.events.register("before-send.ecs.ListClusters", lambda **_: tries.append(1))
    with pytest.raises(EndpointConnectionError):
        api.list_clusters()
    forget_clients()
    assert len(tries) == attempts


def test_a_new_key_of_the_embedded_cloud_gets_a_new_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_STATE_DIR", str(tmp_path))
    cloud = Cloud(load("dev").aws.region, "http://127.0.0.1:9")
    file = tmp_path / "cloud" / "key.json"
    file.parent.mkdir()
    signers = []
    for identifier in ("FIRST", "SECOND"):
        file.write_text(f'{{"url": "{cloud.endpoint_url}", "access_key_id": "{identifier}", "secret_access_key": "s"}}')
        signers.append(client(cloud, "s3")._request_signer._credentials.access_key)
    assert signers == ["FIRST", "SECOND"]
