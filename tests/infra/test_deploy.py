"""`datavision infra deploy` on an embedded cloud of its own."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography.fernet import Fernet
from tests.support.cloud import pointing_to

from datavision import infra
from datavision.config import Config, load
from datavision.infra.stacks import stacks, templates_dir
from fargate_local import FargateLocal


@pytest.fixture(scope="module")
def config(cloud: FargateLocal, repository: Path) -> Iterator[Config]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in pointing_to(cloud, repository).items():
            patch.setenv(name, value)
        yield load("local")


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
def test_no_version_of_an_audit_record_can_be_deleted(config: Config, cloud: FargateLocal) -> None:
    """Amazon S3's user guide, "Object Lock": a delete without a version only hides what there is."""
    s3, bucket = boto3.client("s3", **cloud.client_args), config.storage.audit_bucket
    record = {"Bucket": bucket, "Key": "audit/local/p/2026-11-30/r/t-1-1.json"}
    versions = [s3.put_object(**record, Body=text)["VersionId"] for text in (b"running", b"success")]
    s3.delete_object(**record)
    for version in versions:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(**record, VersionId=version)
    assert s3.get_object(**record, VersionId=versions[0])["Body"].read() == b"running"


def test_drift_is_nothing_after_a_deploy_then_what_somebody_changed_by_hand(
    config: Config, cloud: FargateLocal
) -> None:
    assert infra.detect_drift(config) == []
    s3, bucket = boto3.client("s3", **cloud.client_args), config.storage.reports_bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    (drift,) = infra.detect_drift(config)
    assert (drift.stack, drift.kind, drift.state) == ("datavision-local-storage", "AWS::S3::Bucket", "modified")
    assert drift.differences == ("/VersioningConfiguration/Status: Enabled → Suspended",)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert infra.detect_drift(config) == []


@pytest.mark.usefixtures("first")
def test_a_changed_parameter_updates_only_its_stack(config: Config, cloud: FargateLocal) -> None:
    changed = config.model_copy(
        update={"storage": config.storage.model_copy(update={"reports_bucket": "datavision-local-informes"})}
    )
    done = infra.deploy(changed)
    assert {name for name, action in done.items() if action == "updated"} == {
        "datavision-local-storage",
        "datavision-local-compute",
    }
    # The bucket of the earlier name was kept, and stands in the way of another one of this name.
    boto3.client("s3", **cloud.client_args).delete_bucket(Bucket=config.storage.reports_bucket)
    infra.deploy(config)


@pytest.mark.usefixtures("first")
def test_another_environment_in_the_same_account_shares_the_registry(config: Config) -> None:
    other = load("dev").model_copy(update={"aws": config.aws})
    assert infra.deploy(other)["datavision-dev-registry"] == "shared"


def with_airflow(config: Config, cloud: FargateLocal) -> Config:
    """The dev environment once its image has been pushed and its repository, name and sign-on are decided."""
    other = load("dev").model_copy(update={"aws": config.aws})
    certificate = boto3.client("acm", **cloud.client_args).request_certificate(DomainName="airflow.datavision.example")
    named = {
        "image": "registry/datavision/airflow@sha256:0",
        "host": "airflow.datavision.example",
        "certificate_arn": certificate["CertificateArn"],
        "oidc_issuer": "https://id.datavision.example",
        "oidc_client_id": "airflow",
    }
    return other.model_copy(update={"airflow": other.airflow.model_copy(update=named)})


