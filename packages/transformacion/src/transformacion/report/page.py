"""The page: turns data and figures into one self-contained HTML file."""

import base64
import gzip
import json
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from transformacion.report import figures
from transformacion.report.data import PLANS, Freshness, ReportData, Rfm
from transformacion.report.numbers import ago, change, day, moment, money, month, number, percent

WARN_HOURS: Final = 26
"""A table loaded longer ago than this has missed a daily load; the same limit as the sources' freshness."""


@dataclass(frozen=True)
class Table:
    """A table on the page; `numeric` names the right-aligned columns."""

    head: list[str]
    rows: list[list[str]]
    numeric: frozenset[int]


@dataclass(frozen=True)
class Tile:
    """One number at the top."""

    label: str
    value: str
    note: str


def render(data: ReportData) -> str:
    """Return the complete page as HTML."""
    environment = Environment(
        loader=PackageLoader("transformacion", "report"),
        autoescape=select_autoescape(default_for_string=True, default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        title=f"Clientes y suscripciones al {day(data.until)}",
        generated=moment(data.generated_at),
        until=day(data.until),
        rfm=data.rfm,
        rfm_day=day(data.rfm.day) if data.rfm else "",
        previous_day=day(data.rfm.previous_day) if data.rfm and data.rfm.previous_day else "",
        tiles=tiles(data),
        segments=segment_table(data.rfm) if data.rfm else None,
        accounts=account_table(data.rfm) if data.rfm else None,
        worth_a_call=_listed([kind.name for kind in data.rfm.kinds if kind.tone == "atencion"]) if data.rfm else "",
        grid=grid_table(data.rfm) if data.rfm else None,
        revenue=revenue_table(data) if data.revenue else None,
        churn=churn_table(data) if figures.cohorts(data)[0] else None,
        freshness=[freshness_row(item, data) for item in data.freshness],
        figures=_script_json(_figures(data)),
        plotly=_packed_plotly(),
    )


def _figures(data: ReportData) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    if data.rfm:
        drawn |= {"segmentos": figures.segments(data.rfm), "grilla": figures.grid(data.rfm)}
    if data.revenue:
        drawn["ingresos"] = figures.revenue(data)
    if figures.cohorts(data)[0]:
        drawn["bajas"] = figures.churn(data)
    return drawn


def tiles(data: ReportData) -> list[Tile]:
    """Return the numbers at the top, each with what it means or how it moved."""
    by_month: dict[Any, Decimal] = {}
    for when, _, amount in data.revenue:
        by_month[when] = by_month.get(when, Decimal(0)) + amount
    months = sorted(by_month)
    found = [
        Tile("Cuentas", number(data.accounts), "en total, hoy"),
        Tile("Cuentas que pagan", number(data.paying_accounts), f"plan pago activo al {day(data.until)}"),
    ]
    if months:
        last, note = by_month[months[-1]], month(months[-1])
        if len(months) > 1 and by_month[months[-2]]:
            note = f"{change((last / by_month[months[-2]] - 1) * 100, 1)} % contra {month(months[-2])}"
        found.append(Tile(f"Ingreso recurrente, {month(months[-1])}", money(last), note))
    if data.rfm:
        best, total = data.rfm.kinds[0].name, _total(data.rfm)
        accounts = _accounts(data.rfm, best)
        found.append(Tile(best, number(accounts), f"{percent(accounts / max(total, 1))} de las segmentadas"))
        lost = [kind.name for kind in data.rfm.kinds if kind.to_win_back]
        at_risk = sum(_accounts(data.rfm, name) for name in lost)
        found.append(Tile("Por recuperar", number(at_risk), _listed(lost)))
    return found


def segment_table(rfm: Rfm) -> Table:
    """Return every segment with its size, its change and its averages."""
    total, rows = _total(rfm), []
    for name in (kind.name for kind in rfm.kinds):
        segment = rfm.segments.get(name)
        now, before = _accounts(rfm, name), rfm.previous[name].accounts if name in rfm.previous else 0
        rows.append(
            [
                name,
                number(now),
                percent(now / max(total, 1)),
                change(now - before) if rfm.previous_day else "–",
                number(segment.recency_days) if segment else "–",
                number(segment.frequency, 1) if segment else "–",
                money(segment.money) if segment else "–",
            ]
        )
    head = ["Segmento", "Cuentas", "Parte", "Cambio", "Días sin actividad", "Actividades", "Valor"]
    return Table(head, rows, frozenset(range(1, 7)))


def account_table(rfm: Rfm) -> Table:
    """Return the accounts worth calling, by value."""
    head = ["Cuenta", "Nombre", "Segmento", "R-F-M", "Última actividad", "Actividades", "Valor"]
    rows = [
        [str(key), name, segment, score, day(last) if last else "ninguna", number(frequency), money(value)]
        for key, name, segment, score, last, frequency, value in rfm.accounts
    ]
    return Table(head, rows, frozenset({0, 5, 6}))


def grid_table(rfm: Rfm) -> Table:
    """Return the RFM grid as rows."""
    rows = [
        [str(cell.recency), str(cell.frequency), number(cell.accounts), money(cell.mean_money)]
        for cell in sorted(rfm.grid, key=lambda cell: (-cell.recency, -cell.frequency))
    ]
    return Table(["Recencia", "Frecuencia", "Cuentas", "Valor medio"], rows, frozenset(range(4)))


def revenue_table(data: ReportData) -> Table:
    """Return recurring revenue by month and plan."""
    found = {(when, plan): amount for when, plan, amount in data.revenue}
    rows = []
    for when in sorted({when for when, _, _ in data.revenue}, reverse=True):
        amounts = [found.get((when, plan), Decimal(0)) for plan in PLANS]
        rows.append([month(when), *(money(amount) for amount in amounts), money(sum(amounts))])
    return Table(["Mes", *PLANS, "Total"], rows, frozenset({1, 2, 3}))


def churn_table(data: ReportData) -> Table:
    """Return each cohort's cumulative churn at a few ages."""
    names, ages, shares = figures.cohorts(data)
    shown = [age for age in (0, 3, 6, 12, 18) if age in ages]
    rows = [
        [month(cohort), *(percent(shares[cohort, age]) if (cohort, age) in shares else "–" for age in shown)]
        for cohort in names
    ]
    return Table(["Cohorte", *(f"Mes {age}" for age in shown)], rows, frozenset(range(1, len(shown) + 1)))


def freshness_row(item: Freshness, data: ReportData) -> dict[str, str]:
    """Return one line of the freshness table."""
    hours = (data.generated_at - item.loaded_at).total_seconds() / 3600 if item.loaded_at else None
    return {
        "table": item.table,
        "rows": number(item.rows),
        "newest": day(item.newest) if item.newest else "–",
        "loaded": moment(item.loaded_at) if item.loaded_at else "nunca",
        "ago": ago(hours) if hours is not None else "–",
        "share": f"{min((hours or 0) / (2 * WARN_HOURS), 1) * 100:.0f}",
        "state": "old" if hours is None or hours > WARN_HOURS else "fresh",
    }


def _accounts(rfm: Rfm, name: str) -> int:
    return rfm.segments[name].accounts if name in rfm.segments else 0


def _listed(names: list[str]) -> str:
    return " y ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _total(rfm: Rfm) -> int:
    return sum(segment.accounts for segment in rfm.segments.values())


def _packed_plotly() -> str:
    # Compressed, because 4.6 MB in every day's report would be most of the bucket; browsers unpack it in 0.1 s.
    source = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(source, compresslevel=9, mtime=0)).decode()


def _script_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
