"""The history in snapshots and dimensions after real changes, one after the other."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.transformacion.conftest import Lake

from datavision_lakehouse import connect

STEPS = 3
TODAY = "cast(now() at time zone 'UTC' as date)"

ENTITIES = {
    "cuentas": (
        "snp_cuentas",
        "dim_cuentas_base",
        "stg_accounts",
        "id_cuenta",
        ["nombre_cuenta", "correo_electronico"],
    ),
    "suscripciones": (
        "snp_suscripciones",
        "dim_suscripciones",
        "stg_subscriptions",
        "id_suscripcion",
        ["nombre_suscripcion", "max_contenidos_mensuales"],
    ),
    "contenidos": (
        "snp_contenidos",
        "dim_contenidos",
        "stg_contents",
        "id_contenido",
        ["id_cuenta", "titulo", "descripcion", "tipo_contenido", "categoria", "duracion"],
    ),
}


def history(lake: Any) -> None:
    selected = ["staging", "resource_type:snapshot", *(entity[1] for entity in ENTITIES.values())]
    lake.dbt("build", "--select", *selected, "--exclude-resource-type", "test", "unit_test")


def account(lake: Lake, key: int) -> list[tuple[Any, ...]]:
    return lake.rows(
        f"select nombre_cuenta, valido_desde, valido_hasta, es_actual from marts.dim_cuentas_base "
        f"where id_cuenta = {key} order by valido_desde"
    )


def content(lake: Lake, key: int) -> list[tuple[Any, ...]]:
    return lake.rows(
        "select titulo, categoria, duracion, valido_desde, valido_hasta, es_actual from marts.dim_contenidos "
        f"where id_contenido = {key} order by valido_desde"
    )


CHANGING = (("accounts", "account_name"), ("contents", "title"), ("content_attributes", "string_value"))
FOREVER = date(9999, 12, 31)


@pytest.fixture(scope="module")
def changed(lake: Any, random_business: Callable[[int, int], dict[str, pd.DataFrame]]) -> Any:
    """Two runs with one change of every kind between them."""
    tables = random_business(11, 40)
    moment = datetime(2025, 1, 10, 9)
    names = [f"Cuenta {i}" for i in range(1, 41)]
    tables["accounts"] = tables["accounts"].assign(account_name=names, created_at=moment, updated_at=moment)
    tables["contents"] = tables["contents"].assign(title="Mapa", created_at=moment, updated_at=moment)
    tables["content_attributes"] = pd.DataFrame(
        [
            (1, "Categoría", "Juego", None, moment, moment),
            (2, "Categoría", "Juego", None, moment, moment),
            (2, "Duración", None, 12.5, moment, moment),
        ],
        columns=["content_id", "attribute_name", "string_value", "decimal_value", "created_at", "updated_at"],
    )
    lake.load(tables)
    history(lake)
    accounts, attributes = "lake.raw_datavision.accounts", "lake.raw_datavision.content_attributes"
    lake.execute(
        f"update {accounts} set account_name = 'Nueva', updated_at = '2025-03-01 10:00' where account_id = 1",
        f"update {accounts} set account_name = 'Sin fecha' where account_id = 2",
        f"delete from {accounts} where account_id = 3",
        f"update {accounts} set account_name = 'Tarde', updated_at = '2025-01-11 10:00' where account_id = 4",
        f"update {accounts} set account_name = 'Atrás', updated_at = '2024-12-01 10:00' where account_id = 5",
        f"delete from {accounts} where account_id in (6, 7, 8)",
        f"update {attributes} set string_value = 'Quiz', updated_at = '2025-02-01 10:00' where content_id = 1",
        f"delete from {attributes} where content_id = 2 and attribute_name = 'Duración'",
    )
    history(lake)
    return lake


def test_a_change_closes_the_version_before_it_and_opens_one(changed: Any) -> None:
    assert account(changed, 1) == [
        ("Cuenta 1", date(2025, 1, 10), date(2025, 2, 28), False),
        ("Nueva", date(2025, 3, 1), FOREVER, True),
    ]


def test_a_late_change_is_dated_when_it_happened(changed: Any) -> None:
    assert account(changed, 4) == [
        ("Cuenta 4", date(2025, 1, 10), date(2025, 1, 10), False),
        ("Tarde", date(2025, 1, 11), FOREVER, True),
    ]


@pytest.mark.parametrize(("key", "name"), [(2, "Sin fecha"), (5, "Atrás")])
def test_a_change_without_a_newer_date_is_dated_when_it_was_seen(changed: Any, key: int, name: str) -> None:
    (today,) = changed.rows(f"select {TODAY}")[0]
    first, second = account(changed, key)
    assert first[:2] == (f"Cuenta {key}", date(2025, 1, 10))
    assert second == (name, today, FOREVER, True)


def test_a_deleted_account_is_valid_until_the_day_of_the_deletion(changed: Any) -> None:
    (today,) = changed.rows(f"select {TODAY}")[0]
    assert account(changed, 3) == [("Cuenta 3", date(2025, 1, 10), today, False)]


def test_an_attribute_that_changes_alone_makes_a_version_of_its_content(changed: Any) -> None:
    assert content(changed, 1) == [
        ("Mapa", "Juego", None, date(2025, 1, 10), date(2025, 1, 31), False),
        ("Mapa", "Quiz", None, date(2025, 2, 1), FOREVER, True),
    ]


def test_a_deleted_attribute_makes_a_version_of_its_content(changed: Any) -> None:
    (today,) = changed.rows(f"select {TODAY}")[0]
    before, after = content(changed, 2)
    assert (before[1], float(before[2]), before[3]) == ("Juego", 12.5, date(2025, 1, 10))
    assert after == ("Mapa", "Juego", None, today, FOREVER, True)


def test_a_content_without_attributes_survives_to_its_dimension(changed: Any) -> None:
    assert content(changed, 3) == [("Mapa", None, None, date(2025, 1, 10), FOREVER, True)]


def test_running_again_without_a_change_adds_nothing(changed: Any) -> None:
    def state() -> list[Any]:
        tables = [table for entity in ENTITIES.values() for table in (f"snapshots.{entity[0]}", f"marts.{entity[1]}")]
        return [sorted(changed.rows(f"select * from {table}"), key=repr) for table in tables]

    before = state()
    history(changed)
    assert state() == before


@pytest.mark.slow
def test_a_deleted_account_that_comes_back_opens_one_version_under_a_key_of_its_own(changed: Any) -> None:
    moment = "timestamp '2025-01-10 09:00'"
    changed.execute(
        "insert into lake.raw_datavision.accounts values "
        f"(6, 'Cuenta 6', 'x', {moment}, {moment}, now(), 'x'), "
        f"(7, 'Cambió', 'x', {moment}, timestamp '2099-05-01 10:00', now(), 'x')"
    )
    history(changed)
    (today,) = changed.rows(f"select {TODAY}")[0]
    # Gone and back within a day: the version that came back is the last of that day.
    assert account(changed, 6) == [
        ("Cuenta 6", date(2025, 1, 10), today - timedelta(days=1), False),
        ("Cuenta 6", today, FOREVER, True),
    ]
    assert account(changed, 7) == [
        ("Cuenta 7", date(2025, 1, 10), today - timedelta(days=1), False),
        ("Cambió", today, FOREVER, True),
    ]
    assert account(changed, 8) == [("Cuenta 8", date(2025, 1, 10), today, False)]
    check_invariants(changed)


UNUSABLE = ("null", "timestamp '200000-01-01'", "timestamp '9999-12-31'", "timestamp '0044-03-15 (BC)'", "'2099-05-01'")
"""Dates that ingesta lets through and that say nothing about when a row changed."""


@pytest.mark.slow
def test_a_date_that_says_nothing_leaves_intervals_whole_and_is_replaced_by_when_it_was_seen(changed: Any) -> None:
    accounts = "lake.raw_datavision.accounts"
    moment = "timestamp '2025-01-10 09:00'"
    new = {101 + number: when for number, when in enumerate(UNUSABLE)}
    old = {11 + number: when for number, when in enumerate(UNUSABLE)}
    unborn = {201 + number: when for number, when in enumerate(UNUSABLE[:-1])}
    rows = [f"({key}, 'Primera', 'x', {moment}, {when}, now(), 'x')" for key, when in new.items()]
    rows += [f"({key}, 'Primera', 'x', {when}, {when}, now(), 'x')" for key, when in unborn.items()]
    changed.execute(
        f"insert into {accounts} values {', '.join(rows)}",
        *(
            f"update {accounts} set updated_at = {when}, account_name = 'Otra' where account_id = {key}"
            for key, when in old.items()
        ),
    )
    history(changed)
    check_invariants(changed)
    (today,) = changed.rows(f"select {TODAY}")[0]
    for key in old:
        assert account(changed, key) == [
            (f"Cuenta {key}", date(2025, 1, 10), today - timedelta(days=1), False),
            ("Otra", today, FOREVER, True),
        ]
    for key in new:
        assert account(changed, key) == [("Primera", date(2025, 1, 10), FOREVER, True)]
    assert account(changed, 201) == account(changed, 202) == [("Primera", today, FOREVER, True)]
    versions = "select count(*), count(distinct dbt_scd_id) from snapshots.snp_cuentas"
    before = changed.rows(versions)
    history(changed)
    assert changed.rows(versions) == before, "a row without a change makes no version"
    corrected = ", ".join(map(str, [*new, *old, *unborn]))
    changed.execute(
        f"update {accounts} set account_name = 'Corregida', updated_at = {moment} where account_id in ({corrected})"
    )
    history(changed)
    check_invariants(changed)
    for key in (*new, *old, *unborn):
        assert account(changed, key)[-1] == ("Corregida", today, FOREVER, True)


def check_invariants(lake: Any) -> None:
    """What must hold of every history, whatever happened."""
    with connect(lake.settings, read_only=True) as connection:
        for entity, (snapshot, dimension, staging, key, columns) in ENTITIES.items():
            listed = ", ".join(columns)
            current = f"select {key}, {listed} from marts.{dimension} where es_actual"
            now = f"select {key}, {listed} from staging.{staging}"
            versions, intervals = f"snapshots.{snapshot}", f"marts.{dimension}"
            violations = {
                "a version key is used twice": f"select dbt_scd_id from {versions} group by 1 having count(*) > 1",
                "two versions are open": f"select {key} from {versions} where dbt_valid_to is null "
                "group by 1 having count(*) > 1",
                "versions overlap in the snapshot": f"select {key} from {versions} a join {versions} b using ({key}) "
                "where a.dbt_scd_id <> b.dbt_scd_id and a.dbt_valid_from <= b.dbt_valid_from "
                "and b.dbt_valid_from < coalesce(a.dbt_valid_to, timestamp '9999-12-31')",
                "intervals overlap or leave a gap": f"select {key} from (select *, lead(valido_desde) over "
                f"(partition by {key} order by valido_desde) as next from {intervals}) "
                "where valido_hasta < valido_desde or next <> valido_hasta + 1 "
                "or valido_desde is null or valido_hasta is null",
                "the first version does not begin with its entity": f"select {key} from {intervals} group by 1 "
                "having min(valido_desde) <> min(cast(fecha_creacion as date)) "
                "and min(fecha_creacion) between timestamp '0001-01-01' and timestamp '9999-12-30'",
                "a current version is not in staging": f"({current}) except all ({now})",
                "a row of staging has no current version": f"({now}) except all ({current})",
            }
            for violation, query in violations.items():
                assert connection.execute(query).fetchall() == [], f"{entity}: {violation}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_random_histories_keep_the_invariants(
    lake: Any, seed: int, random_business: Callable[[int, int], dict[str, pd.DataFrame]]
) -> None:
    """300 accounts and 300 contents a seed, each with a random life of its own over several runs."""
    random = np.random.default_rng(seed)
    lake.execute(*(f"drop table if exists lake.snapshots.{entity[0]}" for entity in ENTITIES.values()))
    tables = random_business(seed, 300)
    tables["contents"] = tables["contents"].head(300)
    tables["content_attributes"] = tables["content_attributes"][tables["content_attributes"]["content_id"] <= 300]
    gone: dict[str, pd.DataFrame] = {name: tables[name].head(0) for name, _ in CHANGING}
    clock = np.datetime64("2026-01-01", "s")
    for step in range(STEPS):
        lake.load(tables)
        history(lake)
        check_invariants(lake)
        clock += np.timedelta64(1, "D")
        for name, column in CHANGING:
            tables[name], gone[name] = live_a_day(random, tables[name], gone[name], column, clock, f"paso {step}")


def live_a_day(
    random: np.random.Generator, rows: pd.DataFrame, gone: pd.DataFrame, column: str, clock: Any, value: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Some rows change, with or without a newer date or with an older one; some go; some that went come back."""
    fate = random.random(len(rows))
    rows = rows.assign(**{column: rows[column].where(fate > 0.5, value)})
    dates = rows["updated_at"].to_numpy().astype("datetime64[s]").copy()
    dates[fate < 0.3] = clock + random.integers(0, 3, int((fate < 0.3).sum())).astype("timedelta64[h]")
    older = (fate >= 0.3) & (fate < 0.4)
    dates[older] -= np.timedelta64(1, "D")
    rows = rows.assign(updated_at=dates)
    back = random.random(len(gone)) < 0.5
    leaving = fate > 0.9
    kept = pd.concat([frame for frame in (rows[~leaving], gone[back]) if len(frame)], ignore_index=True)
    away = pd.concat([frame for frame in (rows[leaving], gone[~back]) if len(frame)], ignore_index=True)
    return kept, away if len(away) else rows.head(0)
