"""The plots, as Plotly figures in plain dictionaries: pure functions.

A colour such as `$ink` is a name in the page's palette, so that one figure serves the light and the dark theme.
"""

from collections import defaultdict
from datetime import date
from typing import Any, Final

from transformacion.report.data import PLANS, Cell, ReportData, Rfm
from transformacion.report.numbers import change, money, month, number, percent

Figure = dict[str, Any]

_TONE: Final = {"bueno": "$good", "neutro": "$neutral", "atencion": "$warn", "malo": "$bad"}
_PLAN_COLOUR: Final = {"Premium": "$plan1", "Empresarial": "$plan2"}


def segments(rfm: Rfm) -> Figure:
    """Return bars of accounts by segment, with a mark where each was on the previous date."""
    kinds = list(reversed(rfm.kinds))
    names = [kind.name for kind in kinds]
    counts = [_count(rfm.segments, name) for name in names]
    before = [_count(rfm.previous, name) for name in names]
    labels = [
        f"{number(now)}  ({change(now - then)})" if rfm.previous_day else number(now)
        for now, then in zip(counts, before, strict=True)
    ]
    traces: list[Figure] = [
        {
            "type": "bar",
            "orientation": "h",
            "y": names,
            "x": counts,
            "text": labels,
            "textposition": "outside",
            "cliponaxis": False,
            "textfont": {"color": "$ink"},
            "marker": {"color": [_TONE[kind.tone] for kind in kinds], "cornerradius": 3},
            "hovertemplate": "%{y}<br>%{x:,} cuentas<extra></extra>",
            "showlegend": False,
        }
    ]
    if rfm.previous_day:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "y": names,
                "x": before,
                "name": "Fecha anterior",
                "marker": {"symbol": "line-ns", "size": 17, "line": {"width": 2, "color": "$ink"}},
                "hovertemplate": "Antes: %{x:,} cuentas<extra></extra>",
            }
        )
    top = max([*counts, *before, 1])
    layout = _layout(
        height=430,
        margin={"l": 8, "r": 16, "t": 8, "b": 56},
        xaxis={**_AXIS, "range": [0, top * 1.45], "showgrid": True, "tickformat": ",.0f", "title": _title("Cuentas")},
        yaxis={**_AXIS, "automargin": True, "ticksuffix": "  "},
        bargap=0.32,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.04, "font": {"size": 12}},
    )
    return {"data": traces, "layout": layout}


def grid(rfm: Rfm) -> Figure:
    """Return accounts by recency and frequency score."""
    cells = {(cell.recency, cell.frequency): cell for cell in rfm.grid}
    scores = [1, 2, 3, 4, 5]

    def value(recency: int, frequency: int) -> Cell:
        return cells.get((recency, frequency), Cell(recency, frequency, 0, 0.0))

    rows = [[value(r, f) for r in scores] for f in scores]
    return {
        "data": [
            {
                "type": "heatmap",
                "x": scores,
                "y": scores,
                "z": [[cell.accounts for cell in row] for row in rows],
                "text": [[number(cell.accounts) for cell in row] for row in rows],
                "customdata": [[money(cell.mean_money) for cell in row] for row in rows],
                "texttemplate": "%{text}",
                "textfont": {"size": 13},
                "colorscale": [[0, "$low"], [0.5, "$middle"], [1, "$high"]],
                "showscale": False,
                "xgap": 3,
                "ygap": 3,
                "hovertemplate": "R %{x} · F %{y}<br>%{text} cuentas<br>Valor medio %{customdata}<extra></extra>",
            }
        ],
        "layout": _layout(
            height=430,
            margin={"l": 56, "r": 8, "t": 8, "b": 56},
            xaxis={**_AXIS, "dtick": 1, "title": _title("Recencia (5 = actividad más reciente)")},
            yaxis={**_AXIS, "dtick": 1, "title": _title("Frecuencia (5 = más actividad)")},
        ),
    }


