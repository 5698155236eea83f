"""The page's server: who it lets in, and what it then tells and does."""

import json
import os
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import boto3
import pytest
from tests.support.cloud import DEADLINE, AddFault, Ecs, MakeCloud
from tests.support.page_visitor import PAGE, Visitor, new_code
from typer.testing import CliRunner

from fargate_local import FargateLocal
from fargate_local.admin_client import AdminError, ask
from fargate_local.cli import app
from fargate_local.engine.records import Records
from fargate_local.faults.rules import Fault, FaultRule
from fargate_local.ui.fault_kinds import KINDS
from fargate_local.ui.sessions import CODE_SECONDS, MOST, SESSION_SECONDS, Sessions

READS = ("clusters", "tasks", "task", "logs", "services", "service", "faults")
FOREIGN = {"Origin": "http://localhost:8099"}


@pytest.fixture(scope="module")
def visitor(ecs: Ecs) -> Visitor:
    return Visitor.let_in(ecs.cloud)


def test_the_page_itself_is_a_shell_that_tells_nothing_and_asks_nobody_else(ecs: Ecs) -> None:
    shell = Visitor(ecs.cloud).send("GET", PAGE)
    assert shell.status == 200
    assert shell.body == Visitor(ecs.cloud).send("GET", f"{PAGE}/").body
    policy = shell.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert shell.headers["cache-control"] == "no-store"
    assert b"style=" not in shell.body
    for each in ("main.mjs", "style.css", "icon.svg"):
        answer = Visitor(ecs.cloud).send("GET", f"{PAGE}/static/{each}")
        assert answer.status == 200
        assert b"http" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"")


@pytest.mark.parametrize("name", ["", "nothing.mjs", "../routes.py", "..%2froutes.py", "/etc/passwd"])
def test_the_page_has_no_other_files(ecs: Ecs, name: str) -> None:
    assert Visitor(ecs.cloud).send("GET", f"{PAGE}/static/{name}").status == 404


@pytest.mark.parametrize("route", READS)
@pytest.mark.parametrize("half", [[], ["Cookie"], ["X-Fargate-Local-Session"]], ids=["nothing", "cookie", "token"])
def test_data_takes_both_halves_of_a_session(visitor: Visitor, route: str, half: list[str]) -> None:
    shown = {name: visitor.session[name] for name in half}
    answer = visitor.send("GET", f"{PAGE}/api/{route}", headers=shown)
    assert answer.status == 403
    assert answer.content == {"message": "This page has no session, or no longer: run `fargate-local ui`."}


def test_the_halves_of_two_sessions_make_none(visitor: Visitor) -> None:
    other = Visitor.let_in(visitor.cloud)
    mixed = {**visitor.session, "Cookie": other.session["Cookie"]}
    assert visitor.send("GET", f"{PAGE}/api/clusters", headers=mixed).status == 403


def test_a_code_opens_one_session(ecs: Ecs) -> None:
    code = new_code(ecs.cloud)
    first = Visitor(ecs.cloud).bring(code)
    assert first.status == 200
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(f"fargate-local-{ecs.cloud.url.rpartition(':')[2]}=")
    assert {"HttpOnly", "SameSite=Strict", f"Path={PAGE}"} <= set(cookie.split("; "))
    for unusable in (code, "", "guessed"):
        again = Visitor(ecs.cloud).bring(unusable)
        assert again.status == 403
        assert "run `fargate-local ui` again" in again.content["message"]
        assert "set-cookie" not in again.headers


def test_codes_and_sessions_end_and_are_bounded() -> None:
    now = 1000.0
    sessions = Sessions(lambda: now)
    late = sessions.new_code()
    now += CODE_SECONDS
    assert sessions.begin(late) is None
    session = sessions.begin(sessions.new_code())
    assert session
    now += SESSION_SECONDS - 1
    assert sessions.holds(session.cookie, session.token)
    now += 1
    assert not sessions.holds(session.cookie, session.token)
    assert not sessions.holds("", "")
    oldest = sessions.new_code()
    for _ in range(MOST):
        sessions.new_code()
    assert sessions.begin(oldest) is None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_fargate/faults", 403),
        ("POST", "/_fargate/codes", 403),
        ("GET", "/moto-api/data.json", 403),
        ("GET", "/", 403),
    ],
)
def test_a_session_opens_nothing_but_the_page(visitor: Visitor, method: str, path: str, status: int) -> None:
    assert visitor.send(method, path, headers={**visitor.session, **visitor.origin}).status == status


