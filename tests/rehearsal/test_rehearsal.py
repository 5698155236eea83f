"""Production, rehearsed: from an empty account to a running platform, by the page that tells people how, and its days.

The tests follow each other on one account.
"""

import json
import re
from pathlib import Path

import pytest
from tests.rehearsal.account import CLUSTER, Account
from tests.rehearsal.network import in_a_public_subnet, in_private_subnets, listening, reached
from tests.rehearsal.page import read_steps
from tests.rehearsal.report import permissions
from tests.rehearsal.roles import BORNE, REFUSED, action_of, granted, read_reasons, refusal, signing_as, unused
from tests.support.podman import needs_podman

from datavision.source_tables import SOURCE_TABLES

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(2400), needs_podman[1]]
DAILY = "pipeline_suscripciones"
MODULES = ["ingesta", "transformacion"]
STEADY = {(1, 1, "COMPLETED"), (2, 2, "COMPLETED")}


def test_the_page_leads_from_an_empty_account_to_a_running_platform(account: Account, repository: Path) -> None:
    for step in read_steps(repository / "docs" / "infrastructure.md"):
        account.follow(step)
    assert len(account.services()) == 4
    assert set(account.services().values()) <= STEADY


def test_the_daily_pipeline_brings_the_business_to_the_lakehouse(account: Account) -> None:
    account.trigger(DAILY, "first")
    assert account.ended("first") == "success", account.tasks_of("first")
    assert sorted(account.digests("first")) == MODULES
    assert len(account.containers("first")) == len(MODULES)

    def counted(schema: str) -> str:
        return " union all ".join(f"select '{table}', count(*) as n from {schema}.{table}" for table in SOURCE_TABLES)

    there = dict(account.source(counted("public")))
    here = [tuple(row.values()) for row in account.lakehouse(counted("raw_datavision"))]
    assert dict(here) == there
    assert min(there.values()) > 0
    current = "select count(*) as n from marts.dim_cuentas_base where es_actual"
    assert account.lakehouse(current) == [{"n": there["accounts"]}]
    paid = "select sum({}) as paid from {}"
    ((paid_there,),) = account.source(paid.format("amount", "subscription_payments"))
    assert account.lakehouse(paid.format("monto", "staging.stg_subscription_payments")) == [{"paid": float(paid_there)}]


def test_the_watchdog_looks_for_runs_that_did_not_start(account: Account) -> None:
    assert account.watch() == 0


def test_airflow_and_a_module_are_released_while_a_run_waits_for_its_container(account: Account) -> None:
    with account.waiting(DAILY, "second"):
        before = account.airflow_tasks()
        for folder in ("orchestration/src/datavision", "transformacion/src/transformacion"):
            with (account.project / "packages" / folder / "__init__.py").open("a") as source:
                source.write("# another one\n")
        account.run("git", "commit", "--all", "--message", "Another Airflow, another transformacion")
        with signing_as(account, "ci-release"):
            account.run("datavision", "release", "--env", "dev", "--push")
        assert not before & account.airflow_tasks()
        assert set(account.services().values()) <= STEADY
        assert account.tasks_of("second")["ingesta"] == "deferred"
    assert account.ended("second") == "success", account.tasks_of("second")
    assert account.side_by_side("second") == []
    assert account.digests("second") == account.digests("first"), "a run keeps the images that it started with"


def test_a_pipeline_that_was_rolled_back_survives_the_death_of_each_of_airflows_services(account: Account) -> None:
    released = account.pinned(DAILY)
    oldest = json.loads(account.run("datavision", "history", DAILY, "--env", "dev", "--json"))[-1]["version"]
    with signing_as(account, "ci-rollback"):
        account.run("datavision", "rollback", DAILY, "--to", oldest, "--env", "dev", "--reason", "rehearsed", "--push")
    assert account.pinned(DAILY) == account.digests("first") != released
    assert account.pinned("pipeline_fact_rfm") == released, "no other pipeline is rolled back"
    with account.waiting(DAILY, "third"):
        for service in account.services():
            account.kill(service)
    assert account.ended("third") == "success", account.tasks_of("third")
    assert account.side_by_side("third") == []
    assert account.digests("third") == account.digests("first")


def test_nothing_that_is_needed_was_refused_and_what_was_not_used_has_a_reason(account: Account) -> None:
    asked = {role["role"].rpartition(f"/{CLUSTER}-")[2]: role for role in permissions(account)}
    assert {(name, each["action"]) for name, role in asked.items() for each in role["refused"]} == BORNE
    reasons = read_reasons()
    assert [
        (name, what) for name in asked for what in sorted(unused(asked[name])) if what not in reasons.get(name, {})
    ] == []
    # What has a reason may be used in some rehearsals: those at the hour of a maintenance.
    assert [(name, what) for name, given in reasons.items() for what in given.keys() - granted(account, name)] == []


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_that(what: str, account: Account) -> None:
    action = action_of(REFUSED[what])
    assert re.match(rf"AccessDenied(Exception)?: .* is not authorized to perform: {action} ", refusal(account, what))


def test_containers_reach_the_database_and_nothing_outside(account: Account) -> None:
    outside = ("github.com:443", "pypi.org:443")
    with listening() as place:
        for group in ("task", "airflow"):
            found = reached(account, in_private_subnets(account, group), *outside, place, account.source_address)
            assert found.pop(account.source_address) == "reached"
            assert found.pop(place) == "TimeoutError"
            # This machine may know no address of these names.
            assert set(found.values()) <= {"TimeoutError", "gaierror"}
        assert reached(account, in_a_public_subnet(account), place) == {place: "reached"}, "it is there to be reached"
