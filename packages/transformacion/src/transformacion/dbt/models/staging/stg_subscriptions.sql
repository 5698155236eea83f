with
    origen as (select * from {{ source("raw_datavision", "subscriptions") }}),

    renombradas as (
        select
            cast(subscription_id as bigint) as id_suscripcion,
            subscription_name as nombre_suscripcion,
            cast(max_contents_per_month as integer) as max_contenidos_mensuales,
            cast(created_at as timestamp) as fecha_creacion,
            cast(coalesce(updated_at, created_at) as timestamp) as fecha_actualizacion
        from origen
    )

select *
from renombradas
