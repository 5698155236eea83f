"""fact_rfm against a calculation that shares nothing with it but the rules."""

import json
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dbt.cli.main import dbtRunner
from tests.transformacion.conftest import Lake

from datavision_lakehouse import connect
from transformacion.report.data import read
from transformacion.report.numbers import money
from transformacion.report.page import render
from transformacion.variables import dbt_environment
from transformacion.workspace import workspace

DATES = [date(2025, 8, 31), date(2025, 12, 31), date(2025, 3, 15)]
SEGMENTS: list[tuple[str, Callable[[int, int, int], bool]]] = [
    ("Campeones", lambda r, f, m: r >= 4 and f >= 4 and m >= 4),
    ("Clientes Leales", lambda r, f, m: r >= 4 and f >= 3 and m >= 3),
    ("Clientes de Alto Valor", lambda r, f, m: r >= 4 and m >= 4 and f < 3),
    ("Clientes Potenciales", lambda r, f, m: r >= 4 and f >= 2 and m >= 2),
    ("Nuevos Clientes", lambda r, f, m: r == 5 and f <= 2 and m <= 2),
    ("No se pueden perder", lambda r, f, m: r <= 2 and f >= 4 and m >= 4),
    ("Necesitan Atención", lambda r, f, m: r == 3 and f >= 4 and m >= 4),
    ("En Riesgo", lambda r, f, m: r <= 3 and f >= 2 and m >= 2),
    ("Perdidos", lambda r, f, m: r == 1 and f == 1 and m == 1),
    ("Clientes Dormidos", lambda r, f, m: r <= 2 and f <= 2 and m <= 2),
    ("Clientes Regulares", lambda r, f, m: True),
]


def six_months_before(day: date) -> date:
    return (pd.Timestamp(day) - pd.DateOffset(months=6)).date()


def quintiles(ordered: list[int]) -> dict[int, int]:
    """Five buckets as equal as possible, the first ones one larger."""
    size, larger = divmod(len(ordered), 5)
    buckets: dict[int, int] = {}
    position = 0
    for bucket in range(1, 6):
        for account in ordered[position : position + size + (bucket <= larger)]:
            buckets[account] = bucket
        position += size + (bucket <= larger)
    return buckets


def expected_rfm(tables: dict[str, pd.DataFrame], day: date) -> dict[int, dict[str, Any]]:
    """The segmentation of one date by account, in plain Python over the source's tables."""
    start = six_months_before(day)
    plans, born = tables["accounts_subscription"], tables["accounts"]
    old_enough = set(born.loc[born["created_at"].dt.date <= start, "account_id"])
    end = pd.to_datetime(plans["end_date"])
    active = plans[
        (plans["start_date"].dt.date <= day) & (end.isna() | (end.dt.date >= day)) & (plans["subscription_id"] != 1)
    ]
    accounts = sorted(old_enough & set(active["account_id"]))

    owner = dict(zip(plans["account_subscription_id"], plans["account_id"], strict=True))
    payments = tables["subscription_payments"]
    features, contents = tables["account_premium_features"], tables["contents"]
    activity = [
        *(
            ("content", a, d.date(), Decimal(0))
            for a, d in contents[["account_id", "created_at"]].itertuples(index=False)
        ),
        *(
            ("payment", owner[s], d.date(), Decimal(f"{m:.2f}"))
            for s, d, m in payments[["account_subscription_id", "payment_date", "amount"]].itertuples(index=False)
        ),
        *(
            ("feature", a, d.date(), Decimal(f"{m:.2f}"))
            for a, d, m in features[["account_id", "purchase_date", "amount_paid"]].itertuples(index=False)
        ),
    ]
    last: dict[int, date] = {}
    count: Counter[tuple[int, str]] = Counter()
    paid: dict[tuple[int, str], Decimal] = {}
    for kind, account, when, amount in activity:
        if start <= when <= day:
            last[account] = max(when, last.get(account, when))
            count[account, kind] += 1
            paid[account, kind] = paid.get((account, kind), Decimal(0)) + amount

    def days(account: int) -> int:
        return (day - last.get(account, start - timedelta(days=1))).days

    def frequency(account: int) -> int:
        return sum(count[account, kind] for kind in ("content", "payment", "feature"))

    def money(account: int) -> Decimal:
        return paid.get((account, "payment"), Decimal(0)) + paid.get((account, "feature"), Decimal(0))

    recency_score = quintiles(sorted(accounts, key=lambda a: (-days(a), a)))
    frequency_score = quintiles(sorted(accounts, key=lambda a: (frequency(a), a)))
    monetary_score = quintiles(sorted(accounts, key=lambda a: (money(a), a)))
    result = {}
    for account in accounts:
        scores = recency_score[account], frequency_score[account], monetary_score[account]
        result[account] = {
            "ultima_actividad": last.get(account),
            "dias_desde_ultima_actividad": days(account),
            "total_contenidos_creados": count[account, "content"],
            "total_pagos_realizados": count[account, "payment"],
            "total_features_compradas": count[account, "feature"],
            "frecuencia_total": frequency(account),
            "total_pagado_suscripciones": paid.get((account, "payment"), Decimal(0)),
            "total_pagado_features": paid.get((account, "feature"), Decimal(0)),
            "valor_monetario_total": money(account),
            "recency_score": scores[0],
            "frequency_score": scores[1],
            "monetary_score": scores[2],
            "rfm_score": "-".join(map(str, scores)),
            "segmento_rfm": next(name for name, holds in SEGMENTS if holds(*scores)),
        }
    return result


