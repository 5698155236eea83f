"""Pins on their way to the repository that Airflow follows: in S3, on a cloud that enforces IAM."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from git import Repo
from tests.support.cloud import pointing_to
from tests.support.templates import read_template

from datavision.config import Config, load
from datavision.release.errors import ReleaseError
from datavision.release.pins import remotes
from datavision.release.pins.git import PinRepository
from datavision.release.pins.remotes import push_pins
from fargate_local import FargateLocal

BUCKET = "datavision-dev-code-210987654321"


@pytest.fixture(scope="module")
def strict() -> Iterator[FargateLocal]:
    with FargateLocal(strict=True) as cloud:
        boto3.client("s3", **cloud.client_args).create_bucket(Bucket=BUCKET)
        yield cloud


def key_of(cloud: FargateLocal, name: str, policy: dict[str, Any]) -> dict[str, str]:
    """The credentials of a user who may do what a policy of `infra/` says, as variables."""
    iam = boto3.client("iam", **cloud.client_args)
    document = json.dumps(policy["PolicyDocument"], default=str).replace("${AWS::Partition}", "aws")
    document = document.replace("${CodeBucket}", BUCKET).replace('{"Fn::Sub": "', '"').replace('"}', '"')
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.fixture
def project(strict: FargateLocal, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A project with an empty code host, used with the key of CI's role."""
    for name, value in pointing_to(strict, repository).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATAVISION_AWS__ACCOUNT_ID", "123456789012")
    policy = read_template(repository / "infra" / "ci-roles.yaml")["Resources"]["PushPolicy"]["Properties"]
    for name, value in key_of(strict, f"pusher-{tmp_path.name}", policy).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATAVISION_AIRFLOW__GIT_URL", f"s3://{BUCKET}/{tmp_path.name}")
    path = tmp_path / "project"
    made = Repo.init(path, initial_branch="main")
    with made.config_writer() as settings:
        settings.set_value("user", "name", "Ana").set_value("user", "email", "ana@datavision.example")
    (path / "config").mkdir()
    (path / "config" / "local.toml").touch()
    made.index.add(["config/local.toml"])
    made.index.commit("First")
    host = PinRepository.bare(tmp_path / "host.git")
    made.create_remote("origin", str(host.git_dir))
    monkeypatch.chdir(path)
    return load("dev")


def commit(name: str) -> str:
    """A commit in the project."""
    made = Repo(Path.cwd())
    Path(name).write_text(name)
    made.index.add([name])
    return str(made.index.commit(f"Add {name}").hexsha)


def test_airflow_s_bundle_follows_what_is_pushed_with_read_rights_alone(
    project: Config, strict: FargateLocal, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = project.airflow.git_url
    assert push_pins(project) == f"origin/main and {url}"
    policy = read_template(repository / "infra" / "airflow.yaml")["Resources"]["RepositoryPolicy"]["Properties"]
    reader = {
        **key_of(strict, f"reader-{tmp_path.name}", policy),
        "AWS_ENDPOINT_URL": strict.url,
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in reader.items():
            patch.setenv(name, value)
        followed = Repo.clone_from(url, tmp_path / "bare", bare=True)
    first = followed.commit("main").hexsha
    second = commit("a")
    push_pins(project)
    with followed.git.custom_environment(**{**os.environ, **reader}):
        followed.remotes.origin.fetch(["+refs/heads/*:refs/heads/*"])
    assert (followed.commit("main").hexsha, followed.commit("main~1").hexsha) == (second, first)


def test_gits_helper_asks_s3_in_the_environments_region_wherever_the_caller_is(
    project: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3's guide, "Configuration": of the variables it is AWS_DEFAULT_REGION that names a client's region."""
    elsewhere = project.model_copy(update={"aws": project.aws.model_copy(update={"region": "sa-east-1"})})
    for name, value in remotes._variables(elsewhere).items():
        monkeypatch.setenv(name, value)
    assert boto3.Session().client("s3").meta.region_name == "sa-east-1"


def test_a_repository_in_s3_with_other_commits_stays_as_it_is_and_the_next_step_is_named(
    project: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_pins(project)
    theirs = commit("b")
    with pytest.MonkeyPatch.context() as patch:  # to S3 alone
        patch.setattr(PinRepository, "push", lambda *_: "")
        push_pins(project)
    Repo(Path.cwd()).git.reset("--hard", "HEAD~1")
    commit("c")
    with pytest.raises(ReleaseError, match=r"origin/main has the pins, s3://.* has not: run the same command again"):
        push_pins(project)
    Repo(Path.cwd()).git.reset("--hard", theirs)
    with pytest.raises(ReleaseError, match="committed here but not pushed"):
        push_pins(project)
