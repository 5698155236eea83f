"""The repository that keeps pins, the lease on it, and what is wrong with a pin: each by itself, without images."""

import json
import os
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.audits import audit as launched
from tests.support.cloud_in_process import cloud_in_process

from datavision.aws import Cloud, client
from datavision.config import Config, load
from datavision.fargate.edge.json_objects import list_keys, read_json
from datavision.fargate.outcome.audit import write_audit
from datavision.images.registry import RegisteredImage
from datavision.pins import Pin, PinnedImage
from datavision.release.errors import LockedError, ReleaseError, UnknownRelease
from datavision.release.pins import lock
from datavision.release.pins.drift import compare, pin_states, used_otherwise
from datavision.release.pins.git import PinRepository
from datavision.release.pins.history import current_pins, find_version, history, last_release
from datavision.release.pins.places import bundle_path, path_in_repository, pipelines, repository, require_pinned
from datavision.release.pins.record import record_pins
from datavision.release.pins.runs import LastUse, last_uses, runs_by_release
from datavision.release.pins.store import PinChange, commit_pins, finish_checkout, now, unpinned

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PATH = "dags/pins/dev/pipeline_a.toml"


@pytest.fixture(scope="module")
def config(repository: Path) -> Iterator[Config]:
    with cloud_in_process(repository) as found:
        yield found


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PinRepository:
    """A project with one commit, by a person with a name."""
    for name, value in (("NAME", "Ana"), ("EMAIL", "ana@datavision.example")):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    project = tmp_path / "project"
    (project / "dags").mkdir(parents=True)
    (project / "dags" / "pipeline_a.py").write_text("")
    for command in (["init", "-qb", "main"], ["add", "-A"], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    return PinRepository.of_project(project)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PinRepository:
    """A bundle on the machine of somebody who never told git a name."""
    for scope in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{scope}", os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{who}_{what}", raising=False)
    return PinRepository.bare(tmp_path / "state" / "dags.git")


def tree_of(repo: PinRepository) -> Path:
    assert repo.work_tree is not None
    return repo.work_tree


def image(digest: str = A) -> PinnedImage:
    return PinnedImage(repository="datavision/ingesta", tag="1.0.0", digest=digest, task_definition="dv-ingesta:1")


def pin(version: str, *modules: str, digest: str = A) -> Pin:
    images = {module: image(digest) for module in modules or ("ingesta",)}
    return Pin(version=version, commit="c", pinned_at="2026-11-23", pinned_by="Ana", reason="", images=images)


def write(repo: PinRepository, version: str, action: Any = "release", env: str = "dev", **more: Any) -> str:
    return commit_pins(repo, PinChange(env, {"pipeline_a": pin(version)}, f"To {version}", action, version, **more))


def test_a_folder_without_git_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="is not a git repository"):
        PinRepository.of_project(tmp_path)


def test_a_bare_repository_is_made_once_and_kept(bare: PinRepository) -> None:
    assert (bare.head(), bare.log(), bare.tags(), bare.dirty_files()) == (None, [], [], [])
    assert bare.working_text(PATH) is None
    bare.commit(bare.tree({"a": bare.store_text("x")}, None), None, "First")
    again = PinRepository.bare(bare.git_dir)
    assert [(commit.author, commit.message) for commit in again.log()] == [
        ("datavision <datavision@localhost>", "First")
    ]


def test_a_place_where_no_repository_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "dags.git").write_text("a file")
    with pytest.raises(ReleaseError, match="git could not create"):
        PinRepository.bare(tmp_path / "dags.git")


def test_who_commits_in_a_bare_repository_is_its_own_identity_where_it_has_one(bare: PinRepository) -> None:
    bare.git("config", "user.name", "Eva")
    bare.git("config", "user.email", "eva@datavision.example")
    assert bare.identity() == "Eva <eva@datavision.example>"


