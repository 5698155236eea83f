with
    origen as (select * from {{ source("raw_datavision", "accounts") }}),

    renombradas as (
        select
            cast(account_id as bigint) as id_cuenta,
            account_name as nombre_cuenta,
            email as correo_electronico,
            cast(created_at as timestamp) as fecha_creacion,
            cast(coalesce(updated_at, created_at) as timestamp) as fecha_actualizacion
        from origen
    )

select *
from renombradas
