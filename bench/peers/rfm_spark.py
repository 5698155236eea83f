"""fact_rfm in PySpark, on all cores of this machine: `rfm_spark.py FOLDER DATE RESULT`."""

import sys
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as f
from rfm_rules import table

COUNTS, AMOUNTS = ("contents", "payments", "features"), ("paid", "bought")


def main(folder: Path, day: str, result: Path) -> None:
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    read = {path.stem: spark.read.parquet(str(path)) for path in folder.glob("*.parquet")}
    end = f.lit(day).cast("date")
    start = f.add_months(end, -6)
    subscribed = read["accounts_subscription"]
    active = (
        subscribed.filter((f.col("start_date") <= end) & (f.col("end_date").isNull() | (f.col("end_date") >= end)))
        .join(f.broadcast(read["subscriptions"].filter("subscription_name <> 'Gratuita'")), "subscription_id")
        .select("account_id")
        .distinct()
    )
    people = read["accounts"].filter(f.to_date("created_at") <= start).select("account_id")
    people = people.join(active, "account_id", "left_semi")
    zero = f.lit(0).cast("decimal(38,2)")

    def in_window(name: str, moment: str) -> DataFrame:
        return read[name].filter((f.col(moment) >= start) & (f.col(moment) < f.date_add(end, 1)))

    def paid(column: str) -> Column:
        return f.sum(f.col(column).cast("decimal(38,2)"))

    contents = (
        in_window("contents", "created_at")
        .groupBy("account_id")
        .agg(f.max("created_at").alias("last_content"), f.count("*").alias("contents"))
    )
    payments = (
        in_window("subscription_payments", "payment_date")
        .join(subscribed.select("account_subscription_id", "account_id"), "account_subscription_id")
        .groupBy("account_id")
        .agg(f.max("payment_date").alias("last_payment"), f.count("*").alias("payments"), paid("amount").alias("paid"))
    )
    features = (
        in_window("account_premium_features", "purchase_date")
        .groupBy("account_id")
        .agg(
            f.max("purchase_date").alias("last_purchase"),
            f.count("*").alias("features"),
            paid("amount_paid").alias("bought"),
        )
    )
    metrics = (
        people.join(contents, "account_id", "left")
        .join(payments, "account_id", "left")
        .join(features, "account_id", "left")
        .select(
            "account_id",
            f.to_date(f.greatest("last_content", "last_payment", "last_purchase")).alias("last"),
            *(f.coalesce(f.col(name), f.lit(0)).alias(name) for name in COUNTS),
            *(f.coalesce(f.col(name), zero).alias(name) for name in AMOUNTS),
        )
        .select(
            "*",
            f.datediff(end, f.coalesce("last", f.date_sub(start, 1))).alias("days"),
            sum((f.col(name) for name in COUNTS), f.lit(0)).alias("frequency"),
            (f.col("paid") + f.col("bought")).alias("monetary"),
        )
    )
    for name, order in (("r", f.desc("days")), ("f", f.asc("frequency")), ("m", f.asc("monetary"))):
        metrics = metrics.withColumn(name, f.ntile(5).over(Window.orderBy(order, f.asc("account_id"))))
    rules = f.broadcast(spark.createDataFrame(table(), ["r", "f", "m", "segment"]))
    versions = read["versions"].filter((f.col("valido_desde") <= end) & (f.col("valido_hasta") >= end))
    versions = versions.select(f.col("id_cuenta").alias("account_id"), f.col("id_dim_cuenta").alias("version"))
    metrics.join(rules, ["r", "f", "m"]).join(versions, "account_id", "left").select(
        *("version", "last", "days", *COUNTS, "frequency", *AMOUNTS, "monetary", "r", "f", "m"),
        f.concat_ws("-", "r", "f", "m").alias("score"),
        "segment",
        end.alias("day"),
    ).coalesce(1).write.parquet(str(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
