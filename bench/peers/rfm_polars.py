"""fact_rfm in polars, lazily: `rfm_polars.py FOLDER DATE RESULT`. Reads <table>.parquet, writes one row per account."""

import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from rfm_rules import table

COUNTS, AMOUNTS = ("contents", "payments", "features"), ("paid", "bought")


def ntile(rows: int) -> pl.Expr:
    """Return SQL's ntile(5) of the row number: the first groups have the extra rows."""
    base, extra = divmod(rows, 5)
    n, cut = pl.int_range(pl.len(), dtype=pl.Int64), (base + 1) * extra
    late = extra + (n - cut) // max(base, 1)
    return pl.when(n < cut).then(n // (base + 1)).otherwise(late) + 1


def main(folder: Path, day: date, result: Path) -> None:
    tables = {path.stem: pl.scan_parquet(path) for path in folder.glob("*.parquet")}
    start = pl.select(pl.lit(day).dt.offset_by("-6mo")).item()
    money = pl.Decimal(38, 2)

    def in_window(name: str, moment: str) -> pl.LazyFrame:
        seen = (pl.col(moment) >= pl.lit(start)) & (pl.col(moment) < pl.lit(day + timedelta(days=1)))
        return tables[name].filter(seen)

    active = (
        tables["accounts_subscription"]
        .filter((pl.col("start_date") <= day) & (pl.col("end_date").is_null() | (pl.col("end_date") >= day)))
        .join(tables["subscriptions"].filter(pl.col("subscription_name") != "Gratuita"), on="subscription_id")
        .select("account_id")
        .unique()
    )
    accounts = tables["accounts"].filter(pl.col("created_at").dt.date() <= start).select("account_id")
    people = accounts.join(active, on="account_id", how="semi")
    contents = (
        in_window("contents", "created_at")
        .group_by("account_id")
        .agg(pl.col("created_at").max().alias("last_content"), pl.len().alias("contents"))
    )
    payments = (
        in_window("subscription_payments", "payment_date")
        .join(
            tables["accounts_subscription"].select("account_subscription_id", "account_id"),
            on="account_subscription_id",
        )
        .group_by("account_id")
        .agg(
            pl.col("payment_date").max().alias("last_payment"),
            pl.len().alias("payments"),
            pl.col("amount").cast(money).sum().alias("paid"),
        )
    )
    features = (
        in_window("account_premium_features", "purchase_date")
        .group_by("account_id")
        .agg(
            pl.col("purchase_date").max().alias("last_purchase"),
            pl.len().alias("features"),
            pl.col("amount_paid").cast(money).sum().alias("bought"),
        )
    )
    never = pl.lit(start).dt.offset_by("-1d")
    metrics = (
        people.join(contents, on="account_id", how="left")
        .join(payments, on="account_id", how="left")
        .join(features, on="account_id", how="left")
        .select(
            "account_id",
            pl.max_horizontal("last_content", "last_payment", "last_purchase").dt.date().alias("last"),
            *(pl.col(name).fill_null(0) for name in COUNTS),
            *(pl.col(name).fill_null(0) for name in AMOUNTS),
        )
        .with_columns(
            (pl.lit(day) - pl.col("last").fill_null(never)).dt.total_days().alias("days"),
            pl.sum_horizontal(*COUNTS).alias("frequency"),
            (pl.col("paid") + pl.col("bought")).alias("monetary"),
        )
        .collect(engine="streaming")
    )
    rows, scored = metrics.height, metrics
    for name, by, down in (("r", "days", True), ("f", "frequency", False), ("m", "monetary", False)):
        scored = scored.sort([by, "account_id"], descending=[down, False]).with_columns(ntile(rows).alias(name))
    rules = pl.LazyFrame(table(), schema=["r", "f", "m", "segment"], orient="row")
    versions = tables["versions"].filter((pl.col("valido_desde") <= day) & (pl.col("valido_hasta") >= day))
    answer = (
        scored.lazy()
        .join(rules, on=["r", "f", "m"])
        .join(versions.select("id_cuenta", "id_dim_cuenta"), left_on="account_id", right_on="id_cuenta", how="left")
        .select(
            pl.col("id_dim_cuenta").alias("version"),
            *("last", "days", *COUNTS, "frequency", *AMOUNTS, "monetary", "r", "f", "m"),
            pl.format("{}-{}-{}", "r", "f", "m").alias("score"),
            "segment",
            pl.lit(day).alias("day"),
        )
    )
    answer.collect(engine="streaming").write_parquet(result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), Path(sys.argv[3]))
