"""Tables that are written anew only where their sources changed are those that a rebuild makes."""

from collections.abc import Callable

import pandas as pd
import pytest
from tests.transformacion.conftest import Lake
from tests.transformacion.test_historia import check_invariants

BUILT = {
    "marts.dim_contenidos": "dim_contenidos",
    "marts.dim_cuentas_base": "dim_cuentas_base",
    "marts.dim_suscripciones": "dim_suscripciones",
    "marts.dim_cuentas": "dim_cuentas",
    "marts.fact_suscripciones_cuentas": "fact_suscripciones_cuentas",
}
RAW = "lake.raw_datavision"
ROUNDS = 2


def state(lake: Lake) -> dict[str, list[str]]:
    """The rows of each table, in an order of their own."""
    return {table: sorted(map(repr, lake.rows(f"select * from {table}"))) for table in BUILT}


def identities(lake: Lake) -> dict[str, str]:
    names = ", ".join(f"'{name}'" for name in BUILT.values())
    return dict(
        lake.rows(f"select table_name, table_uuid::text from ducklake_table_info('lake') where table_name in ({names})")
    )


def some(seed: int, key: str, share: int) -> str:
    """A condition that holds for about this many rows in a hundred."""
    return f"hash({key}, {seed}) % 100 < {share}"


def live_a_day(seed: int) -> list[str]:
    """Corrections, late rows, deletions, returns and moves in every table that a model reads."""
    now = f"timestamp '2026-02-01' + interval {seed} hour"
    return [
        f"update {RAW}.accounts set account_name = 'a{seed}', updated_at = {now} where {some(seed, 'account_id', 6)}",
        f"update {RAW}.accounts set email = 'sin fecha {seed}' where {some(seed + 10, 'account_id', 3)}",
        f"update {RAW}.accounts set created_at = created_at + interval 40 day where {some(seed + 20, 'account_id', 3)}",
        f"delete from {RAW}.accounts where {some(seed + 30, 'account_id', 3)}",
        f"insert into {RAW}.accounts from {RAW}.vueltas "
        f"where account_id not in (select account_id from {RAW}.accounts)",
        f"update {RAW}.contents set title = 'c{seed}', updated_at = {now} where {some(seed, 'content_id', 5)}",
        f"update {RAW}.contents set title = 'tarde', updated_at = created_at where {some(seed + 1, 'content_id', 2)}",
        f"delete from {RAW}.contents where {some(seed + 2, 'content_id', 2)}",
        f"update {RAW}.content_attributes set string_value = 's{seed}' where {some(seed + 3, 'content_id', 4)}",
        f"delete from {RAW}.content_attributes where {some(seed + 4, 'content_id', 4)}",
        f"update {RAW}.accounts_subscription set account_id = 1 + (account_id * 7) % 100 "
        f"where {some(seed, 'account_subscription_id', 4)}",
        f"update {RAW}.accounts_subscription set end_date = start_date + 30 "
        f"where {some(seed + 1, 'account_subscription_id', 4)}",
        f"delete from {RAW}.accounts_subscription where {some(seed + 2, 'account_subscription_id', 4)}",
        f"insert into {RAW}.accounts_subscription select account_subscription_id + 100000 * {seed + 1}, "
        "* exclude (account_subscription_id) replace (date '2024-03-01' as start_date) "
        f"from {RAW}.accounts_subscription where {some(seed + 3, 'account_subscription_id', 3)}",
        f"update {RAW}.subscription_payments set amount = amount + 1 where {some(seed, 'payment_id', 5)}",
    ]


@pytest.mark.slow
def test_after_random_changes_every_table_is_what_a_rebuild_makes(
    lake: Lake, random_business: Callable[[int, int], dict[str, pd.DataFrame]]
) -> None:
    lake.load(random_business(31, 100))
    lake.execute(f"create table {RAW}.vueltas as from {RAW}.accounts")
    lake.daily()
    lake.dbt("run", "--select", "fact_rfm+")
    made = identities(lake)
    for seed in range(ROUNDS):
        before = state(lake)
        lake.execute(*live_a_day(seed))
        if seed == ROUNDS - 1:
            # A plan's new name reaches every subscription of it.
            lake.execute(f"update {RAW}.subscriptions set subscription_name = 'Premium' where subscription_id = 3")
        lake.daily()
        check_invariants(lake)
        changed = state(lake)
        assert all(changed[table] != before[table] for table in BUILT if table != "marts.dim_suscripciones")
        rebuilt = identities(lake)
        kept = set(BUILT.values()) - ({"fact_suscripciones_cuentas"} if seed == ROUNDS - 1 else set())
        assert {name for name in kept if rebuilt[name] != made[name]} == set(), "built anew"
        lake.dbt("run", "--select", *BUILT.values(), "--full-refresh")
        assert state(lake) == changed
        new = identities(lake)
        assert all(new[name] != rebuilt[name] for name in BUILT.values())
        if seed < ROUNDS - 1:
            # Their sources are other tables now: everything is built from these once.
            lake.daily()
            made = identities(lake)
