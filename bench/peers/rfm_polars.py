"""fact_rfm in polars, lazily: `rfm_polars.py FOLDER DATE RESULT`. Reads <table>.parquet, writes one row per account."""

import sys
from datetime import date
from pathlib import Path

import polars as pl
from rfm_rules import table


def ntile(rows: int) -> pl.Expr:
    """Return SQL's ntile(5) of the row number: the first groups have the extra rows."""
    base, extra = divmod(rows, 5)
    n, cut = pl.int_range(pl.len(), dtype=pl.Int64), (base + 1) * extra
    late = extra + (n - cut) // max(base, 1)
    return pl.when(n < cut).then(n // (base + 1)).otherwise(late) + 1


def main(folder: Path, day: date, result: Path) -> None:
    tables = {path.stem: pl.scan_parquet(path) for path in folder.glob("*.parquet")}
    start = pl.select(pl.lit(day).dt.offset_by("-6mo")).item()
    active = (
        tables["accounts_subscription"]
        .filter((pl.col("start_date") <= day) & (pl.col("end_date").is_null() | (pl.col("end_date") >= day)))
        .join(tables["subscriptions"].filter(pl.col("subscription_name") != "Gratuita"), on="subscription_id")
        .select("account_id")
        .unique()
    )
    accounts = tables["accounts"].filter(pl.col("created_at").dt.date() <= start).select("account_id")
    people = accounts.join(active, on="account_id", how="semi")
    money = pl.Decimal(38, 2)
    nothing = pl.lit(0).cast(money)
    acts = pl.concat(
        [
            tables["contents"].select(
                "account_id", pl.col("created_at").dt.date().alias("day"), nothing.alias("amount")
            ),
            tables["subscription_payments"]
            .join(tables["accounts_subscription"], on="account_subscription_id")
            .select("account_id", pl.col("payment_date").dt.date().alias("day"), pl.col("amount").cast(money)),
            tables["account_premium_features"].select(
                "account_id",
                pl.col("purchase_date").dt.date().alias("day"),
                pl.col("amount_paid").cast(money).alias("amount"),
            ),
        ]
    ).filter(pl.col("day").is_between(start, day))
    metrics = (
        people.join(acts, on="account_id", how="left")
        .group_by("account_id")
        .agg(
            pl.col("day").max().alias("last"),
            pl.col("day").count().alias("frequency"),
            pl.col("amount").sum().alias("monetary"),
        )
        .with_columns(
            (pl.lit(day) - pl.col("last").fill_null(pl.lit(start).dt.offset_by("-1d"))).dt.total_days().alias("days")
        )
        .collect(engine="streaming")
    )
    rows = metrics.height
    scored = metrics.with_columns(pl.col("monetary").fill_null(0))
    for name, by, down in (("r", "days", True), ("f", "frequency", False), ("m", "monetary", False)):
        scored = scored.sort([by, "account_id"], descending=[down, False]).with_columns(ntile(rows).alias(name))
    rules = pl.DataFrame(table(), schema=["r", "f", "m", "segment"], orient="row")
    scored.join(rules, on=["r", "f", "m"]).select(
        "account_id", "days", "frequency", "monetary", "r", "f", "m", "segment"
    ).write_parquet(result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), Path(sys.argv[3]))
