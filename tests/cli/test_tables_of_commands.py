"""Every command that prints a table: on a terminal of 80 columns, and in a pipe.

The command's own code makes the rows; only where its data comes from is replaced, by records as long as they get.
"""

import ast
import fcntl
import os
import pty
import struct
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from tests.support.audits import audit as launched

from datavision.airflow_api import TaskState
from datavision.alerts.channels import Sent
from datavision.cli import alerts, audit, doctor, image, infra, pins, progress, reap, release, rollback, source, sql
from datavision.doctor import Finding
from datavision.infra.changes import Change
from datavision.infra.drift import Drift
from datavision.infra.plan import StackPlan
from datavision.local import source as local_source
from datavision.local.sql import Answer
from datavision.pins import Pin, PinnedImage
from datavision.reap import Reaped
from datavision.release.diff import Diff
from datavision.release.pins.drift import PinState
from datavision.release.pins.history import PinnedVersion
from datavision.run import RunOutcome, TaskOutcome
from datavision.spending import By
from fargate_local.cli import balancers, faults, iam, stats, tasks

REPOSITORY = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "0123456789abcdef" * 4
SHORT_DIGEST = DIGEST[:19]
ID = "84c9fae7422d48d3acc588d72d687381"
PIPELINE = "pipeline_suscripciones"
MOMENT = "2026-11-23T10:00:00+00:00"
RUN_ID = "manual__2026-11-23T09:50:59.468380+00:00"
WHY = "the registry has another image under its tag; release again, or say which one is meant"
IMAGE = PinnedImage(
    repository="datavision/transformacion", tag="1.10.0", digest=DIGEST, task_definition="datavision-prod-transfor:117"
)
PIN = Pin(
    version="1.10.0",
    commit="0123abcde" * 4,
    pinned_at=MOMENT,
    pinned_by="Ana María Fernández <ana.maria.fernandez@datavision.example>",
    reason="segmentos vacíos desde la versión anterior, véase el reporte del lunes",
    images={"ingesta": IMAGE, "transformacion": IMAGE},
)
REGISTERED = SimpleNamespace(
    repository=IMAGE.repository,
    digest=DIGEST,
    tags=("1.10.0", "src-0123456789abcdef"),
    pushed_at=datetime(2026, 11, 23, tzinfo=UTC),
    size=155_330_621,
)
TASK: dict[str, Any] = {
    "taskArn": f"arn:aws:ecs:us-east-1:123456789012:task/datavision-local/{ID}",
    "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/datavision-local",
    "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/datavision-local-transformacion:117",
    "lastStatus": "DEPROVISIONING",
    "createdAt": datetime(2026, 11, 23, tzinfo=UTC),
    "containers": [{"exitCode": 137}],
    "stoppedReason": "OutOfMemoryError: Container killed due to memory usage",
}
LAUNCH = launched(
    PIPELINE,
    RUN_ID,
    date(2026, 11, 23),
    datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp(),
    task_id="fact_rfm",
    map_index=117,
    try_number=3,
    launch=2,
    outcome="spot-interruption",
    triggered_by="ana.maria.fernandez",
    release="1.10.0",
    cpu=16384,
    memory=122880,
    seconds=1234.5,
    cost_usd=0.0123,
)
RULE = {"id": 1, "matched": 3, "injected": 2, "fault": "spot-interruption", "family": "datavision-local-transformacion"}
MEASURED = {
    "task": TASK["taskArn"], "container": "datavision-local-transformacion", "cpus": 1.25, "cpus_reserved": 16.0,
    "memory": 16384 * 2**20, "memory_limit": 122880 * 2**20, "processes": 117,
}  # fmt: skip
LISTENER = {
    "loadBalancer": "datavision-prod-airflow", "protocol": "HTTPS", "port": 443, "url": "https://127.0.0.1:22384",
    "problem": "", "targets": [{"state": "healthy"}, {"state": "draining"}],
}  # fmt: skip

