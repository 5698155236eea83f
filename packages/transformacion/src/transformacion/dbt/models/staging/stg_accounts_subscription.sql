with
    origen as (select * from {{ source("raw_datavision", "accounts_subscription") }}),

    renombradas as (
        select
            cast(account_subscription_id as bigint) as id_suscripcion_cuenta,
            cast(account_id as bigint) as id_cuenta,
            cast(subscription_id as bigint) as id_suscripcion,
            cast(start_date as date) as fecha_inicio,
            cast(end_date as date) as fecha_fin,
            cast(created_at as timestamp) as fecha_creacion,
            cast(coalesce(updated_at, created_at) as timestamp) as fecha_actualizacion
        from origen
    )

select *
from renombradas