def test_codes_are_for_the_servers_key_alone(ecs: Ecs) -> None:
    user = f"user-{uuid.uuid4().hex[:8]}"
    ecs.client("iam").create_user(UserName=user)
    made = ecs.client("iam").create_access_key(UserName=user)["AccessKey"]
    key = type(ecs.cloud.key)(made["AccessKeyId"], made["SecretAccessKey"], ecs.cloud.url)
    with pytest.raises(AdminError, match="Only the server's own key"):
        ask(key, "POST", "codes")


def test_pages_of_another_origin_get_neither_session_nor_data_nor_effect(visitor: Visitor) -> None:
    assert visitor.bring(new_code(visitor.cloud), **FOREIGN).status == 403
    for headers in (FOREIGN, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}):
        assert visitor.send("GET", f"{PAGE}/api/faults", headers={**visitor.session, **headers}).status == 403
    rule = {"fault": "capacity", "family": "none"}
    for origin in (FOREIGN, {}):
        answer = visitor.send("POST", f"{PAGE}/api/faults", rule, {**visitor.session, **origin})
        assert answer.status == 403
    assert visitor.send("POST", f"{PAGE}/session", {"code": new_code(visitor.cloud)}).status == 403
    assert "none" not in json.dumps(visitor.get("faults")["rules"])


def test_a_link_from_elsewhere_opens_the_shell_in_a_tab_and_nothing_more(ecs: Ecs) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    visitor = Visitor(ecs.cloud)
    assert visitor.send("GET", PAGE, headers=followed).status == 200
    assert visitor.send("GET", PAGE, headers={**followed, "Sec-Fetch-Dest": "iframe"}).status == 403
    assert visitor.send("GET", f"{PAGE}/static/main.mjs", headers=followed).status == 403
    assert visitor.send("GET", f"{PAGE}/api/clusters", headers=followed).status == 403
    assert visitor.send("POST", PAGE, headers=followed).status == 403


