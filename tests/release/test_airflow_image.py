"""Airflow's own image, released, rolled back and promoted with the modules', and the services that run it."""

import re
from typing import Any

import pytest

from datavision import infra
from datavision.aws import checked_client
from datavision.config import Config, load
from datavision.infra.cloudformation import StackEdge
from datavision.pins import read_pin
from datavision.release.diff import diff
from datavision.release.pins.drift import pin_states
from datavision.release.pins.places import repository
from datavision.release.promote import promote
from datavision.release.registry.prune import prune
from datavision.release.release import release
from datavision.release.rollback import rollback

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_images")]
VALUES = dict.fromkeys(("airflow_database_url", "airflow_oidc", "smtp"), "a value")


@pytest.fixture
def dev(project: Any, monkeypatch: pytest.MonkeyPatch) -> Config:
    """An environment with an Airflow of CloudFormation's, whose services want no task: its image is a script here."""
    template = project.path / "infra" / "airflow.yaml"
    template.write_text(re.sub(r"DesiredCount: [1-9]", "DesiredCount: 0", template.read_text()))
    project.commit("Services without tasks")
    certificate = checked_client(load("dev"), "acm").request_certificate(DomainName="airflow.example")
    decided = {
        "HOST": "airflow.example",
        "CERTIFICATE_ARN": certificate["CertificateArn"],
        "OIDC_ISSUER": "https://id.example",
        "OIDC_CLIENT_ID": "airflow",
    }
    for name, value in decided.items():
        monkeypatch.setenv(f"DATAVISION_AIRFLOW__{name}", value)
    return load("dev")


def runs(config: Config, part: str = "airflow") -> str:
    """The digest of the image that a stack runs."""
    cloudformation = checked_client(config, "cloudformation")
    (stack,) = cloudformation.describe_stacks(StackName=f"datavision-{config.env}-{part}")["Stacks"]
    (image,) = (each["ParameterValue"] for each in stack["Parameters"] if each["ParameterKey"] == "Image")
    return str(image).partition("@")[2]


def pinned(config: Config, project: Any) -> str:
    return read_pin(project.path / "dags", config.env, "airflow").image("airflow").digest


def test_airflow_is_released_moved_rolled_back_and_promoted_as_one_more_image(dev: Config, project: Any) -> None:
    first = release(dev)
    assert {"airflow", "pipeline_fact_rfm"} <= set(first.pinned)
    assert set(read_pin(project.path / "dags", "dev", "pipeline_fact_rfm").images) == set(dev.modules)
    infra.put_secret_values(dev, VALUES)
    assert infra.deploy(dev)["datavision-dev-airflow"] == "created"
    assert runs(dev) == runs(dev, "bootstrap") == pinned(dev, project) == first.images["airflow"].digest

    project.change("packages/orchestration/src/datavision/__init__.py", "# another Airflow")
    second = release(dev)
    assert second.built == ("airflow",)
    assert second.images["airflow"].digest != first.images["airflow"].digest
    assert runs(dev) == runs(dev, "bootstrap") == pinned(dev, project) == second.images["airflow"].digest
    assert set(infra.deploy(dev).values()) <= {"unchanged", "shared"}
    (state,) = pin_states(dev, repository(dev), ["airflow"])
    assert state.drift == ()
    found = diff(dev, "airflow", first.version, second.version)
    assert list(found.images) == ["airflow"]
    assert any("Change packages/orchestration" in line for line in found.commits["airflow"])

    said: list[str] = []
    back = rollback(dev, "airflow", first.version, report=said.append)
    assert back.registered == ()
    assert runs(dev) == pinned(dev, project) == first.images["airflow"].digest
    assert any(line.startswith("datavision-dev-airflow: runs airflow@sha256:") for line in said)
    assert release(dev).pinned == ()  # a rollback stays until there is something new
    assert first.images["airflow"].digest in prune(dev).kept

    prod = load("prod")
    promoted = promote(dev, prod)
    assert promoted.pins["airflow"].images["airflow"].digest == first.images["airflow"].digest
    infra.put_secret_values(prod, VALUES)
    infra.deploy(prod)
    assert runs(prod) == first.images["airflow"].digest


def test_services_that_run_another_image_than_the_pinned_one_are_drift_which_a_release_mends(
    dev: Config, project: Any
) -> None:
    done = release(dev)
    infra.put_secret_values(dev, VALUES)
    infra.deploy(dev)
    cloudformation = checked_client(dev, "cloudformation")
    (stack,) = cloudformation.describe_stacks(StackName="datavision-dev-airflow")["Stacks"]
    kept = [{"ParameterKey": each["ParameterKey"], "UsePreviousValue": True} for each in stack["Parameters"]]
    by_hand = {"ParameterKey": "Image", "ParameterValue": "elsewhere/airflow@sha256:0"}
    cloudformation.update_stack(
        StackName="datavision-dev-airflow",
        UsePreviousTemplate=True,
        Parameters=[*(each for each in kept if each["ParameterKey"] != "Image"), by_hand],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    with pytest.MonkeyPatch.context() as patch:  # who asks does not wait for an update to end
        patch.delattr(StackEdge, "settle")
        (state,) = pin_states(dev, repository(dev), ["airflow"])
    assert state.drift == (
        "datavision-dev-airflow runs elsewhere/airflow@sha256:0: `datavision infra deploy --env dev`",
    )
    release(dev)
    assert runs(dev) == done.images["airflow"].digest