STACK = "datavision-prod-observability"
CHANGE = Change(
    "AuroraParameterGroupOfTheLakehouse", "AWS::RDS::DBClusterParameterGroup", "replace", ("Family", "Description")
)
PLANNED = [StackPlan(STACK, "update", (CHANGE,)), StackPlan("datavision-prod-airflow", "create")]
DRIFTED = [
    Drift(STACK, CHANGE.resource, CHANGE.kind, "modified", ("/Family: aurora-postgresql16 → aurora-postgresql17",))
]
ROLE = "arn:aws:iam::123456789012:role/datavision-prod-transformacion-task"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:datavision/prod/lakehouse_catalog_url-AbCdEf"
USED = {
    "role": ROLE,
    "used": [{"action": "secretsmanager:GetSecretValue", "times": 12, "resources": [SECRET]}],
    "refused": [],
    "unused": [{"policy": "lakehouse", "statement": "Write", "actions": ["s3:AbortMultipartUpload"], "resources": []}],
}

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Case:
    """A command, what replaces its data, and words that must come out whole."""

    replaced: dict[str, Any]
    call: Callable[[], object]
    words: tuple[str, ...]
    records: int = 1
    stream: str = "stdout"
    shortened: tuple[str, ...] = ()
    """What a terminal shows instead of `words`, of a table that keeps to a line a record."""


