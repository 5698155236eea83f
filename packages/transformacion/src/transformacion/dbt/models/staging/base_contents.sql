{{ config(materialized="ephemeral") }}

with
    origen as (select * from {{ source("raw_datavision", "contents") }}),

    renombrados as (
        select
            cast(content_id as bigint) as id_contenido,
            cast(account_id as bigint) as id_cuenta,
            coalesce(title, 'Sin título') as titulo,
            coalesce(description, 'Sin descripción') as descripcion,
            coalesce(content_type, 'Sin tipo') as tipo_contenido,
            cast(created_at as timestamp) as fecha_creacion,
            cast(coalesce(updated_at, created_at) as timestamp) as fecha_actualizacion
        from origen
    )

select *
from renombrados
