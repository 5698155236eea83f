"""The report: what it says, that it needs nothing else, and where it goes."""

import base64
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import boto3
import pytest

from datavision_lakehouse import connect
from transformacion.errors import ReportError, UsageError
from transformacion.report import data, numbers
from transformacion.report.data import Freshness, ReportData, read
from transformacion.report.figures import cohorts
from transformacion.report.page import render
from transformacion.report.publish import publish

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
COLOURS = re.compile(r'"\$[a-z0-9]+"')


def page(lake: Any, day: date | None = None) -> str:
    with connect(lake.settings, read_only=True) as connection:
        return render(read(connection, day=day, now=NOW))


@pytest.fixture(scope="module")
def marts(lake: Any, random_business: Callable[[int, int], Any]) -> Any:
    lake.load(random_business(9, 400))
    lake.daily()
    return lake


@pytest.fixture(scope="module")
def before_rfm(marts: Any) -> str:
    return page(marts)


@pytest.fixture(scope="module")
def with_rfm(marts: Any, before_rfm: str) -> str:
    for day in (date(2025, 6, 30), date(2025, 12, 31)):
        marts.dbt("run", "--select", "fact_rfm+", fecha_rfm=day)
    return page(marts)


def figures(html: str) -> dict[str, Any]:
    found = re.search(r'id="figuras">(.*?)</script>', html, re.DOTALL)
    assert found
    return dict(json.loads(found.group(1)))


def test_before_the_first_rfm_the_page_says_how_to_get_one(before_rfm: str) -> None:
    assert "datavision run pipeline_fact_rfm" in before_rfm
    assert set(figures(before_rfm)) == {"ingresos", "bajas"}


def test_a_date_without_rfm_is_refused_with_the_command_that_makes_it(marts: Any, before_rfm: str) -> None:
    with pytest.raises(UsageError, match="--fecha-rfm 1999-01-01"):
        page(marts, date(1999, 1, 1))