def revenue(data: ReportData) -> Figure:
    """Return monthly recurring revenue, stacked by plan, complete months only."""
    by_plan: dict[str, dict[date, float]] = defaultdict(dict)
    for when, plan, amount in data.revenue:
        by_plan[plan][when] = float(amount)
    months = sorted({when for when, _, _ in data.revenue})
    return {
        "data": [
            {
                "type": "bar",
                "name": plan,
                "x": [month(when) for when in months],
                "y": [by_plan[plan].get(when, 0) for when in months],
                "customdata": [money(by_plan[plan].get(when, 0)) for when in months],
                "marker": {"color": _PLAN_COLOUR[plan]},
                "hovertemplate": "%{customdata}<extra>" + plan + "</extra>",
            }
            for plan in PLANS
        ],
        "layout": _layout(
            height=_height(data),
            margin={"l": 8, "r": 8, "t": 36, "b": 40},
            barmode="stack",
            bargap=0.25,
            hovermode="x unified",
            xaxis={**_AXIS, "type": "category", "nticks": 7, "tickangle": 0, "automargin": True},
            yaxis={
                **_AXIS,
                "showgrid": True,
                "tickprefix": "$ ",
                "tickformat": ",.0f",
                "nticks": 6,
                "automargin": True,
            },
            legend={"orientation": "h", "x": 0, "y": 1.12, "traceorder": "normal"},
        ),
    }


def cohorts(data: ReportData) -> tuple[list[date], list[int], dict[tuple[date, int], float]]:
    """Return cumulative churn: cohorts, ages in months, and the share lost by each age that has fully passed."""
    size: dict[date, int] = defaultdict(int)
    gone: dict[tuple[date, int], int] = defaultdict(int)
    for cohort, age, accounts in data.churn:
        size[cohort] += accounts
        if age is not None:
            gone[cohort, max(age, 0)] += accounts
    shares: dict[tuple[date, int], float] = {}
    for cohort, accounts in size.items():
        lived = (data.until.year - cohort.year) * 12 + data.until.month - cohort.month
        total = 0
        for age in range(lived):
            total += gone[cohort, age]
            shares[cohort, age] = total / accounts
    names = sorted(cohort for cohort in size if (cohort, 0) in shares)
    ages = list(range(max((age for _, age in shares), default=-1) + 1))
    return names, ages, shares


def churn(data: ReportData) -> Figure:
    """Return cumulative churn by the month in which accounts started."""
    names, ages, shares = cohorts(data)
    return {
        "data": [
            {
                "type": "heatmap",
                "x": ages,
                "y": [month(cohort) for cohort in names],
                "z": [[shares.get((cohort, age)) for age in ages] for cohort in names],
                "text": [
                    [percent(shares[cohort, age]) if (cohort, age) in shares else "" for age in ages]
                    for cohort in names
                ],
                "colorscale": [[0, "$low"], [0.5, "$warnmiddle"], [1, "$warnhigh"]],
                "hoverongaps": False,
                "xgap": 2,
                "ygap": 2,
                "colorbar": {"tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "len": 0.9},
                "hovertemplate": "Cohorte %{y}, mes %{x}<br>%{text} de bajas<extra></extra>",
            }
        ],
        "layout": _layout(
            height=_height(data),
            margin={"l": 8, "r": 8, "t": 8, "b": 52},
            xaxis={**_AXIS, "title": _title("Meses desde la primera suscripción"), "dtick": 3},
            yaxis={**_AXIS, "autorange": "reversed", "automargin": True, "type": "category"},
        ),
    }


_AXIS: Final[Figure] = {
    "showgrid": False,
    "zeroline": False,
    "gridcolor": "$line",
    "linecolor": "$line",
    "fixedrange": True,
    "tickfont": {"size": 12},
}


def _title(text: str) -> Figure:
    return {"text": text, "font": {"size": 13}, "standoff": 10}


def _layout(**more: Any) -> Figure:
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "inherit", "size": 13, "color": "$muted"},
        "hoverlabel": {"bgcolor": "$card", "bordercolor": "$line", "font": {"color": "$ink", "size": 13}},
        "separators": ",.",
        **more,
    }


def _height(data: ReportData) -> int:
    # Revenue and churn stand side by side: as tall as a legible row for each cohort.
    return max(360, 22 * len(cohorts(data)[0]) + 90)


def _count(segments_of: dict[str, Any], name: str) -> int:
    return segments_of[name].accounts if name in segments_of else 0
