"""What the report shows, read from the marts in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import duckdb

from transformacion.errors import UsageError

PLANS: Final = ("Premium", "Empresarial")
"""The plans that are paid for."""

_NEEDED: Final = frozenset(
    {
        "dim_cuentas_base",
        "dim_suscripciones",
        "fact_churn_cohortes",
        "fact_ingresos_recurrentes",
        "fact_suscripciones_cuentas",
        "frescura_fuentes",
        "segmentos_rfm",
    }
)

_KINDS_SQL: Final = "select segmento, tono, por_recuperar from marts.segmentos_rfm order by posicion"

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
    inner join marts.segmentos_rfm as segmentos on rfm.segmento_rfm = segmentos.segmento
    where rfm.id_dim_fecha_rfm = ? and segmentos.tono = 'atencion'
    order by rfm.valor_monetario_total desc, cuentas.id_cuenta
    limit 15
"""

_REVENUE_SQL: Final = """
    select mes, nombre_suscripcion, ingreso_recurrente
    from marts.fact_ingresos_recurrentes
    where mes < ? and mes >= ?
    order by mes
"""

_CHURN_SQL: Final = """
    select cohorte, meses_hasta_churn, cuentas
    from marts.fact_churn_cohortes
    where cohorte >= ? and cohorte <= ?
    order by cohorte, meses_hasta_churn
"""

_FRESHNESS_SQL: Final = """
    select tabla, filas, epoch(cargado_en), dato_mas_nuevo
    from marts.frescura_fuentes
    order by posicion
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
class SegmentKind:
    """One of the segments, with how the seed `segmentos_rfm` says to show it."""

    name: str
    tone: str
    """`bueno`, `neutro`, `atencion` or `malo`."""
    to_win_back: bool


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
    """The segmentation of one date, and of the previous date if there is one."""

    day: date
    kinds: list[SegmentKind]
    """Every segment, from the most to the least valuable state."""
    segments: dict[str, Segment]
    grid: list[Cell]
    accounts: list[tuple[Any, ...]]
    previous_day: date | None
    previous: dict[str, Segment]


@dataclass(frozen=True)
class Freshness:
    """How recent the data of one raw table is."""

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
    """Read everything on the page from the marts.

    Args:
        connection: An open lakehouse.
        day: The RFM date to show; by default the newest.
        now: The moment at which the report is made.

    Raises:
        UsageError: The marts are missing, or no RFM was made for `day`.
    """
    present = _present(connection)
    if missing := sorted(_NEEDED - present):
        raise UsageError(
            f"There is nothing to report yet: marts.{missing[0]} is missing. Run the daily pipeline first: "
            "pipeline_suscripciones."
        )
    freshness = [
        Freshness(table, rows, None if loaded is None else datetime.fromtimestamp(loaded, UTC), newest)
        for table, rows, loaded, newest in connection.execute(_FRESHNESS_SQL).fetchall()
    ]
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
        kinds=[SegmentKind(*row) for row in connection.execute(_KINDS_SQL).fetchall()],
        segments=_segments(connection, shown),
        grid=[Cell(*row) for row in connection.execute(_GRID_SQL, [shown]).fetchall()],
        accounts=connection.execute(_ACCOUNTS_SQL, [shown]).fetchall(),
        previous_day=earlier[0] if earlier else None,
        previous=_segments(connection, earlier[0]) if earlier else {},
    )


def _segments(connection: duckdb.DuckDBPyConnection, day: date) -> dict[str, Segment]:
    rows: Sequence[tuple[Any, ...]] = connection.execute(_SEGMENTS_SQL, [day]).fetchall()
    return {row[0]: Segment(*row) for row in rows}


def _scalar(connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> int:
    row = connection.execute(query, parameters).fetchone()
    return int(row[0]) if row else 0
