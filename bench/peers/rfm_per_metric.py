"""fact_rfm in DuckDB with a query for each metric: `rfm_per_metric.py FOLDER DATE RESULT`."""

import sys

import duckdb
from rfm_rules import table

SQL = """
with contents as (
    select account_id, created_at as moment from '{folder}/contents.parquet'
    where created_at >= date '{day}' - interval 6 month and created_at < date '{day}' + interval 1 day
),
payments as (
    select s.account_id, p.payment_date as moment, p.amount
    from '{folder}/subscription_payments.parquet' as p
    join '{folder}/accounts_subscription.parquet' as s using (account_subscription_id)
    where p.payment_date >= date '{day}' - interval 6 month and p.payment_date < date '{day}' + interval 1 day
),
purchases as (
    select account_id, purchase_date as moment, amount_paid from '{folder}/account_premium_features.parquet'
    where purchase_date >= date '{day}' - interval 6 month and purchase_date < date '{day}' + interval 1 day
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
last_activity as (
    select account_id, max(moment)::date as last
    from (
        select account_id, moment from contents
        union all select account_id, moment from payments
        union all select account_id, moment from purchases)
    group by all
),
contents_created as (select account_id, count(*) as contents from contents group by all),
payments_made as (select account_id, count(*) as payments from payments group by all),
features_bought as (select account_id, count(*) as features from purchases group by all),
paid_for_subscriptions as (select account_id, sum(amount) as paid from payments group by all),
paid_for_features as (select account_id, sum(amount_paid) as bought from purchases group by all),
metrics as (
    select account_id, last,
        datediff('day', coalesce(last, (date '{day}' - interval 6 month - interval 1 day)::date), date '{day}') as days,
        coalesce(contents, 0) as contents, coalesce(payments, 0) as payments, coalesce(features, 0) as features,
        coalesce(contents, 0) + coalesce(payments, 0) + coalesce(features, 0) as frequency,
        coalesce(paid, 0) as paid, coalesce(bought, 0) as bought, coalesce(paid, 0) + coalesce(bought, 0) as monetary
    from people
    left join last_activity using (account_id)
    left join contents_created using (account_id)
    left join payments_made using (account_id)
    left join features_bought using (account_id)
    left join paid_for_subscriptions using (account_id)
    left join paid_for_features using (account_id)
),
scores as (
    select *, ntile(5) over (order by days desc, account_id) as r, ntile(5) over (order by frequency, account_id) as f,
        ntile(5) over (order by monetary, account_id) as m
    from metrics
)
select id_dim_cuenta as version, last, days, contents, payments, features, frequency, paid, bought, monetary, r, f, m,
    r || '-' || f || '-' || m as score, segment, date '{day}' as day
from scores
join rules using (r, f, m)
left join '{folder}/versions.parquet' as v
    on v.id_cuenta = account_id and date '{day}' between v.valido_desde and v.valido_hasta
"""


def main(folder: str, day: str, result: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '2GB'")
        connection.execute("create table rules (r int, f int, m int, segment text)")
        connection.executemany("insert into rules values (?, ?, ?, ?)", table())
        connection.execute(f"copy ({SQL.format(folder=folder, day=day)}) to '{result}'")


if __name__ == "__main__":
    main(*sys.argv[1:])