@pytest.mark.usefixtures("first")
def test_airflow_is_deployed_once_its_secrets_have_values_and_fails_for_an_image_that_nobody_has(
    config: Config, cloud: FargateLocal
) -> None:
    other = load("dev").model_copy(update={"aws": config.aws})
    assert "datavision-dev-airflow" not in infra.deploy(other)
    complete = with_airflow(config, cloud)
    with pytest.raises(infra.InfraError) as stopped:
        infra.deploy(complete)
    for command in ("infra bootstrap", "infra secret airflow_oidc", "infra secret smtp"):
        assert f"`datavision {command} --env dev`" in str(stopped.value)
    values = dict.fromkeys(("airflow_database_url", "airflow_oidc", "smtp"), "a value")
    infra.put_secret_values(other, values)
    with pytest.raises(infra.InfraError, match=r"datavision-dev-airflow: ApiServer \(AWS::ECS::Service\): .*Circuit"):
        infra.deploy(complete)


@pytest.mark.parametrize(("url", "needed"), [("s3://code/datavision", False), ("https://git.example/datavision", True)])
def test_only_a_repository_elsewhere_needs_a_secret_to_be_fetched(
    config: Config, cloud: FargateLocal, url: str, needed: bool
) -> None:
    complete = with_airflow(config, cloud)
    complete = complete.model_copy(update={"airflow": complete.airflow.model_copy(update={"git_url": url})})
    (airflow,) = (stack for stack in stacks(complete, templates_dir(), "pl-1") if stack.part == "airflow")
    assert ("airflow_git" in airflow.needs) is needed
    assert airflow.parameters["CodeBucket"] == ("" if needed else "code")


@pytest.mark.usefixtures("first")
def test_airflows_keys_are_made_before_anything_needs_them_and_stay(config: Config, cloud: FargateLocal) -> None:
    other = load("dev").model_copy(update={"aws": config.aws})
    manager = boto3.client("secretsmanager", **cloud.client_args)

    def keys() -> dict[str, str]:
        names = ("fernet-key", "jwt-key", "api-secret-key")
        return {n: manager.get_secret_value(SecretId=f"datavision/dev/airflow-{n}")["SecretString"] for n in names}

    infra.deploy(other)
    made = keys()
    Fernet(made["fernet-key"])  # it takes 32 bytes in base64 and nothing else
    assert len(set(made.values())) == 3
    infra.deploy(other)
    assert keys() == made


@pytest.mark.usefixtures("first")
def test_the_role_that_ecs_works_with_is_made_first_and_once(config: Config, cloud: FargateLocal) -> None:
    (role,) = boto3.client("iam", **cloud.client_args).list_roles(PathPrefix="/aws-service-role/ecs.amazonaws.com/")[
        "Roles"
    ]
    assert "ecs.amazonaws.com" in str(role["AssumeRolePolicyDocument"])


@pytest.mark.usefixtures("first")
def test_secrets_get_their_values_apart_and_only_when_they_differ(config: Config, cloud: FargateLocal) -> None:
    assert infra.put_secret_values(config, {"source_url": "postgresql://one"}) == ["source_url"]
    assert infra.put_secret_values(config, {"source_url": "postgresql://one"}) == []
    assert infra.put_secret_values(config, {"source_url": "postgresql://two"}) == ["source_url"]
    manager = boto3.client("secretsmanager", **cloud.client_args)
    assert manager.get_secret_value(SecretId=config.secrets.source_url)["SecretString"] == "postgresql://two"


@pytest.mark.usefixtures("first")
def test_a_missing_secret_names_the_commands_that_make_it(config: Config) -> None:
    elsewhere = config.secrets.model_copy(update={"lakehouse_catalog_url": "datavision/nowhere"})
    unmade = config.model_copy(update={"secrets": elsewhere})
    with pytest.raises(infra.InfraError, match="datavision infra secret lakehouse_catalog_url --env local"):
        infra.secret_arns(unmade, ("lakehouse_catalog_url",))


@pytest.mark.usefixtures("first")
def test_a_stack_that_cannot_be_made_is_explained(config: Config) -> None:
    prod = load("prod")
    clashing = prod.model_copy(update={"aws": config.aws, "storage": config.storage})
    with pytest.raises(infra.InfraError, match=r"could not create datavision-prod-storage: .*already exists"):
        infra.deploy(clashing)
