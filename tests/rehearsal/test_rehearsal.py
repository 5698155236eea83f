"""Production, rehearsed: from an empty account to a running platform, by the page that tells people how.

The tests follow each other on one account.
"""

from pathlib import Path

import pytest
from tests.rehearsal.account import Account, until
from tests.rehearsal.page import read_steps
from tests.support.podman import needs_podman

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(2400), needs_podman[1]]
DAILY = "pipeline_suscripciones"
STEADY = {(1, 1, "COMPLETED"), (2, 2, "COMPLETED")}


def test_the_page_leads_from_an_empty_account_to_a_running_platform(account: Account, repository: Path) -> None:
    for step in read_steps(repository / "docs" / "infrastructure.md"):
        account.follow(step)
    assert len(account.services()) == 4
    assert set(account.services().values()) <= STEADY


def test_the_daily_pipeline_runs(account: Account) -> None:
    account.trigger(DAILY, "first")
    assert account.ended("first") == "success", account.tasks_of("first")
    assert len(account.containers("first")) == 2


def test_airflow_is_replaced_while_the_daily_pipeline_waits(account: Account) -> None:
    """Its containers take two minutes to start, so that the services are replaced meanwhile."""
    modules = ("datavision-dev-ingesta", "datavision-dev-transformacion")
    slow = [account.cloud.add_fault("stuck", state="PENDING", family=module, seconds=120) for module in modules]
    account.trigger(DAILY, "second")
    until(lambda: "deferred" in account.tasks_of("second").values(), 300)
    before = account.airflow_tasks()
    (account.project / "packages/orchestration/src/datavision/__init__.py").open("a").write("# another one\n")
    account.run("git", "commit", "--all", "--message", "Another Airflow")
    account.run("datavision", "release", "--env", "dev", "--push")
    for number in slow:
        account.cloud.remove_fault(number)
    assert not before & account.airflow_tasks()
    assert set(account.services().values()) <= STEADY
    assert account.ended("second") == "success", account.tasks_of("second")
    assert len(account.containers("second")) == 2
