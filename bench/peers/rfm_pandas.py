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
}


def ntile(rows: int) -> np.ndarray:
    base, extra = divmod(rows, 5)
    return np.repeat(np.arange(1, 6), [base + (n < extra) for n in range(5)])


def cents(amounts: pd.Series) -> pd.Series:
    return (amounts.astype(float) * 100).round().astype("int64")


def main(folder: Path, day: pd.Timestamp, result: Path) -> None:
    read = {name: pd.read_parquet(folder / f"{name}.parquet", columns=columns) for name, columns in COLUMNS.items()}
    start = day - pd.DateOffset(months=6)
    subscribed, plans = read["accounts_subscription"], read["subscriptions"]
    paid = plans.loc[plans.subscription_name != "Gratuita", "subscription_id"]
    first, last = pd.to_datetime(subscribed.start_date), pd.to_datetime(subscribed.end_date)
    active = subscribed[(first <= day) & (last.isna() | (last >= day)) & subscribed.subscription_id.isin(paid)]
    accounts = read["accounts"]
    old = accounts.created_at.dt.normalize() <= start
    people = accounts.loc[old & accounts.account_id.isin(active.account_id), "account_id"]

    payments = read["subscription_payments"].merge(
        subscribed[["account_subscription_id", "account_id"]], on="account_subscription_id"
    )
    contents, features = read["contents"], read["account_premium_features"]
    acts = pd.concat(
        [
            pd.DataFrame({"account_id": contents.account_id, "day": contents.created_at, "amount": 0}),
            pd.DataFrame(
                {"account_id": payments.account_id, "day": payments.payment_date, "amount": cents(payments.amount)}
            ),
            pd.DataFrame(
                {
                    "account_id": features.account_id,
                    "day": features.purchase_date,
                    "amount": cents(features.amount_paid),
                }
            ),
        ]
    )
    acts["day"] = acts.day.dt.normalize()
    acts = acts[acts.day.between(start, day)]
    grouped = acts.groupby("account_id").agg(last=("day", "max"), frequency=("day", "size"), monetary=("amount", "sum"))
    metrics = people.to_frame().merge(grouped, left_on="account_id", right_index=True, how="left")
    metrics["days"] = (day - metrics["last"].fillna(start - pd.Timedelta(days=1))).dt.days
    metrics[["frequency", "monetary"]] = metrics[["frequency", "monetary"]].fillna(0).astype("int64")
    for name, by, up in (("r", "days", False), ("f", "frequency", True), ("m", "monetary", True)):
        metrics = metrics.sort_values([by, "account_id"], ascending=[up, True])
        metrics[name] = ntile(len(metrics))
    rules = pd.DataFrame(table(), columns=["r", "f", "m", "segment"])
    metrics["monetary"] /= 100
    metrics.merge(rules, on=["r", "f", "m"])[
        ["account_id", "days", "frequency", "monetary", "r", "f", "m", "segment"]
    ].to_parquet(result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), pd.Timestamp(sys.argv[2]), Path(sys.argv[3]))