def test_a_person_without_a_name_is_told_how_to_get_one(repo: PinRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repo.identity() == "Ana <ana@datavision.example>"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "")
    with pytest.raises(ReleaseError, match="git does not know who you are"):
        repo.identity()


def test_what_git_says_is_in_the_error(repo: PinRepository) -> None:
    with pytest.raises(ReleaseError, match=r"git rev-parse failed: fatal: .*nowhere"):
        repo.git("rev-parse", "nowhere", "--")


def test_a_tree_keeps_what_is_below_it_and_adds_and_removes_paths(repo: PinRepository, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("stored")
    (blob,) = repo.store([file])
    first = repo.commit(repo.tree({"x/y": blob, "z": repo.store_text("zeta")}, "HEAD"), repo.head(), "First")
    assert (repo.read(first, "x/y"), repo.read(first, "dags/pipeline_a.py")) == ("stored", "")
    assert sorted(repo.changed_paths(first)) == ["x/y", "z"]
    second = repo.commit(repo.tree({"z": None}, first), first, "Second")
    assert (repo.read(second, "z"), repo.read(second, "x/y")) == (None, "stored")
    alone = repo.commit(repo.tree({"z": blob}, None), second, "Third", tag="v3")
    assert (repo.read(alone, "x/y"), repo.read(alone, "z")) == (None, "stored")
    assert repo.tags() == ["v3"]
    assert [commit.message for commit in repo.log()] == ["Third", "Second", "First", "Begin"]


def test_the_same_tree_is_not_committed_again_but_may_be_tagged(repo: PinRepository) -> None:
    head = repo.head()
    same = repo.git("rev-parse", "HEAD^{tree}").strip()
    assert repo.commit(same, head, "Nothing") == head
    assert repo.commit(same, head, "Nothing", tag="v1") == head
    assert repo.git("rev-parse", "v1").strip() == head
    with pytest.raises(ReleaseError):
        repo.commit(same, head, "Nothing", tag="v1")


def test_a_branch_that_moved_meanwhile_is_left_as_it_is(repo: PinRepository) -> None:
    before = repo.head()
    moved = repo.commit(repo.tree({"a": repo.store_text("a")}, before), before, "Moved")
    with pytest.raises(ReleaseError, match="update-ref failed"):
        repo.commit(repo.tree({"b": repo.store_text("b")}, before), before, "Late", tag="v9")
    assert (repo.head(), repo.tags()) == (moved, [])


def test_pins_go_to_the_first_remote_with_their_tags_or_not_at_all(repo: PinRepository, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="There is no remote to push to"):
        repo.push()
    remote = PinRepository.bare(tmp_path / "remote.git")
    repo.git("remote", "add", "origin", str(remote.git_dir))
    repo.git("remote", "add", "other", "/nowhere")
    head = write(repo, "1.0.0", tag="v1.0.0")
    assert repo.push("v1.0.0") == "origin/main"
    assert (remote.head(), remote.tags()) == (head, ["v1.0.0"])
    remote.commit(remote.tree({"x": remote.store_text("x")}, "HEAD"), head, "Somebody else")
    write(repo, "1.1.0", tag="v1.1.0")
    with pytest.raises(ReleaseError, match="committed here but not pushed: `git pull --rebase`"):
        repo.push("v1.1.0")
    assert remote.tags() == ["v1.0.0"]


def test_the_token_is_gits_password_for_the_push_alone(repo: PinRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    real = repo.git

    def noted(*arguments: str, **more: Any) -> str:
        asked.append(arguments)
        return "" if "push" in arguments else real(*arguments, **more)

    repo.git("remote", "add", "origin", "/nowhere")
    monkeypatch.setattr(repo, "git", noted)
    repo.push()
    monkeypatch.setenv("DATAVISION_GIT_TOKEN", "s3cr3t")
    repo.push()
    without, helped = [arguments for arguments in asked if "push" in arguments]
    assert without[0] == "push"
    assert helped[0] == "-c"
    assert helped[1].startswith("credential.helper=!")
    assert "s3cr3t" not in helped[1]


def test_pins_are_committed_checked_out_and_read_back(repo: PinRepository) -> None:
    before = repo.head()
    commit = write(repo, "1.0.0", tag="v1.0.0", files={"CHANGELOG.md": "1.0.0\n"})
    assert repo.dirty_files() == []
    assert (tree_of(repo) / "CHANGELOG.md").read_text() == "1.0.0\n"
    assert current_pins(repo, "dev", ["pipeline_a", "pipeline_b"]) == {"pipeline_a": pin("1.0.0")}
    assert sorted(repo.changed_paths(commit)) == ["CHANGELOG.md", PATH]
    assert write(repo, "1.0.0") == commit != before
    assert repo.log("-1")[0].message.splitlines()[2:] == [
        "DataVision-Action: release",
        "DataVision-Environment: dev",
        "DataVision-Release: 1.0.0",
        "DataVision-Pipeline: pipeline_a 1.0.0",
    ]


def test_dags_of_a_bundle_replace_everything_else_in_it(bare: PinRepository) -> None:
    first = {"dags/a.py": bare.store_text("a"), "dags/b.py": bare.store_text("b")}
    commit_pins(bare, PinChange("local", {"p": pin("1")}, "First", "release", "1"), first)
    change = PinChange("local", {"p": pin("1")}, "DAGs alone")
    commit = commit_pins(bare, change, {"dags/b.py": first["dags/b.py"]})
    assert (bare.read(commit, "dags/a.py"), bare.read(commit, "dags/b.py")) == (None, "b")
    assert bare.log("-1")[0].message == "DAGs alone"


def test_the_history_of_a_pin_is_every_version_it_had_newest_first(repo: PinRepository) -> None:
    assert history(repo, "dev", "pipeline_a") == []
    commits = [write(repo, version) for version in ("1.0.0", "1.1.0")]
    broken = repo.commit(repo.tree({PATH: repo.store_text("broken")}, "HEAD"), commits[-1], "By hand")
    assert current_pins(repo, "dev", ["pipeline_a"]) == {}
    entries = history(repo, "dev", "pipeline_a")
    assert [(entry.pin.version, entry.commit) for entry in entries] == [("1.1.0", commits[1]), ("1.0.0", commits[0])]
    assert find_version(entries, "pipeline_a", "v1.0.0") == find_version(entries, "pipeline_a", "1.0.0")
    with pytest.raises(UnknownRelease, match=r"never had release 9. It had: 1.1.0, 1.0.0. See"):
        find_version(entries, "pipeline_a", "9")
    with pytest.raises(UnknownRelease, match="It had: none"):
        find_version([], "pipeline_a", "9")
    assert last_release(repo, "dev") == commits[1] != broken


def test_the_last_release_is_a_release_or_promotion_to_that_environment(repo: PinRepository) -> None:
    assert last_release(repo, "dev") is None
    released = write(repo, "1.0.0")
    write(repo, "0.9.0", "rollback")
    promoted = write(repo, "1.0.0", "promote", env="prod")
    assert (last_release(repo, "dev"), last_release(repo, "prod")) == (released, promoted)
    newest = write(repo, "1.1.0", "promote")
    assert last_release(repo, "dev") == newest


def test_what_a_killed_release_left_unchecked_out_is_brought_to_head_and_edits_stay(repo: PinRepository) -> None:
    write(repo, "1.0.0", files={"CHANGELOG.md": "one", "other.md": "one"})
    project = tree_of(repo)
    old = {name: (project / name).read_text() for name in (PATH, "CHANGELOG.md", "other.md")}
    write(repo, "1.1.0", files={"CHANGELOG.md": "two", "other.md": "two"})
    for name, text in old.items():
        (project / name).write_text(text)
    finish_checkout(repo)
    assert repo.dirty_files() == ["other.md"]
    (project / "CHANGELOG.md").write_text("somebody's edit")
    (project / PATH).unlink()
    finish_checkout(repo)
    assert (project / "CHANGELOG.md").read_text() == "somebody's edit"
    assert sorted(repo.dirty_files()) == ["CHANGELOG.md", PATH, "other.md"]


def test_an_empty_repository_has_nothing_to_finish(bare: PinRepository) -> None:
    finish_checkout(bare)


def test_pipelines_are_the_dag_files_of_their_name(repo: PinRepository, tmp_path: Path) -> None:
    project = tree_of(repo)
    (project / "dags" / "helper.py").write_text("")
    assert pipelines(project) == ["pipeline_a"]
    require_pinned(load("dev"), project, "pipeline_a")
    with pytest.raises(ReleaseError, match=r"There is no pipeline 'x'. Use one of: pipeline_a"):
        require_pinned(load("dev"), project, "x")
    with pytest.raises(ReleaseError, match="there is nothing to pin"):
        pipelines(tmp_path / "empty")


def test_pins_of_dev_are_in_the_project_and_pins_of_local_in_the_bundle(
    config: Config, repo: PinRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree_of(repo))
    monkeypatch.setattr("datavision.release.pins.places.project_root", lambda: tree_of(repo))
    monkeypatch.setenv("DATAVISION_STATE_DIR", str(tmp_path / "state"))
    assert repository(config).work_tree == tree_of(repo)
    local = repository(config.model_copy(update={"env": "local"}))
    assert (local.work_tree, local.git_dir) == (None, bundle_path(tmp_path / "state"))
    assert path_in_repository("dev", "pipeline_a") == PATH


def test_a_pipeline_without_a_pin_of_every_module_is_unpinned() -> None:
    pins = {"whole": pin("1", "a", "b"), "part": pin("1", "a"), "more": pin("1", "a", "b", "c")}
    assert unpinned({"a": image(), "b": image()}, pins, ["whole", "part", "more", "none"]) == ["part", "none"]


def test_a_pin_is_dated_in_whole_seconds_of_utc() -> None:
    moment = datetime.fromisoformat(now())
    assert (moment.microsecond, moment.utcoffset()) == (0, timedelta(0))


def found(digest: str = A) -> RegisteredImage:
    return RegisteredImage("datavision/ingesta", digest, ("1.0.0",), datetime.now(UTC), 1)


def definition(status: str = "ACTIVE", digest: str = A) -> dict[str, str]:
    return {"status": status, "image": f"registry/datavision/ingesta@{digest}"}


@pytest.mark.parametrize(
    ("by_digest", "by_tag", "revision", "problems"),
    [
        (found(), found(), definition(), []),
        (None, found(), definition(), ["ingesta: sha256:aaaaaaaaaaaa is gone from the registry"]),
        (found(), None, definition(), ["ingesta: tag 1.0.0 is gone from the registry"]),
        (found(), found(B), definition(), ["ingesta: tag 1.0.0 was moved to sha256:bbbbbbbbbbbb"]),
        (found(), found(), None, ["ingesta: task definition dv-ingesta:1 does not exist"]),
        (found(), found(), definition("INACTIVE"), ["ingesta: task definition dv-ingesta:1 is INACTIVE"]),
        (
            found(),
            found(),
            definition(digest=B),
            [f"ingesta: task definition dv-ingesta:1 runs registry/datavision/ingesta@{B}"],
        ),
    ],
)
def test_every_way_to_differ_from_a_pin_is_a_sentence(
    by_digest: Any, by_tag: Any, revision: Any, problems: list[str]
) -> None:
    assert compare("ingesta", image(), by_digest=by_digest, by_tag=by_tag, definition=revision) == problems


def test_the_last_run_must_have_used_what_its_release_pins() -> None:
    one = pin("1.0.0")
    assert used_otherwise("ingesta", one, None) == []
    assert used_otherwise("ingesta", one, LastUse("run", "1.0.0", A)) == []
    assert used_otherwise("ingesta", one, LastUse("run", "0.9.0", B)) == []
    assert used_otherwise("ingesta", one, LastUse("run", "1.0.0", B)) == [
        "ingesta: the last run (run) used sha256:bbbbbbbbbbbb, not sha256:aaaaaaaaaaaa"
    ]


def test_the_state_of_a_pin_tells_edits_and_commits_that_were_no_release(
    config: Config, repo: PinRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datavision.release.pins.drift.check_image", lambda config, module, image: [f"{module}!"])

    def state() -> Any:
        (only,) = pin_states(config, repo, ["pipeline_a"])
        return only

    assert (state().pin, state().drift) == (None, ())
    commit = write(repo, "1.0.0")
    assert (state().pin, state().since, state().commit) == (pin("1.0.0"), "2026-11-23", commit)
    assert state().drift == ("ingesta!",)
    (tree_of(repo) / PATH).write_text("edited")
    assert state().drift[0].startswith("the file was edited by hand and not committed")
    repo.check_out([PATH])
    blob = repo.store_text(str(repo.read("HEAD", PATH)).replace("Ana", "Eva"))
    by_hand = repo.commit(repo.tree({PATH: blob}, "HEAD"), commit, "Quick fix\n\nreally")
    repo.check_out([PATH])
    assert state().drift[0] == f"commit {by_hand[:9]} (Quick fix) is not a release, promotion or rollback"
    repo.commit(repo.tree({PATH: repo.store_text("broken")}, "HEAD"), by_hand, "Broken")
    repo.check_out([PATH])
    assert (state().pin, state().drift) == (None, ("the pin is malformed: release or roll back again",))


def test_each_change_of_a_pin_is_recorded_once_also_that_of_a_command_that_was_killed(
    config: Config, repo: PinRepository
) -> None:
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    released = write(repo, "1.0.0")
    record_pins(config, repo, ["pipeline_a"])
    (first,) = list_keys(cloud, bucket, "pins/")
    assert first == f"pins/dev/pipeline_a/2026-11-23/{released}.json"
    killed = write(repo, "1.1.0", "promote")
    back = write(repo, "1.0.0", "rollback")
    for _ in range(2):
        record_pins(config, repo, ["pipeline_a"])
    records = [read_json(cloud, bucket, key, 4096) for key in list_keys(cloud, bucket, "pins/")]
    found = {(item["pin_commit"], item["action"], item["version"]) for item in records}
    assert found == {(released, "release", "1.0.0"), (killed, "promote", "1.1.0"), (back, "rollback", "1.0.0")}
    assert {(item["env"], item["pipeline"], item["pinned_by"], item["commit"]) for item in records} == {
        ("dev", "pipeline_a", "Ana", "c")
    }


def audit(config: Config, run_id: str, day: int, module: str, release: str, digest: str | None, at: float) -> None:
    about = {"task_id": module, "module": module, "release": release, "reported_digest": digest}
    record = launched("pipeline_u", run_id, date(2026, 11, day), at, **about)
    write_audit(Cloud.of(config), config.storage.audit_bucket, record)


def test_runs_tell_which_releases_and_images_they_used(config: Config) -> None:
    assert last_uses(config, "pipeline_u") == {}
    audit(config, "old", 21, "ingesta", "1.0.0", A, 1.0)
    audit(config, "new", 22, "ingesta", "1.0.0", A, 2.0)
    audit(config, "new", 22, "reporte", "1.1.0", B, 3.0)
    audit(config, "new", 22, "fallida", "1.1.0", None, 4.0)
    assert runs_by_release(config, "pipeline_u") == Counter({"1.0.0": 2, "1.1.0": 1})
    assert last_uses(config, "pipeline_u") == {
        "ingesta": LastUse("new", "1.0.0", A),
        "reporte": LastUse("new", "1.1.0", B),
    }


def holder(config: Config) -> dict[str, Any]:
    answer = client(Cloud.of(config), "s3").get_object(
        Bucket=config.storage.results_bucket, Key="releases/dev/lock.json"
    )
    found: dict[str, Any] = json.loads(answer["Body"].read())
    return found


def hold(config: Config, pid: int, host: str, expires: timedelta) -> None:
    moment = datetime.now(UTC)
    body = {
        "what": "Ana's release", "host": host, "pid": pid, "started_at": moment.isoformat(),
        "expires_at": (moment + expires).isoformat(),
    }  # fmt: skip
    s3 = client(Cloud.of(config), "s3")
    s3.put_object(Bucket=config.storage.results_bucket, Key="releases/dev/lock.json", Body=json.dumps(body).encode())


def dead_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_a_lease_says_who_holds_it_refuses_others_and_ends_with_its_block(config: Config) -> None:
    with lock.locked(config, "Release 1"):
        said = holder(config)
        assert (said["what"], said["host"], said["pid"]) == ("Release 1", socket.gethostname(), os.getpid())
        left = datetime.fromisoformat(said["expires_at"]) - datetime.fromisoformat(said["started_at"])
        assert timedelta(minutes=4, seconds=58) < left < timedelta(minutes=5, seconds=30)
        assert any(thread.name == "release-lease" and thread.daemon for thread in threading.enumerate())
        with (
            pytest.raises(LockedError, match=r"Release 1 is changing dev \(process \d+ on .*, since 2"),
            lock.locked(config, "Release 2"),
        ):
            pass
        assert holder(config)["what"] == "Release 1"
    assert not any(thread.name == "release-lease" for thread in threading.enumerate())
    with lock.locked(config, "Release 3"):
        assert holder(config)["what"] == "Release 3"


@pytest.mark.parametrize(
    ("here", "alive", "expires", "free"),
    [
        (True, False, timedelta(minutes=4), True),
        (True, True, timedelta(minutes=4), False),
        (False, False, timedelta(minutes=4), False),
        (False, True, timedelta(seconds=-1), True),
    ],
)
def test_a_lease_is_taken_over_when_it_expired_or_its_process_on_this_machine_is_gone(
    config: Config, here: bool, alive: bool, expires: timedelta, free: bool
) -> None:
    hold(config, os.getpid() if alive else dead_process(), socket.gethostname() if here else "elsewhere", expires)
    if free:
        with lock.locked(config, "Mine"):
            assert holder(config)["what"] == "Mine"
    else:
        with pytest.raises(LockedError, match="Ana's release is changing dev"), lock.locked(config, "Mine"):
            pass
        client(Cloud.of(config), "s3").delete_object(Bucket=config.storage.results_bucket, Key="releases/dev/lock.json")


def test_of_two_that_take_over_the_same_lease_the_second_is_refused(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(config, 1, "elsewhere", timedelta(seconds=-1))

    def somebody_else_is_faster(holder: dict[str, Any]) -> bool:
        hold(config, 2, "faster", timedelta(minutes=4))
        return True

    with monkeypatch.context() as patch:
        patch.setattr(lock, "_abandoned", somebody_else_is_faster)
        with pytest.raises(LockedError), lock.locked(config, "Mine"):
            pass
    assert holder(config)["host"] == "faster"
    client(Cloud.of(config), "s3").delete_object(Bucket=config.storage.results_bucket, Key="releases/dev/lock.json")


def test_a_lease_is_renewed_while_its_holder_lives(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LEASE", timedelta(seconds=3))
    with lock.locked(config, "Long"):
        before, renewed = holder(config)["expires_at"], threading.Event()
        for _ in range(50):
            if holder(config)["expires_at"] != before:
                renewed.set()
                break
            renewed.wait(0.1)
        assert renewed.is_set()


def test_an_error_of_s3_other_than_a_refusal_is_not_taken_for_a_lease(config: Config) -> None:
    storage = config.storage.model_copy(update={"results_bucket": "missing"})
    with (
        pytest.raises(ClientError, match="NoSuchBucket"),
        lock.locked(config.model_copy(update={"storage": storage}), "Mine"),
    ):
        pass
