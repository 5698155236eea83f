"""What the report shows, read from the lakehouse in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import duckdb

from transformacion.errors import UsageError

SEGMENTS: Final = (
    "Campeones",
    "Clientes Leales",
    "Clientes de Alto Valor",
    "Clientes Potenciales",
    "Nuevos Clientes",
    "Clientes Regulares",
    "Necesitan Atención",
    "No se pueden perder",
    "En Riesgo",
    "Clientes Dormidos",
    "Perdidos",
)
"""Every segment, from the most to the least valuable state."""

PLANS: Final = ("Premium", "Empresarial")
"""The plans that are paid for."""

_TABLES: Final = {
    "accounts": "updated_at",
    "subscriptions": "updated_at",
    "accounts_subscription": "updated_at",
    "contents": "updated_at",
    "content_attributes": "updated_at",
    "subscription_payments": "payment_date",
    "premium_features": "updated_at",
    "account_premium_features": "purchase_date",
}

_SEGMENTS_SQL: Final = """
    select
        segmento_rfm,
        count(*),
        avg(dias_desde_ultima_actividad),
        avg(frecuencia_total),
        sum(valor_monetario_total)
    from marts.fact_rfm
    where id_dim_fecha_rfm = ?
    group by all
"""

_GRID_SQL: Final = """
    select recency_score, frequency_score, count(*), avg(valor_monetario_total)
    from marts.fact_rfm
    where id_dim_fecha_rfm = ?
    group by all
"""

_ACCOUNTS_SQL: Final = """
    select
        cuentas.id_cuenta,
        cuentas.nombre_cuenta,
        rfm.segmento_rfm,
        rfm.rfm_score,
        rfm.ultima_actividad,
        rfm.frecuencia_total,
        rfm.valor_monetario_total
    from marts.fact_rfm as rfm
    inner join marts.dim_cuentas_base as cuentas using (id_dim_cuenta)
    where rfm.id_dim_fecha_rfm = ? and rfm.segmento_rfm in ('No se pueden perder', 'En Riesgo', 'Necesitan Atención')
    order by rfm.valor_monetario_total desc, cuentas.id_cuenta
    limit 15
"""

_REVENUE_SQL: Final = """
    with
        cobros as (
            select
                planes.nombre_suscripcion as plan,
                date_trunc('month', pagos.fecha_pago)::date as desde,
                case pagos.ciclo_facturacion when 'anual' then 12 when 'trimestral' then 3 else 1 end as meses,
                pagos.monto,
                suscripciones.fecha_fin
            from staging.stg_subscription_payments as pagos
            inner join staging.stg_accounts_subscription as suscripciones using (id_suscripcion_cuenta)
            inner join staging.stg_subscriptions as planes using (id_suscripcion)
        ),

        repartidos as (
            select plan, monto / meses as monto, fecha_fin, (desde + to_months(mes::integer))::date as mes
            from cobros, range(12) as m(mes)
            where mes < meses
        )

    select mes, plan, sum(monto)::decimal(18, 2)
    from repartidos
    where (fecha_fin is null or fecha_fin >= mes) and mes < ? and mes >= ?
    group by all
    order by mes
"""

_CHURN_SQL: Final = """
    with
        cuentas as (
            select
                dim.id_cuenta,
                date_trunc('month', min(hechos.fecha_inicio))::date as cohorte,
                max(hechos.fecha_churn) as churn
            from marts.fact_suscripciones_cuentas as hechos
            inner join marts.dim_cuentas_base as dim using (id_dim_cuenta)
            group by all
        )

    select cohorte, datediff('month', cohorte, churn) as edad, count(*)
    from cuentas
    where cohorte >= ? and cohorte <= ?
    group by all
    order by cohorte, edad
"""

_ACTIVE_SQL: Final = """
    select count(distinct cuentas.id_cuenta)
    from marts.fact_suscripciones_cuentas as hechos
    inner join marts.dim_cuentas_base as cuentas using (id_dim_cuenta)
    inner join marts.dim_suscripciones as planes using (id_dim_suscripcion)
    where planes.nombre_suscripcion <> 'Gratuita' and hechos.fecha_inicio <= $dia
        and (hechos.fecha_fin is null or hechos.fecha_fin >= $dia)
