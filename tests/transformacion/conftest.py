"""A lakehouse of its own for each module of tests, and a random business to put into it.

The business is made here and not by the product's generator, so that a mistake of one cannot hide in the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings, connect
from transformacion.outcome import Step
from transformacion.runner import run_dbt
from transformacion.variables import dbt_environment

TYPES = {
    "accounts": "account_id bigint, account_name text, email text, created_at timestamp, updated_at timestamp",
    "subscriptions": "subscription_id integer, subscription_name text, max_contents_per_month integer, "
    "created_at timestamp, updated_at timestamp",
    "accounts_subscription": "account_subscription_id bigint, account_id bigint, subscription_id integer, "
    "start_date date, end_date date, created_at timestamp, updated_at timestamp",
    "contents": "content_id bigint, account_id bigint, title text, description text, content_type text, "
    "created_at timestamp, updated_at timestamp",
    "content_attributes": "content_id bigint, attribute_name text, string_value text, decimal_value decimal(12, 2), "
    "created_at timestamp, updated_at timestamp",
    "subscription_payments": "payment_id bigint, account_subscription_id bigint, payment_date timestamp, "
    "amount decimal(12, 2), payment_method text, billing_cycle text",
    "premium_features": "feature_id integer, feature_name text, description text, base_price decimal(12, 2), "
    "created_at timestamp, updated_at timestamp",
    "account_premium_features": "account_feature_id bigint, account_id bigint, feature_id integer, "
    "purchase_date timestamp, amount_paid decimal(12, 2)",
}
PLANS = [(1, "Gratuita", 5), (2, "Premium", 50), (3, "Empresarial", 1000)]


@dataclass
class Lake:
    """One lakehouse, and dbt upon it."""

    settings: LakehouseSettings
    variables: Mapping[str, str]

    def load(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Replace tables of the raw schema, as a load of ingesta would leave them."""
        with connect(self.settings) as connection:
            connection.execute("create schema if not exists lake.raw_datavision")
            for name, frame in tables.items():
                columns = ", ".join(
                    f"{c.split()[0]}::{' '.join(c.split()[1:])} as {c.split()[0]}" for c in _split(name)
                )
                connection.register("frame", frame)
                connection.execute(
                    f"create or replace table lake.raw_datavision.{name} as "
                    f"select {columns}, now() as _cargado_en, 'prueba' as _id_carga from frame"
                )
                connection.unregister("frame")

    def execute(self, *statements: str) -> None:
        """Run statements against the lake, in one transaction."""
        with connect(self.settings) as connection:
            connection.execute("begin")
            for statement in statements:
                connection.execute(statement)
            connection.execute("commit")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with connect(self.settings, read_only=True) as connection:
            return connection.execute(query).fetchall()

    def frame(self, query: str) -> pd.DataFrame:
        """The rows of a query as a frame."""
        with connect(self.settings, read_only=True) as connection:
            return connection.execute(query).df()

    def dbt(self, *command: str, fecha_rfm: date | None = None) -> Sequence[Step]:
        """Run dbt in this process; every step must have succeeded."""
        steps = run_dbt(command, variables=dbt_environment(command, fecha_rfm)).steps
        assert [step for step in steps if step.status != "ok"] == []
        return steps

    def daily(self) -> None:
        """What the daily pipeline runs after a load, without the data tests."""
        self.dbt("build", "--exclude", "fact_rfm", "--exclude-resource-type", "test", "unit_test")


def _split(table: str) -> list[str]:
    return [
        column.strip()
        for column in TYPES[table].replace("(12, 2)", "(12;2)").replace(",", "\n").replace(";", ",").split("\n")
    ]


@pytest.fixture(scope="session")
def make_lake(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, pytest.MonkeyPatch], Lake]:
    """A new lakehouse of the given name, which the environment of the given patch points to."""

    def make(name: str, patch: pytest.MonkeyPatch) -> Lake:
        folder = tmp_path_factory.mktemp(name)
        variables = {
            "DATAVISION_ENV": "local",
            "DATAVISION_LAKEHOUSE__CATALOG_URL": postgres.url(name),
            "DATAVISION_LAKEHOUSE__DATA_PATH": str(folder / "data"),
            "DATAVISION_REPORTS__PATH": str(folder / "reports"),
        }
        for variable, value in variables.items():
            patch.setenv(variable, value)
        settings = LakehouseSettings.model_validate(
            {"catalog_url": postgres.url(name), "data_path": str(folder / "data")}
        )
        return Lake(settings, variables)

    return make


@pytest.fixture(scope="module")
def lake(request: pytest.FixtureRequest, make_lake: Callable[[str, pytest.MonkeyPatch], Lake]) -> Iterator[Lake]:
    """The module's own lakehouse, empty."""
    with pytest.MonkeyPatch.context() as patch:
        yield make_lake(Path(str(request.node.path)).stem, patch)