def stored_rfm(lake: Any, day: date) -> dict[int, dict[str, Any]]:
    columns = [
        "ultima_actividad", "dias_desde_ultima_actividad", "total_contenidos_creados", "total_pagos_realizados",
        "total_features_compradas", "frecuencia_total", "total_pagado_suscripciones", "total_pagado_features",
        "valor_monetario_total", "recency_score", "frequency_score", "monetary_score", "rfm_score", "segmento_rfm",
    ]  # fmt: skip
    rows = lake.rows(
        f"select c.id_cuenta, {', '.join('f.' + column for column in columns)} from marts.fact_rfm f "
        f"join marts.dim_cuentas_base c using (id_dim_cuenta) where f.id_dim_fecha_rfm = date '{day}'"
    )
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: dict(zip(columns, row[1:], strict=True)) for row in rows}


def run_date(lake: Any, day: date, *more: str) -> None:
    lake.dbt("run", "--select", "fact_rfm+", *more, fecha_rfm=day)


@pytest.fixture(scope="module")
def business(lake: Any, random_business: Callable[[int, int], dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    tables = random_business(20260630, 5000)
    lake.load(tables)
    lake.daily()
    return tables


@pytest.fixture(scope="module")
def three_dates(lake: Any, business: dict[str, pd.DataFrame]) -> dict[date, dict[int, dict[str, Any]]]:
    for day in DATES:
        run_date(lake, day)
    return {day: expected_rfm(business, day) for day in DATES}


def test_fact_rfm_equals_an_independent_calculation_for_three_dates_run_out_of_order(
    lake: Any, three_dates: dict[date, dict[int, dict[str, Any]]]
) -> None:
    for day, expected in three_dates.items():
        assert len(expected) > 500
        assert stored_rfm(lake, day) == expected
    assert {row["segmento_rfm"] for rows in three_dates.values() for row in rows.values()} == {n for n, _ in SEGMENTS}


def filters_of(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each table that the plan scans, and what it asks of its rows."""
    said = plan["extra_info"]
    if "Table" in said:
        yield said["Table"], str(said.get("Filters"))
    for child in plan["children"]:
        yield from filters_of(child)


def test_of_the_activities_only_those_of_the_window_leave_the_files(
    lake: Lake, business: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in dbt_environment(["compile"], DATES[0]).items():
        monkeypatch.setenv(name, value)
    with workspace() as space:
        answer: Any = dbtRunner().invoke(["compile", "--select", "fact_rfm", *space.arguments()])
        query = answer.result.results[0].node.compiled_code
    ((_, plan),) = lake.rows(f"explain (format json) {query}")
    filters = dict(filters_of({"children": json.loads(plan), "extra_info": {}}))

    for table in ("stg_contents", "subscription_payments", "account_premium_features"):
        assert re.search(r">='2025-02-28 .* AND .*<'2025-09-01 ", filters[table]), table


def everything(lake: Lake) -> list[tuple[Any, ...]]:
    return lake.rows("select * from marts.fact_rfm order by id_dim_fecha_rfm, id_dim_cuenta")


def test_a_date_run_again_replaces_itself_and_nothing_else(
    lake: Any, three_dates: dict[date, dict[int, dict[str, Any]]]
) -> None:
    before = everything(lake)
    run_date(lake, DATES[1])
    assert everything(lake) == before


def test_each_account_carries_its_last_segment_and_the_one_before(
    lake: Any, three_dates: dict[date, dict[int, dict[str, Any]]]
) -> None:
    def segment(account: int, position: int) -> tuple[str, date]:
        dates = sorted((day for day, rows in three_dates.items() if account in rows), reverse=True)
        if position >= len(dates):
            return "Sin segmentación", date(1900, 1, 1)
        return three_dates[dates[position]][account]["segmento_rfm"], dates[position]

    rows = lake.rows(
        "select id_cuenta, ultimo_segmento_rfm, fecha_ultimo_segmento_rfm, segmento_rfm_anterior, "
        "fecha_segmento_rfm_anterior from marts.dim_cuentas"
    )
    assert len(rows) == 5000
    assert [row[1:] for row in rows] == [(*segment(row[0], 0), *segment(row[0], 1)) for row in rows]


def test_the_keys_of_fact_rfm_are_versions_valid_on_its_date(
    lake: Any, three_dates: dict[date, dict[int, dict[str, Any]]]
) -> None:
    assert lake.rows(
        "select count(*) from marts.fact_rfm f left join marts.dim_cuentas_base c on f.id_dim_cuenta = c.id_dim_cuenta "
        "and f.id_dim_fecha_rfm between c.valido_desde and c.valido_hasta where c.id_dim_cuenta is null"
    ) == [(0,)]


@pytest.mark.slow
def test_a_corrected_and_a_deleted_payment_change_the_date_that_is_run_again_and_full_refresh_changes_all(
    lake: Any, business: dict[str, pd.DataFrame], three_dates: dict[date, dict[int, dict[str, Any]]]
) -> None:
    payments = business["subscription_payments"]
    corrected = payments["payment_id"] % 3 == 0
    changed = payments.assign(amount=payments["amount"].where(~corrected, payments["amount"] + 5000))
    business = {**business, "subscription_payments": changed[changed["payment_id"] % 7 != 0]}
    lake.load({"subscription_payments": business["subscription_payments"]})

    run_date(lake, DATES[0])
    assert stored_rfm(lake, DATES[0]) == expected_rfm(business, DATES[0])
    assert stored_rfm(lake, DATES[1]) == three_dates[DATES[1]]

    run_date(lake, DATES[0], "--full-refresh")
    for day in DATES:
        assert stored_rfm(lake, day) == expected_rfm(business, day)


def test_a_date_for_which_nobody_qualifies_any_more_loses_its_rows(
    lake: Any, business: dict[str, pd.DataFrame], three_dates: dict[date, dict[int, dict[str, Any]]]
) -> None:
    lake.load({"accounts_subscription": business["accounts_subscription"].assign(subscription_id=1)})
    run_date(lake, DATES[2])
    lake.load({"accounts_subscription": business["accounts_subscription"]})
    assert stored_rfm(lake, DATES[2]) == {}
    assert stored_rfm(lake, DATES[1]) != {}


@pytest.mark.slow
def test_sums_of_money_may_be_larger_than_any_single_payment_in_a_table_of_the_version_before_too(
    lake: Any, business: dict[str, pd.DataFrame], three_dates: dict[date, dict[int, dict[str, Any]]]
) -> None:
    sums = ("total_pagado_suscripciones", "total_pagado_features", "valor_monetario_total")
    narrow = ", ".join(f"{column}::decimal(12, 2) as {column}" for column in sums)
    lake.execute(f"create or replace table marts.fact_rfm as select * replace ({narrow}) from marts.fact_rfm")
    other_dates = stored_rfm(lake, DATES[1])
    payments, features = business["subscription_payments"], business["account_premium_features"]
    rich = {
        "subscription_payments": payments.assign(amount=9_999_999_999.99),
        "account_premium_features": features.assign(amount_paid=9_999_999_999.99),
    }
    lake.load(rich)
    run_date(lake, DATES[0])
    lake.load({"subscription_payments": payments, "account_premium_features": features})
    expected = expected_rfm({**business, **rich}, DATES[0])
    assert max(row["valor_monetario_total"] for row in expected.values()) > Decimal("9999999999.99")
    assert stored_rfm(lake, DATES[0]) == expected
    assert stored_rfm(lake, DATES[1]) == other_dates

    with connect(lake.settings, read_only=True) as connection:
        data = read(connection, day=DATES[0], now=datetime(2026, 1, 5, tzinfo=UTC))
    assert data.rfm
    shown = {name: segment.money for name, segment in data.rfm.segments.items()}
    summed: dict[str, Decimal] = {}
    for row in expected.values():
        summed[row["segmento_rfm"]] = summed.get(row["segmento_rfm"], Decimal(0)) + row["valor_monetario_total"]
    assert shown == summed
    assert all(money(value) in render(data) for value in summed.values())


def test_the_rules_of_the_seed_hold_for_all_125_combinations_of_scores(
    lake: Any, business: dict[str, pd.DataFrame]
) -> None:
    rows = lake.rows(
        "select r, f, m, arg_min(segmento, orden) from range(1, 6) a(r), range(1, 6) b(f), range(1, 6) c(m) "
        "join marts.segmentos_rfm on r between recency_min and recency_max and f between frequency_min and "
        "frequency_max and m between monetary_min and monetary_max group by all"
    )
    assert len(rows) == 125
    assert [row[3] for row in rows] == [next(n for n, holds in SEGMENTS if holds(*row[:3])) for row in rows]


def test_the_table_of_segments_in_the_docs_says_what_the_seed_says(
    lake: Any, business: dict[str, pd.DataFrame], repository: Path
) -> None:
    documented = [
        (int(order), segment, holds(rule))
        for order, segment, rule in re.findall(
            r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", (repository / "docs/domain.md").read_text(), re.MULTILINE
        )
    ]
    stored = [
        (order, segment, {*product(*(range(low, high + 1) for low, high in zip(ends[::2], ends[1::2], strict=True)))})
        for order, segment, *ends in lake.rows(
            "select orden, segmento, recency_min, recency_max, frequency_min, frequency_max, monetary_min, "
            "monetary_max from marts.segmentos_rfm order by orden"
        )
    ]
    assert documented == stored


def holds(rule: str) -> set[tuple[int, ...]]:
    """The combinations of scores for which a rule such as `R ≥ 4 and F < 3` holds."""
    compare = {"≥": operator.ge, "≤": operator.le, "<": operator.lt, "=": operator.eq}
    conditions = [] if rule == "everything else" else [part.split() for part in rule.split(" and ")]
    return {
        scores
        for scores in product(range(1, 6), repeat=3)
        if all(compare[sign](scores["RFM".index(name)], int(limit)) for name, sign, limit in conditions)
    }