"""


@dataclass(frozen=True)
class Segment:
    """One segment on one date."""

    name: str
    accounts: int
    recency_days: float
    frequency: float
    money: Decimal


@dataclass(frozen=True)
class Cell:
    """One cell of the RFM grid."""

    recency: int
    frequency: int
    accounts: int
    mean_money: float


@dataclass(frozen=True)
class Rfm:
    """The segmentation of one date, and of the date before it when there is one."""

    day: date
    segments: dict[str, Segment]
    grid: list[Cell]
    accounts: list[tuple[Any, ...]]
    previous_day: date | None
    previous: dict[str, Segment]


@dataclass(frozen=True)
class Freshness:
    """How old one raw table is."""

    table: str
    rows: int
    loaded_at: datetime | None
    newest: date | None


@dataclass(frozen=True)
class ReportData:
    """Everything on the page."""

    generated_at: datetime
    until: date
    rfm: Rfm | None
    revenue: list[tuple[date, str, Decimal]]
    churn: list[tuple[date, int | None, int]]
    paying_accounts: int
    accounts: int
    freshness: list[Freshness]


def read(connection: duckdb.DuckDBPyConnection, *, day: date | None, now: datetime) -> ReportData:
    """The report of `day`, or of the newest RFM date.

    Raises UsageError when the marts are missing or no RFM was made for `day`.
    """
    present = _present(connection)
    if "fact_suscripciones_cuentas" not in present:
        raise UsageError("There is nothing to report yet: the marts are missing. Run the daily pipeline first.")
    freshness = [_freshness(connection, table, column) for table, column in _TABLES.items()]
    until = max((item.newest for item in freshness if item.newest), default=now.date())
    until = min(until, now.date())
    this_month = until.replace(day=1)
    first_month = this_month.replace(year=this_month.year - 2)
    return ReportData(
        generated_at=now,
        until=until,
        rfm=_rfm(connection, day, present),
        revenue=connection.execute(_REVENUE_SQL, [this_month, first_month]).fetchall(),
        churn=connection.execute(_CHURN_SQL, [first_month, until]).fetchall(),
        paying_accounts=_scalar(connection, _ACTIVE_SQL, {"dia": until}),
        accounts=_scalar(connection, "select count(*) from marts.dim_cuentas_base where es_actual", {}),
        freshness=freshness,
    )


def _present(connection: duckdb.DuckDBPyConnection) -> set[str]:
    found = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'lake' and schema_name = 'marts'"
    ).fetchall()
    return {name for (name,) in found}


def _rfm(connection: duckdb.DuckDBPyConnection, day: date | None, present: set[str]) -> Rfm | None:
    dates: list[date] = []
    if "fact_rfm" in present:
        found = connection.execute("select distinct id_dim_fecha_rfm from marts.fact_rfm order by 1 desc").fetchall()
        dates = [when for (when,) in found]
    if day is not None and day not in dates:
        raise UsageError(
            f"There is no RFM for {day} yet. Run it first: transformacion build --select fact_rfm+ --fecha-rfm {day}"
        )
    if not dates:
        return None
    shown = day or dates[0]
    earlier = [when for when in dates if when < shown]
    return Rfm(
        day=shown,
        segments=_segments(connection, shown),
        grid=[Cell(*row) for row in connection.execute(_GRID_SQL, [shown]).fetchall()],
        accounts=connection.execute(_ACCOUNTS_SQL, [shown]).fetchall(),
        previous_day=earlier[0] if earlier else None,
        previous=_segments(connection, earlier[0]) if earlier else {},
    )


def _segments(connection: duckdb.DuckDBPyConnection, day: date) -> dict[str, Segment]:
    rows: Sequence[tuple[Any, ...]] = connection.execute(_SEGMENTS_SQL, [day]).fetchall()
    return {row[0]: Segment(*row) for row in rows}


def _freshness(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> Freshness:
    row = connection.execute(
        f"select count(*), epoch(max(_cargado_en)), max({column})::date from raw_datavision.{table}"  # noqa: S608
    ).fetchone()
    rows, loaded, newest = row or (0, None, None)
    return Freshness(table, rows, None if loaded is None else datetime.fromtimestamp(loaded, UTC), newest)


def _scalar(connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> int:
    row = connection.execute(query, parameters).fetchone()
    return int(row[0]) if row else 0
