with
    origen as (select * from {{ source("raw_datavision", "premium_features") }}),

    renombradas as (
        select
            cast(feature_id as bigint) as id_feature,
            feature_name as nombre_feature,
            description as descripcion,
            cast(base_price as decimal(12, 2)) as precio_base,
            cast(created_at as timestamp) as fecha_creacion,
            cast(coalesce(updated_at, created_at) as timestamp) as fecha_actualizacion
        from origen
    )

select *
from renombradas