def test_an_open_servers_page_needs_no_code(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(options=("--open",)).cloud
    assert ask(cloud.key, "POST", "codes") == {"code": None}
    done = CliRunner().invoke(app, ["ui", "--json"], env=cloud.environment)
    assert json.loads(done.stdout) == {"url": f"{cloud.url}{PAGE}"}
    assert [each["name"] for each in Visitor(cloud).get("clusters")["clusters"]] == ["tests"]
    assert Visitor(cloud).send("POST", f"{PAGE}/api/faults", {"fault": "capacity"}).status == 403


def test_the_command_prints_an_address_whose_code_works(ecs: Ecs) -> None:
    for words in (["ui", "--no-browser"], ["ui", "--json"]):
        done = CliRunner().invoke(app, words, env={**ecs.cloud.environment, "BROWSER": "/bin/false"})
        url = done.stdout.strip() if "--json" not in words else json.loads(done.stdout)["url"]
        page, _, code = url.partition("#code=")
        assert page == f"{ecs.cloud.url}{PAGE}"
        assert Visitor(ecs.cloud).bring(code).status == 200


def test_the_command_opens_a_browser_and_shows_no_code_to_other_users(ecs: Ecs, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    env = {**os.environ, **ecs.cloud.environment, "BROWSER": str(browser), "XDG_STATE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "fargate_local", "ui"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    opened = (tmp_path / "opened").read_text().strip()
    assert opened.startswith("file://")
    assert "code" not in opened
    file = Path(opened.removeprefix("file://"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert done.stdout.strip() in file.read_text()
    env["BROWSER"] = "/no/such/browser"
    done = subprocess.run(command, env={**env, "PATH": ""}, capture_output=True, text=True, check=True)
    assert "open the address above yourself" in done.stderr


@pytest.fixture(scope="module")
def tasks(ecs: Ecs) -> Iterator[dict[str, str]]:
    """ARNs of tasks: one that runs, one that has failed."""
    running = ecs.run(ecs.define_shell("echo up; sleep 600", family="page-runs"), startedBy="someone")
    failed = ecs.run(ecs.define_shell("echo '<b>down</b>'; exit 3", family="page-fails"))
    ecs.until_status(running, "RUNNING")
    ecs.stopped(failed)
    yield {"running": running, "failed": failed}
    ecs.api.stop_task(cluster=ecs.cluster, task=running)


def test_tasks_are_listed_by_status_and_found_by_words(ecs: Ecs, visitor: Visitor, tasks: dict[str, str]) -> None:
    cluster = next(each for each in visitor.get("clusters")["clusters"] if each["name"] == ecs.cluster)
    assert cluster["tasks"]["RUNNING"] >= 1
    assert cluster["tasks"]["STOPPED"] >= 1

    def found(**query: str) -> list[str]:
        page = visitor.get("tasks", cluster=cluster["arn"], **query)
        return [task["taskArn"] for task in page["tasks"]]

    assert tasks["running"] in found(status="RUNNING")
    assert tasks["failed"] not in found(status="RUNNING")
    assert found(search="page-fails") == [tasks["failed"]]
    assert found(search="someone") == [tasks["running"]]
    assert found(search=tasks["failed"][-12:]) == [tasks["failed"]]
    assert set(found(search="page-")) == set(tasks.values())


def test_a_task_is_shown_whole_with_what_it_logged_as_it_was_written(
    ecs: Ecs, visitor: Visitor, tasks: dict[str, str]
) -> None:
    shown = visitor.get("task", arn=tasks["failed"])
    assert (shown["lastStatus"], shown["containers"][0]["exitCode"]) == ("STOPPED", 3)
    assert shown["logged"] == ["app"]
    page = visitor.get("logs", arn=tasks["failed"], container="app")
    assert [message for _, message in page["lines"]] == ["<b>down</b>"]
    assert (page["position"], page["ended"]) == (1, True)
    after = visitor.get("logs", arn=tasks["failed"], container="app", position=1)
    assert (after["lines"], after["position"]) == ([], 1)
    ecs.log_line(tasks["running"])
    assert not visitor.get("logs", arn=tasks["running"], container="app")["ended"]


@pytest.mark.parametrize(
    ("route", "status", "words"),
    [
        ("task?arn=none", 404, "There is no such task"),
        ("service?arn=none", 404, "There is no such service"),
        ("logs?arn=none&container=app", 404, "There is no such task"),
        ("tasks?cluster=none&before=x", 400, "invalid literal"),
        ("nothing", 404, "knows no 'nothing'"),
    ],
)
def test_what_is_not_there_is_said_so(visitor: Visitor, route: str, status: int, words: str) -> None:
    answer = visitor.send("GET", f"{PAGE}/api/{route}", headers=visitor.session)
    assert answer.status == status
    assert words in answer.content["message"]


def test_an_answer_that_has_not_changed_is_not_sent_again(visitor: Visitor, tasks: dict[str, str]) -> None:
    path = f"{PAGE}/api/task?arn={tasks['failed']}"
    first = visitor.send("GET", path, headers=visitor.session)
    again = visitor.send("GET", path, headers={**visitor.session, "If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_a_task_is_stopped_with_a_reason(ecs: Ecs, visitor: Visitor) -> None:
    arn = ecs.shell("sleep 600")
    ecs.until_status(arn, "RUNNING")
    assert visitor.change("POST", "stop", {"arn": arn, "reason": "seen enough"}).status == 200
    assert ecs.stopped(arn)["stoppedReason"] == "seen enough"
    refused = visitor.change("POST", "stop", {"arn": arn, "reason": "x" * 1025})
    assert (refused.status, refused.content["message"]) == (400, "reason length must be at most 1024.")


def test_a_fault_is_added_counted_and_removed(ecs: Ecs, visitor: Visitor, fargate_faults: AddFault) -> None:
    del fargate_faults  # it clears the rules after the test
    family = ecs.define_shell("true")
    added = visitor.change("POST", "faults", {"fault": "cannot-pull", "family": family, "message": "not today"})
    assert ecs.finish(family)["stoppedReason"] == "not today"
    (rule,) = [each for each in visitor.get("faults")["rules"] if each["id"] == added.content["id"]]
    assert rule["injected"] == 1
    assert visitor.change("DELETE", f"faults/{rule['id']}").status == 200
    assert ecs.finish(family)["containers"][0]["exitCode"] == 0
    assert visitor.change("DELETE", f"faults/{rule['id']}").status == 404


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"fault": "meteor"}, "'spot-interruption'"),
        ({"fault": "latency"}, "latency needs seconds"),
        ({"fault": "stuck", "state": "NOWHERE"}, "'PROVISIONING'"),
        ([], "must be a JSON object"),
    ],
)
def test_a_wrong_fault_is_refused_in_words(visitor: Visitor, rule: object, words: str) -> None:
    answer = visitor.change("POST", "faults", rule)
    assert answer.status == 400
    assert words in answer.content["message"]


def test_every_kind_of_fault_is_offered_with_fields_of_a_rule(visitor: Visitor) -> None:
    assert set(KINDS) == set(get_args(Fault))
    for kind in visitor.get("faults")["kinds"]:
        assert set(kind["fields"]) <= set(FaultRule.model_fields)


def test_a_services_deployments_and_events_are_shown(ecs: Ecs, visitor: Visitor) -> None:
    name = f"page-{uuid.uuid4().hex[:8]}"
    request = {"taskDefinition": ecs.define_shell("sleep 600"), "launchType": "FARGATE", "desiredCount": 1}
    arn = ecs.api.create_service(
        cluster=ecs.cluster, serviceName=name, networkConfiguration=ecs.network, **request
    )["service"]["serviceArn"]  # fmt: skip
    deadline = time.monotonic() + DEADLINE
    while not (shown := visitor.get("service", arn=arn))["events"] or "steady" not in shown["events"][0]["message"]:
        assert time.monotonic() < deadline, shown
        time.sleep(0.05)
    assert shown["deployments"][0]["rolloutState"] == "COMPLETED"
    listed = visitor.get("services", cluster=shown["clusterArn"])["services"]
    assert name in [each["serviceName"] for each in listed]
    ecs.api.delete_service(cluster=ecs.cluster, service=name, force=True)


def test_clusters_of_every_region_are_shown(cloud: FargateLocal) -> None:
    visitor = Visitor.let_in(cloud)
    assert visitor.get("clusters") == {"clusters": []}
    for region in ("us-east-1", "eu-west-1"):
        boto3.client("ecs", **{**cloud.client_args, "region_name": region}).create_cluster(clusterName="jobs")
    boto3.client("ecs", **cloud.client_args).create_cluster(clusterName="gone")
    boto3.client("ecs", **cloud.client_args).delete_cluster(cluster="gone")
    shown = [(each["name"], each["region"]) for each in visitor.get("clusters")["clusters"]]
    assert shown == [("jobs", "eu-west-1"), ("jobs", "us-east-1")]


def test_tasks_come_fifty_at_a_time_newest_first() -> None:
    records = Records()
    for number in range(120):
        stopped = number % 2
        records.save(
            {
                "taskArn": f"arn:{number}",
                "clusterArn": "c",
                "taskDefinitionArn": "d/family:1",
                "group": "g",
                "desiredStatus": "STOPPED" if stopped else "RUNNING",
                "lastStatus": "STOPPED" if stopped else "PENDING",
            }
        )
    first = records.newest("c", "RUNNING", "", None, 50)
    assert json.loads(first[0][1])["taskArn"] == "arn:118"
    rest = records.newest("c", "RUNNING", "", first[-1][0], 50)
    assert len(first) + len(rest) == 60
    assert json.loads(rest[-1][1])["taskArn"] == "arn:0"
    assert records.tally("c") == {"PENDING": 60, "STOPPED": 60}
    records.close()
