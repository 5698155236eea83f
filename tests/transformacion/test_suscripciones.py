"""fact_suscripciones_cuentas against a calculation that shares nothing with it but the rules."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest


def day(value: Any) -> date | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()


def expected_facts(tables: dict[str, pd.DataFrame]) -> dict[int, tuple[Any, ...]]:
    """By subscription: previous plan, change, churn, and the three numbers of days."""
    born = {a: d.date() for a, d in tables["accounts"][["account_id", "created_at"]].itertuples(index=False)}
    by_account: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    row: Any  # pandas cannot say which columns it has
    for row in tables["accounts_subscription"].itertuples():
        by_account[row.account_id].append(
            (day(row.start_date), row.account_subscription_id, row.subscription_id, day(row.end_date))
        )
    facts: dict[int, tuple[Any, ...]] = {}
    for account, history in by_account.items():
        history.sort()
        for position, (start, key, plan, end) in enumerate(history):
            previous = history[position - 1] if position else None
            followed = any(
                other[3] is None or other[3] > end or (other[3] == end and other[:2] > (start, key))
                for other in history
                if other[1] != key and end is not None
            )
            facts[key] = (
                previous[2] if previous else None,
                "Nueva Suscripción"
                if previous is None
                else {1: "Upgrade", 0: "Misma Suscripción", -1: "Downgrade"}[
                    (plan > previous[2]) - (plan < previous[2])
                ],
                end if end is not None and not followed else None,
                (end - start).days if end else None,
                (start - previous[0]).days if previous else None,
                (start - born[account]).days,
            )
    return facts


def test_the_facts_equal_an_independent_calculation(
    lake: Any, random_business: Callable[[int, int], dict[str, pd.DataFrame]]
) -> None:
    tables = random_business(7, 1500)
    lake.load(tables)
    lake.daily()
    rows = lake.rows(
        "select f.id_suscripcion_cuenta, p.id_suscripcion, f.tipo_cambio, f.fecha_churn, f.duracion_dias, "
        "f.dias_desde_cambio_anterior, f.dias_desde_inicio_cuenta "
        "from marts.fact_suscripciones_cuentas f "
        "left join marts.dim_suscripciones p on f.id_dim_suscripcion_anterior = p.id_dim_suscripcion"
    )
    assert len(rows) == len(tables["accounts_subscription"])
    assert {row[0]: row[1:] for row in rows} == expected_facts(tables)


@pytest.mark.parametrize(
    ("key", "dimension"),
    [("id_dim_cuenta", "dim_cuentas_base"), ("id_dim_suscripcion", "dim_suscripciones")],
)
def test_the_keys_are_versions_valid_on_the_first_day(lake: Any, key: str, dimension: str) -> None:
    assert lake.rows(
        f"select count(*) from marts.fact_suscripciones_cuentas f left join marts.{dimension} d "
        f"on f.{key} = d.{key} and f.fecha_inicio between d.valido_desde and d.valido_hasta where d.{key} is null"
    ) == [(0,)]