@pytest.fixture(scope="session")
def random_business() -> Callable[[int, int], dict[str, pd.DataFrame]]:
    return make_business


def make_business(seed: int, accounts: int) -> dict[str, pd.DataFrame]:
    """The eight source tables over 2024 and 2025, with the awkward cases that real data has.

    Ties, midnights, month ends, plans that overlap or start on the same day, accounts without any activity, contents
    without attributes.
    """
    random = np.random.default_rng(seed)
    first, days = np.datetime64("2024-01-01", "s"), 730

    def moments(count: int, earliest: Any = 0) -> Any:
        day = earliest + random.integers(0, np.maximum(days - earliest, 1), count)
        second = random.choice([0, 86399, 43200, *random.integers(0, 86400, 20)], count)
        return first + day.astype("timedelta64[D]") + second.astype("timedelta64[s]")

    born = random.integers(0, 700, accounts)
    created = (
        first + born.astype("timedelta64[D]") + random.choice([0, 86399, 36000], accounts).astype("timedelta64[s]")
    )
    ids = np.arange(1, accounts + 1)
    epoch = datetime(2023, 12, 1)
    tables = {
        "accounts": pd.DataFrame(
            {
                "account_id": ids,
                "account_name": [f"Cuenta {i}" for i in ids],
                "email": [f"cuenta{i}@example.com" for i in ids],
                "created_at": created,
                "updated_at": created,
            }
        ),
        "subscriptions": pd.DataFrame(
            [(*plan, epoch, epoch) for plan in PLANS],
            columns=["subscription_id", "subscription_name", "max_contents_per_month", "created_at", "updated_at"],
        ),
        "premium_features": pd.DataFrame(
            [(i, f"Feature {i}", "Una mejora", 100 * i, epoch, epoch) for i in range(1, 6)],
            columns=["feature_id", "feature_name", "description", "base_price", "created_at", "updated_at"],
        ),
    }

    plans = []
    for account, birth in zip(ids, born, strict=True):
        start = int(birth)
        for number in range(int(random.integers(1, 5))):
            length = int(random.integers(0, 300))
            open_end = number > 0 and random.random() < 0.35
            plans.append((int(account), int(random.choice([1, 2, 2, 3])), start, None if open_end else start + length))
            start = min(start + int(random.choice([0, length, length + 1, length + 40])), days)
    start_days = np.array([plan[2] for plan in plans]).astype("timedelta64[D]")
    starts = first.astype("datetime64[D]") + start_days
    tables["accounts_subscription"] = pd.DataFrame(
        {
            "account_subscription_id": random.permutation(len(plans)) + 1,
            "account_id": [plan[0] for plan in plans],
            "subscription_id": [plan[1] for plan in plans],
            "start_date": starts,
            "end_date": [
                None if plan[3] is None else first.astype("datetime64[D]") + np.timedelta64(plan[3], "D")
                for plan in plans
            ],
            "created_at": starts,
            "updated_at": starts,
        }
    )

    busy = random.choice(ids, max(accounts // 5 * 4, 1), replace=False)
    count = accounts * 6
    written = moments(count)
    tables["contents"] = pd.DataFrame(
        {
            "content_id": np.arange(1, count + 1),
            "account_id": random.choice(busy, count),
            "title": random.choice(np.array(["Mapa", "Historia", None], dtype=object), count),
            "description": None,
            "content_type": random.choice(np.array(["Quiz", "Video", None], dtype=object), count),
            "created_at": written,
            "updated_at": written,
        }
    )
    with_attributes = np.arange(1, count + 1)[random.random(count) < 0.6]
    tables["content_attributes"] = pd.DataFrame(
        {
            "content_id": with_attributes,
            "attribute_name": random.choice(["Categoría", "Duración"], len(with_attributes)),
            "string_value": "Juego",
            "decimal_value": 12.5,
            "created_at": written[with_attributes - 1],
            "updated_at": written[with_attributes - 1] + np.timedelta64(1, "h"),
        }
    )
    paying = tables["accounts_subscription"].query("subscription_id > 1")["account_subscription_id"].to_numpy()
    count = accounts * 4
    tables["subscription_payments"] = pd.DataFrame(
        {
            "payment_id": np.arange(1, count + 1),
            "account_subscription_id": random.choice(paying, count),
            "payment_date": moments(count),
            "amount": random.choice([999.99, 1500.10, 0.01, *np.round(random.uniform(1, 9000, 30), 2)], count),
            "payment_method": random.choice(["tarjeta", "transferencia"], count),
            "billing_cycle": random.choice(["mensual", "trimestral", "anual"], count),
        }
    )
    count = accounts
    tables["account_premium_features"] = pd.DataFrame(
        {
            "account_feature_id": np.arange(1, count + 1),
            "account_id": random.choice(busy, count),
            "feature_id": random.integers(1, 6, count),
            "purchase_date": moments(count),
            "amount_paid": np.round(random.choice([100, 200.5, 333.33], count), 2),
        }
    )
    return tables
