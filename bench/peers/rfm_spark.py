"""fact_rfm in PySpark, on all cores of this machine: `rfm_spark.py FOLDER DATE RESULT`."""

import sys
from pathlib import Path

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f
from rfm_rules import table


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
    payments = read["subscription_payments"].join(
        subscribed.select("account_subscription_id", "account_id"), "account_subscription_id"
    )
    acts = (
        read["contents"]
        .select("account_id", f.to_date("created_at").alias("day"), zero.alias("amount"))
        .unionAll(payments.select("account_id", f.to_date("payment_date"), f.col("amount").cast("decimal(38,2)")))
        .unionAll(
            read["account_premium_features"].select(
                "account_id", f.to_date("purchase_date"), f.col("amount_paid").cast("decimal(38,2)")
            )
        )
        .filter(f.col("day").between(start, end))
    )
    metrics = (
        people.join(acts, "account_id", "left")
        .groupBy("account_id")
        .agg(
            f.datediff(end, f.coalesce(f.max("day"), f.date_sub(start, 1))).alias("days"),
            f.count("day").alias("frequency"),
            f.coalesce(f.sum("amount"), zero).alias("monetary"),
        )
    )
    for name, order in (("r", f.desc("days")), ("f", f.asc("frequency")), ("m", f.asc("monetary"))):
        metrics = metrics.withColumn(name, f.ntile(5).over(Window.orderBy(order, f.asc("account_id"))))
    rules = f.broadcast(spark.createDataFrame(table(), ["r", "f", "m", "segment"]))
    metrics.join(rules, ["r", "f", "m"]).select(
        "account_id", "days", "frequency", "monetary", "r", "f", "m", "segment"
    ).coalesce(1).write.parquet(str(result))
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
