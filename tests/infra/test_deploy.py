"""`datavision infra deploy` on an embedded cloud of its own."""

from collections.abc import Iterator

import boto3
import pytest

from datavision import infra
from datavision.config import Config, load
from fargate_local import FargateLocal


@pytest.fixture(scope="module")
def cloud() -> Iterator[FargateLocal]:
    with FargateLocal() as started:
        yield started


@pytest.fixture(scope="module")
def config(cloud: FargateLocal, repository: object) -> Iterator[Config]:
    patch = pytest.MonkeyPatch()
    patch.setenv("DATAVISION_CONFIG_DIR", f"{repository}/config")
    for name, value in (cloud.environment | {"DATAVISION_AWS__ENDPOINT_URL": cloud.url}).items():
        patch.setenv(name, value)
    yield load("local")
    patch.undo()


@pytest.fixture(scope="module")
def first(config: Config) -> dict[str, infra.Action]:
    return infra.deploy(config)


def test_the_first_deploy_creates_every_stack(first: dict[str, infra.Action]) -> None:
    assert set(first.values()) == {"created"}
    assert {name.removeprefix("datavision-local-") for name in first} >= {"network", "storage", "registry", "compute"}


@pytest.mark.usefixtures("first")
def test_a_second_deploy_changes_nothing(config: Config) -> None:
    assert set(infra.deploy(config).values()) == {"unchanged"}


@pytest.mark.usefixtures("first")
def test_a_changed_parameter_updates_only_its_stack(config: Config) -> None:
    changed = config.model_copy(
        update={"storage": config.storage.model_copy(update={"reports_bucket": "datavision-local-informes"})}
    )
    done = infra.deploy(changed)
    assert {name for name, action in done.items() if action == "updated"} == {
        "datavision-local-storage",
        "datavision-local-compute",
    }
    infra.deploy(config)


@pytest.mark.usefixtures("first")
def test_another_environment_in_the_same_account_shares_the_registry(config: Config) -> None:
    other = load("dev").model_copy(update={"aws": config.aws})
    assert infra.deploy(other)["datavision-dev-registry"] == "shared"


@pytest.mark.usefixtures("first")
def test_beyond_the_laptop_there_are_a_database_alarms_and_airflow_once_its_image_is_named(config: Config) -> None:
    other = load("dev").model_copy(update={"aws": config.aws})
    assert "datavision-dev-airflow" not in infra.deploy(other)
    airflow = other.airflow.model_copy(
        update={"image": "registry/datavision/airflow@sha256:0", "git_url": "https://git"}
    )
    done = infra.deploy(other.model_copy(update={"airflow": airflow}))
    assert done["datavision-dev-airflow"] == "created"
    assert {done["datavision-dev-database"], done["datavision-dev-observability"]} == {"unchanged"}


@pytest.mark.usefixtures("first")
def test_secrets_get_their_values_apart_and_only_when_they_differ(config: Config, cloud: FargateLocal) -> None:
    assert infra.put_secret_values(config, {"source_url": "postgresql://one"}) == ["source_url"]
    assert infra.put_secret_values(config, {"source_url": "postgresql://one"}) == []
    assert infra.put_secret_values(config, {"source_url": "postgresql://two"}) == ["source_url"]
    manager = boto3.client("secretsmanager", **cloud.client_args)
    assert manager.get_secret_value(SecretId=config.secrets.source_url)["SecretString"] == "postgresql://two"


@pytest.mark.usefixtures("first")
def test_a_missing_secret_names_the_commands_that_make_it(config: Config) -> None:
    with pytest.raises(infra.InfraError, match="datavision infra secret lakehouse_catalog_url --env local"):
        infra.secret_arns(config, ("lakehouse_catalog_url",))


@pytest.mark.usefixtures("first")
def test_a_stack_that_cannot_be_made_is_explained(config: Config) -> None:
    prod = load("prod")
    clashing = prod.model_copy(update={"aws": config.aws, "storage": config.storage})
    with pytest.raises(infra.InfraError, match=r"could not create datavision-prod-storage: .*BucketAlready"):
        infra.deploy(clashing)
