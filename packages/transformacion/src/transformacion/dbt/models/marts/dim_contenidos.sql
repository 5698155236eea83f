with
    versiones as (select * from {{ ref("snp_contenidos") }}),

    intervalos as ({{ intervalos_scd2("versiones", "id_contenido") }}),

    dimension as (
        select
            dbt_scd_id as id_dim_contenido,
            id_contenido,
            id_cuenta,
            titulo,
            descripcion,
            tipo_contenido,
            categoria,
            duracion,
            fecha_creacion,
            fecha_actualizacion,
            valido_desde,
            valido_hasta,
            es_actual
        from intervalos
    )

select *
from dimension
