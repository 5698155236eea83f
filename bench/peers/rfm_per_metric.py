"""fact_rfm in DuckDB with a scan of the activities for each metric: `rfm_per_metric.py FOLDER DATE RESULT`."""

import sys

import duckdb
from rfm_rules import table

SQL = """
with activities as (
    select account_id, created_at::date as day, 0::decimal(38, 2) as amount from '{folder}/contents.parquet'
    union all
    select s.account_id, p.payment_date::date, p.amount
    from '{folder}/subscription_payments.parquet' as p
    join '{folder}/accounts_subscription.parquet' as s using (account_subscription_id)
    union all
    select account_id, purchase_date::date, amount_paid from '{folder}/account_premium_features.parquet'
),
seen as not materialized (
    select * from activities where day between (date '{day}' - interval 6 month)::date and '{day}'
),
people as (
    select account_id from '{folder}/accounts.parquet'
    where created_at::date <= (date '{day}' - interval 6 month)::date and account_id in (
        select s.account_id
        from '{folder}/accounts_subscription.parquet' as s
        join '{folder}/subscriptions.parquet' as p using (subscription_id)
        where s.start_date <= '{day}' and (s.end_date is null or s.end_date >= '{day}')
            and p.subscription_name <> 'Gratuita')
),
recency as (select account_id, max(day) as last from seen group by all),
frequency as (select account_id, count(*) as frequency from seen group by all),
monetary as (select account_id, sum(amount) as monetary from seen group by all),
metrics as (
    select account_id,
        datediff('day', coalesce(last, (date '{day}' - interval 6 month - interval 1 day)::date), date '{day}') as days,
        coalesce(frequency, 0) as frequency, coalesce(monetary, 0) as monetary
    from people left join recency using (account_id) left join frequency using (account_id)
    left join monetary using (account_id)
),
scores as (
    select *, ntile(5) over (order by days desc, account_id) as r, ntile(5) over (order by frequency, account_id) as f,
        ntile(5) over (order by monetary, account_id) as m
    from metrics
)
select account_id, days, frequency, monetary, r, f, m, segment from scores join rules using (r, f, m)
"""


def main(folder: str, day: str, result: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '2GB'")
        connection.execute("create table rules (r int, f int, m int, segment text)")
        connection.executemany("insert into rules values (?, ?, ?, ?)", table())
        connection.execute(f"copy ({SQL.format(folder=folder, day=day)}) to '{result}'")


if __name__ == "__main__":
    main(*sys.argv[1:])