def gives(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


ENVIRONMENT = gives(nullcontext(SimpleNamespace(env="prod", alerts=SimpleNamespace(monthly_budget_usd=50.0))))
CASES = {
    "pins": Case(
        {
            "datavision.cli.pins.environment": ENVIRONMENT,
            "datavision.cli.pins.repository": gives(None),
            "datavision.cli.pins.pinned_names": gives([]),
            "datavision.cli.pins.pin_states": gives([PinState("prod", PIPELINE, PIN, MOMENT, "0123abcde", (WHY, WHY))]),
        },
        lambda: pins.pins(env=["prod"]),
        (PIPELINE, MOMENT, "0123abcde"),
    ),
    "doctor": Case(
        {
            "datavision.cli.doctor.environment": ENVIRONMENT,
            "datavision.cli.doctor.examine_environment": gives([Finding(f"secret {IMAGE.repository}", DIGEST, WHY)]),
            "datavision.cli.doctor.pipelines_of": gives([]),
        },
        lambda: doctor.doctor("prod"),
        (IMAGE.repository, DIGEST),
    ),
    "history": Case(
        {
            "datavision.cli.rollback.environment": ENVIRONMENT,
            "datavision.cli.rollback._history": gives([PinnedVersion(PIN, "fedc43210" * 4)]),
            "datavision.cli.rollback.runs_by_release": gives({"1.10.0": 1234}),
        },
        lambda: rollback.history(PIPELINE, "prod"),
        (MOMENT, "Fernández", "1.10.0"),
    ),
    "rollback": Case(
        {
            "datavision.cli.rollback.environment": ENVIRONMENT,
            "datavision.cli.rollback._history": gives(
                [PinnedVersion(PIN, "f" * 40), PinnedVersion(PIN.model_copy(update={"version": "1.9.0"}), "e" * 40)]
            ),
            "datavision.cli.rollback.runs_by_release": gives({"1.10.0": 1234, "1.9.0": 0}),
            "datavision.cli.rollback.Prompt.ask": gives("1.9.0"),
            "datavision.cli.rollback.pin_back": gives(SimpleNamespace(before="1.10.0", pin=PIN)),
            "sys.stdin": SimpleNamespace(isatty=lambda: True),
        },
        lambda: rollback.rollback(PIPELINE, "prod"),
        (MOMENT, "Fernández", "1.10.0"),
        records=2,
        stream="stderr",
    ),
    "diff": Case(
        {
            "datavision.cli.rollback.environment": ENVIRONMENT,
            "datavision.cli.rollback.compare": gives(
                Diff(
                    PIPELINE,
                    "1.9.0",
                    "1.10.0",
                    {"transformacion": ("src-0123456789abcdef", "1.10.0")},
                    {"transformacion": [f"0123abcde {WHY}"]},
                    {"apache-airflow-providers-amazon": ("9.38.0", "9.39.0")},
                    {"fact_suscripciones_cuentas": "changed"},
                )
            ),
        },
        lambda: rollback.diff(PIPELINE, "1.9.0", "1.10.0", "prod"),
        ("apache-airflow-providers-amazon", "fact_suscripciones_cuentas", "src-0123456789abcdef", "0123abcde"),
        records=4,
    ),
    "image prune": Case(
        {
            "datavision.cli.image.environment": ENVIRONMENT,
            "datavision.cli.image.prune_registry": gives(SimpleNamespace(removable=(REGISTERED,), summary="1 image")),
        },
        lambda: image.prune("prod"),
        (IMAGE.repository, "2026-11-23", "src-0123456789abcdef"),
    ),
    "reap": Case(
        {
            "datavision.cli.reap._airflow": gives((None, nullcontext())),
            "datavision.cli.reap.stop_leftovers": gives(
                [Reaped(TASK["taskArn"], f"{PIPELINE}.fact_rfm", RUN_ID, WHY, 1234.5, 0.0123)]
            ),
        },
        lambda: reap.reap("prod", dry_run=True),
        (f"{PIPELINE}.fact_rfm", RUN_ID, ID),
    ),
    "alert-test": Case(
        {
            "datavision.cli.alerts.environment": ENVIRONMENT,
            "datavision.cli.alerts.send": gives([Sent("mail"), Sent("workflows")]),
        },
        lambda: alerts.alert_test("prod"),
        ("workflows", "sent"),
        records=2,
    ),
    "audit": Case(
        {"datavision.cli.audit.environment": ENVIRONMENT, "datavision.cli.audit._records": gives([LAUNCH])},
        lambda: audit.audit("prod"),
        (f"{PIPELINE}.fact_rfm[117]", RUN_ID, "ana.maria.fernandez", "2026-11-23T10:00:00+00:00", "spot-interruption"),
    ),
    "cost": Case(
        {"datavision.cli.audit.environment": ENVIRONMENT, "datavision.cli.audit._records": gives([LAUNCH])},
        lambda: audit.cost("prod", by=By.RUN),
        (PIPELINE, RUN_ID, "0.0123"),
    ),
    "release": Case(
        {
            "datavision.cli.release.environment": ENVIRONMENT,
            "datavision.cli.release.make_release": gives(
                SimpleNamespace(version="1.10.0", env="prod", images=PIN.images)
            ),
        },
        lambda: release.release("prod"),
        (IMAGE.task_definition,),
        records=2,
    ),
    "release --dry-run": Case(
        {
            "datavision.cli.release.environment": ENVIRONMENT,
            "datavision.cli.release.plan_release": gives(
                SimpleNamespace(
                    env="prod",
                    version="1.10.0",
                    previous=PIN,
                    previous_images=PIN.images,
                    modules=[SimpleNamespace(module="transformacion", image=REGISTERED)],
                )
            ),
        },
        lambda: release.release("prod", dry_run=True),
        ("transformacion",),
    ),
    "promote": Case(
        {
            "datavision.cli.release.load": gives(None),
            "datavision.cli.release.promote_pins": gives(SimpleNamespace(pins={PIPELINE: PIN})),
        },
        lambda: release.promote("dev", "prod"),
        (PIPELINE, IMAGE.task_definition),
        records=2,
    ),
    "source load": Case(
        {
            "datavision.cli.source._url": gives(nullcontext("")),
            "datavision.cli.source._progress": gives(nullcontext()),
            "datavision.local.source.load": gives({"account_premium_features": 123_456_789}),
        },
        lambda: source.load(until=datetime(2026, 11, 23)),
        ("account_premium_features", "123,456,789"),
    ),
    "sql": Case(
        {
            "datavision.cli.sql._settings": gives(nullcontext()),
            "datavision.local.sql.Reader.open": lambda *_: nullcontext(SimpleNamespace(ask=answer)),
        },
        lambda: sql.sql("select"),
        (DIGEST, RUN_ID, "2026-11-23"),
    ),
    "run": Case(
        {},
        lambda: progress.print_outcome(
            RunOutcome(
                PIPELINE,
                RUN_ID,
                "success",
                75.0,
                (TaskOutcome(TaskState("transformacion_contenidos", 117, "up", 1, 2)),),
            )
        ),
        (PIPELINE, "transformacion_contenidos[117]"),
    ),
    "infra plan": Case(
        {"datavision.cli.infra.environment": ENVIRONMENT, "datavision.cli.infra.infra.plan": gives(PLANNED)},
        lambda: infra.plan("prod"),
        (STACK, "AuroraParameterGroupOfTheLakehouse"),
        records=2,
    ),
    "infra drift": Case(
        {"datavision.cli.infra.environment": ENVIRONMENT, "datavision.cli.infra.infra.detect_drift": gives(DRIFTED)},
        lambda: infra.drift("prod"),
        (STACK, "AuroraParameterGroupOfTheLakehouse", "modified"),
    ),
    "fargate-local iam used": Case(
        {"fargate_local.cli.iam.ask": gives({"roles": [USED]})},
        iam.used,
        ("datavision-prod-transformacion-task", "secretsmanager:GetSecretValue", "s3:AbortMultipartUpload"),
        records=2,
    ),
    "fargate-local ps": Case(
        {"fargate_local.cli.tasks.asking": gives(nullcontext()), "fargate_local.cli.tasks.find_tasks": gives([TASK])},
        tasks.ps,
        (ID, "datavision-local-transformacion:117", "DEPROVISIONING", "OutOfMemoryError:"),
        shortened=(ID[:12], "datavision-local-transformacion:117", "DEPROVISIONING"),
    ),
    "fargate-local stats": Case(
        {"fargate_local.cli.stats.ask": gives({"containers": [MEASURED]})},
        stats.stats,
        (ID, "datavision-local-transformacion", "1.25", "16384"),
        shortened=(ID[:12], "1.25", "16384"),
    ),
    "fargate-local balancers": Case(
        {"fargate_local.cli.balancers.ask": gives({"listeners": [LISTENER]})},
        balancers.balancers,
        ("datavision-prod-airflow", "HTTPS", "https://127.0.0.1:22384", "healthy,"),
    ),
    "fargate-local faults list": Case(
        {"fargate_local.cli.faults.ask": gives({"rules": [RULE]})},
        faults.list_rules,
        ("spot-interruption", "family=datavision-local-transformacion"),
    ),
}


def answer(_: str) -> Answer:
    columns = ("digest", "run_id", "day", "description")
    return Answer(
        columns, ("VARCHAR", "VARCHAR", "DATE", "VARCHAR"), iter([[(DIGEST, RUN_ID, date(2026, 11, 23), WHY)]])
    )


def terminal(patch: Patch, case: Case) -> str:
    """What the command shows on a terminal of 80 columns."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    shown = b""

    def read() -> None:
        nonlocal shown
        try:
            while part := os.read(parent, 4096):
                shown += part
        except OSError:  # Linux says so when the last writer has gone
            return

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(child, "w", encoding="utf-8") as screen, patch.context() as during:
        for name in ("COLUMNS", "LINES", "FORCE_COLOR"):
            during.delenv(name, raising=False)
        during.setenv("NO_COLOR", "1")
        during.setenv("TERM", "dumb")
        during.setattr(sys, case.stream, screen)
        # Where the width of the terminal is asked for, whichever stream the table goes to.
        during.setattr(sys, "__stdout__", screen)
        call(case)
    reader.join(10)
    os.close(parent)
    return shown.decode().replace("\r\n", "\n")


def call(case: Case) -> None:
    try:
        case.call()
    except typer.Exit:  # drift, or a finding
        return


@pytest.mark.parametrize("name", CASES)
def test_a_command_s_table_fits_80_columns_whole_and_is_a_record_a_line_in_a_pipe(
    name: str, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    for place, value in case.replaced.items():
        monkeypatch.setattr(place, value)
    shown = terminal(monkeypatch, case)
    assert [line for line in shown.splitlines() if cell_len(line) > 80] == []
    assert "…" not in shown
    assert [word for word in case.shortened or case.words if word not in shown.split()] == []
    capsys.readouterr()
    call(case)
    piped = getattr(capsys.readouterr(), case.stream[3:]).splitlines()
    records = [line for line in piped if "\t" in line]
    assert len(records) == 1 + case.records, piped
    assert {line.count("\t") for line in records} == {records[0].count("\t")}
    assert [word for word in case.words if word not in " ".join(records).split()] == []


SHOWING = ("show_table", "say_table", "say_columns")


def test_every_place_that_shows_a_table_is_tried() -> None:
    ours = (alerts, audit, doctor, image, infra, pins, progress, reap, release, rollback, source, sql)
    tried = {getattr(module, "__name__", "") for module in (*ours, balancers, faults, iam, stats, tasks)}
    showing = set()
    for path in REPOSITORY.glob("packages/*/src/**/*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        if any(isinstance(c.func, ast.Name) and c.func.id in SHOWING for c in calls):
            showing.add(".".join(path.relative_to(REPOSITORY).parts[3:]).removesuffix(".py"))
    assert showing - {"fargate_local.cli.output"} == tried, "but the place where they are made"
    assert local_source  # patched by name above
