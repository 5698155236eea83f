"""fact_rfm in pandas: `rfm_pandas.py FOLDER DATE RESULT`. Money in cents, so that it is exact."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from rfm_rules import table

COLUMNS = {
    "accounts": ["account_id", "created_at"],
    "accounts_subscription": ["account_subscription_id", "account_id", "subscription_id", "start_date", "end_date"],
    "subscriptions": ["subscription_id", "subscription_name"],
    "contents": ["account_id", "created_at"],
    "subscription_payments": ["account_subscription_id", "payment_date", "amount"],
    "account_premium_features": ["account_id", "purchase_date", "amount_paid"],
    "versions": ["id_dim_cuenta", "id_cuenta", "valido_desde", "valido_hasta"],
}
COUNTS, AMOUNTS = ["contents", "payments", "features"], ["paid", "bought"]


def ntile(rows: int) -> np.ndarray:
    base, extra = divmod(rows, 5)
    return np.repeat(np.arange(1, 6), [base + (n < extra) for n in range(5)])


def cents(amounts: pd.Series) -> pd.Series:
    return (amounts.astype(float) * 100).round().astype("int64")


def main(folder: Path, day: pd.Timestamp, result: Path) -> None:
    start, end = day - pd.DateOffset(months=6), day + pd.DateOffset(days=1)

    def read(name: str) -> pd.DataFrame:
        return pd.read_parquet(folder / f"{name}.parquet", columns=COLUMNS[name])

    def in_window(name: str, moment: str) -> pd.DataFrame:
        seen = [(moment, ">=", start), (moment, "<", end)]
        return pd.read_parquet(folder / f"{name}.parquet", columns=COLUMNS[name], filters=seen)

    subscribed, plans = read("accounts_subscription"), read("subscriptions")
    paid = plans.loc[plans.subscription_name != "Gratuita", "subscription_id"]
    first, last = pd.to_datetime(subscribed.start_date), pd.to_datetime(subscribed.end_date)
    active = subscribed[(first <= day) & (last.isna() | (last >= day)) & subscribed.subscription_id.isin(paid)]
    accounts = read("accounts")
    old = accounts.created_at.dt.normalize() <= start
    people = accounts.loc[old & accounts.account_id.isin(active.account_id), "account_id"]

    contents = in_window("contents", "created_at").groupby("account_id").created_at.agg(last="max", contents="size")
    payments = in_window("subscription_payments", "payment_date").merge(
        subscribed[["account_subscription_id", "account_id"]], on="account_subscription_id"
    )
    payments["amount"] = cents(payments.amount)
    payments = payments.groupby("account_id").agg(
        last=("payment_date", "max"), payments=("payment_date", "size"), paid=("amount", "sum")
    )
    features = in_window("account_premium_features", "purchase_date")
    features["amount_paid"] = cents(features.amount_paid)
    features = features.groupby("account_id").agg(
        last=("purchase_date", "max"), features=("purchase_date", "size"), bought=("amount_paid", "sum")
    )
    metrics = people.to_frame()
    for name, one in (("content", contents), ("payment", payments), ("feature", features)):
        one = one.rename(columns={"last": f"last_{name}"})
        metrics = metrics.merge(one, left_on="account_id", right_index=True, how="left")
    metrics["last"] = metrics[["last_content", "last_payment", "last_feature"]].max(axis=1).dt.normalize()
    metrics["days"] = (day - metrics["last"].fillna(start - pd.Timedelta(days=1))).dt.days
    metrics[COUNTS + AMOUNTS] = metrics[COUNTS + AMOUNTS].fillna(0).astype("int64")
    metrics["frequency"], metrics["monetary"] = metrics[COUNTS].sum(axis=1), metrics[AMOUNTS].sum(axis=1)
    for name, by, up in (("r", "days", False), ("f", "frequency", True), ("m", "monetary", True)):
        metrics = metrics.sort_values([by, "account_id"], ascending=[up, True])
        metrics[name] = ntile(len(metrics))
    rules = pd.DataFrame(table(), columns=["r", "f", "m", "segment"])
    rules["score"] = rules.r.astype(str) + "-" + rules.f.astype(str) + "-" + rules.m.astype(str)
    metrics[[*AMOUNTS, "monetary"]] /= 100
    versions = read("versions")
    begun, ended = pd.to_datetime(versions.valido_desde), versions.valido_hasta
    versions = versions[(begun <= day) & (ended >= day.date())]
    answer = metrics.merge(rules, on=["r", "f", "m"]).merge(
        versions[["id_cuenta", "id_dim_cuenta"]], left_on="account_id", right_on="id_cuenta", how="left"
    )
    answer["day"] = day
    answer.rename(columns={"id_dim_cuenta": "version"})[
        [
            "version",
            "last",
            "days",
            *COUNTS,
            "frequency",
            *AMOUNTS,
            "monetary",
            "r",
            "f",
            "m",
            "score",
            "segment",
            "day",
        ]
    ].to_parquet(result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), pd.Timestamp(sys.argv[2]), Path(sys.argv[3]))