def test_an_empty_lakehouse_is_refused_with_the_next_step(
    make_lake: Callable[[str, pytest.MonkeyPatch], Any], random_business: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        empty = make_lake("reporte_vacio", patch)
        empty.load(random_business(1, 5))
        with pytest.raises(UsageError, match="Run the daily pipeline first"):
            page(empty)


@pytest.mark.slow
def test_the_segments_on_the_page_are_those_of_fact_rfm(marts: Any, with_rfm: str) -> None:
    bars, marks = figures(with_rfm)["segmentos"]["data"]

    def stored(day: str) -> dict[str, int]:
        rows = f"select segmento_rfm, count(*) from marts.fact_rfm where id_dim_fecha_rfm = '{day}' group by 1"
        return dict(marts.rows(rows))

    assert {name: n for name, n in zip(bars["y"], bars["x"], strict=True) if n} == stored("2025-12-31")
    assert {name: n for name, n in zip(marks["y"], marks["x"], strict=True) if n} == stored("2025-06-30")
    grid = figures(with_rfm)["grilla"]["data"][0]["z"]
    assert sum(map(sum, grid)) == sum(stored("2025-12-31").values())


def test_recurring_revenue_spreads_a_payment_over_the_months_it_covers(marts: Any, with_rfm: str) -> None:
    with connect(marts.settings, read_only=True) as connection:
        revenue = read(connection, day=None, now=NOW).revenue
    cycles = {"mensual": 1, "trimestral": 3, "anual": 12}
    expected: dict[tuple[date, str], Fraction] = {}
    payments = marts.rows(
        "select planes.nombre_suscripcion, fecha_pago, ciclo_facturacion, monto, fecha_fin "
        "from staging.stg_subscription_payments "
        "join staging.stg_accounts_subscription using (id_suscripcion_cuenta) "
        "join staging.stg_subscriptions as planes using (id_suscripcion)"
    )
    for plan, paid, cycle, amount, end in payments:
        for offset in range(cycles[cycle]):
            index = paid.year * 12 + paid.month - 1 + offset
            month = date(index // 12, index % 12 + 1, 1)
            if (end is None or end >= month) and date(2023, 12, 1) <= month < date(2025, 12, 1):
                expected[month, plan] = expected.get((month, plan), Fraction(0)) + Fraction(amount) / cycles[cycle]
    assert {(month, plan) for month, plan, _ in revenue} == set(expected)
    for month, plan, amount in revenue:
        assert abs(Fraction(amount) - expected[month, plan]) <= Fraction("0.005")


def test_churn_by_cohort_equals_an_independent_calculation(
    marts: Any, with_rfm: str, random_business: Callable[[int, int], Any]
) -> None:
    with connect(marts.settings, read_only=True) as connection:
        found = read(connection, day=None, now=NOW)
    first: dict[int, date] = {}
    last: dict[int, date] = {}
    for row in random_business(9, 400)["accounts_subscription"].itertuples():
        end = date.max if row.end_date is None or row.end_date != row.end_date else row.end_date.date()
        first[row.account_id] = min(first.get(row.account_id, date.max), row.start_date.date())
        last[row.account_id] = max(last.get(row.account_id, date.min), end)
    expected: Counter[tuple[date, int | None]] = Counter()
    for account, start in first.items():
        end = last[account]
        gone = None if end == date.max else (end.year - start.year) * 12 + end.month - start.month
        if start.replace(day=1) <= found.until:
            expected[start.replace(day=1), gone] += 1
    assert {(cohort, months): accounts for cohort, months, accounts in found.churn} == expected
    assert len(expected) > 100


def test_the_report_reads_the_marts_and_nothing_else(marts: Any, with_rfm: str) -> None:
    reads = re.findall(r"^ +(?:from|inner join) ([a-z_]+)\.", Path(data.__file__).read_text(), re.MULTILINE)
    assert set(reads) == {"marts"}
    assert len(reads) >= 8


def test_the_freshness_on_the_page_is_that_of_the_source_tables(marts: Any, with_rfm: str) -> None:
    with connect(marts.settings, read_only=True) as connection:
        shown = {item.table: (item.rows, item.newest) for item in read(connection, day=None, now=NOW).freshness}
    dates = {"subscription_payments": "payment_date", "account_premium_features": "purchase_date"}
    assert shown == {
        table: marts.rows(f"select count(*), max({dates.get(table, 'updated_at')})::date from raw_datavision.{table}")[
            0
        ]
        for table in shown
    }
    assert len(shown) == 8


def test_churn_counts_who_left_by_each_age_that_has_passed_and_no_later() -> None:
    shown = ReportData(
        generated_at=NOW,
        until=date(2025, 4, 10),
        rfm=None,
        revenue=[],
        churn=[
            (date(2025, 1, 1), None, 6),
            (date(2025, 1, 1), 0, 1),
            (date(2025, 1, 1), 2, 3),
            (date(2025, 3, 1), 0, 1),
            (date(2025, 4, 1), None, 5),
        ],
        paying_accounts=0,
        accounts=0,
        freshness=[],
    )
    assert cohorts(shown) == (
        [date(2025, 1, 1), date(2025, 3, 1)],
        [0, 1, 2],
        {
            (date(2025, 1, 1), 0): 0.1,
            (date(2025, 1, 1), 1): 0.1,
            (date(2025, 1, 1), 2): 0.4,
            (date(2025, 3, 1), 0): 1.0,
        },
    )


def test_every_figure_is_valid_plotly(with_rfm: str) -> None:
    import plotly.graph_objects as go

    for figure in figures(with_rfm).values():
        painted = json.loads(COLOURS.sub('"#123456"', json.dumps(figure)))
        assert go.Figure(painted).to_dict()["data"]
        for colour in COLOURS.findall(json.dumps(figure)):
            assert with_rfm.count(f"--{colour.strip(chr(34))[1:]}:") == 2, f"{colour} is missing in a theme"


def test_the_page_opens_offline_and_stays_small(with_rfm: str) -> None:
    without_library = re.sub(r'id="plotly">.*?</script>', "", with_rfm, flags=re.DOTALL)
    assert re.findall(r"(?:src|href)=[\"']?(?!data:)\w+|@import|url\(|https?://", without_library) == []
    assert len(with_rfm) < 2_500_000
    packed = re.search(r'id="plotly">(.*?)</script>', with_rfm, re.DOTALL)
    assert packed
    assert b"plotly.js" in gzip.decompress(base64.b64decode(packed.group(1)))[:200]


def test_every_plot_has_its_numbers_in_a_table_too(with_rfm: str) -> None:
    for name in figures(with_rfm):
        assert f'<table id="d-{name}">' in with_rfm
    assert '<html lang="es-AR">' in with_rfm


def test_names_from_the_data_cannot_become_markup(marts: Any, with_rfm: str) -> None:
    marts.execute("update lake.marts.dim_cuentas_base set nombre_cuenta = '<script>alert(1)</script>'")
    assert "<script>alert" not in page(marts)
    assert "&lt;script&gt;alert" in page(marts)


def test_a_table_loaded_too_long_ago_is_marked() -> None:
    shown = ReportData(NOW, NOW.date(), None, [], [], 0, 0, [
        Freshness("accounts", 1, NOW - timedelta(hours=5), NOW.date()),
        Freshness("contents", 1, NOW - timedelta(days=3), NOW.date()),
    ])  # fmt: skip
    html = render(shown)
    assert html.count('class="state fresh">hace 5 h') == 1
    assert html.count('class="state old">hace 3 días') == 1


def test_numbers_are_written_as_in_argentina() -> None:
    assert numbers.number(1234567.5, 1) == "1.234.567,5"
    assert numbers.money(Decimal("-1234.4")) == "−$\N{NO-BREAK SPACE}1.234"
    assert numbers.percent(0.1234) == "12,3\N{NO-BREAK SPACE}%"
    assert [numbers.change(value) for value in (3, -3, 0, -0.2)] == ["+3", "−3", "0", "0"]
    assert numbers.month(date(2025, 12, 1)) == "dic\N{NO-BREAK SPACE}25"
    assert numbers.moment(datetime(2026, 1, 1, 2, 30, tzinfo=UTC)).endswith("2025, 23:30")


def test_a_report_in_a_folder_is_never_overwritten_and_the_newest_is_also_ultimo(tmp_path: Path) -> None:
    first = publish("uno", str(tmp_path / "reportes"), now=NOW)
    second = publish("dos", str(tmp_path / "reportes"), now=NOW + timedelta(days=1))
    assert Path(first.report).read_text() == "uno"
    assert Path(second.report).read_text() == Path(second.latest).read_text() == "dos"
    with pytest.raises(ReportError, match="DATAVISION_REPORTS__PATH"):
        publish("tres", str(tmp_path / "reportes"), now=NOW)
    assert Path(first.report).read_text() == "uno"
    assert len(list((tmp_path / "reportes").iterdir())) == 3


def test_a_report_in_s3_is_never_overwritten_and_the_newest_is_also_ultimo(
    s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_variables.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="reportes")
    published = publish("uno", "s3://reportes/diario", now=NOW)
    assert published.latest == "s3://reportes/diario/ultimo.html"
    key = published.report.removeprefix("s3://reportes/")
    stored = s3.get_object(Bucket="reportes", Key=key)
    assert (stored["Body"].read(), stored["ContentType"]) == (b"uno", "text/html; charset=utf-8")
    with pytest.raises(ReportError):
        publish("dos", "s3://reportes/diario", now=NOW)
    with pytest.raises(ReportError, match="DATAVISION_REPORTS__PATH"):
        publish("dos", "s3://no-existe", now=NOW)
