{{
    config(
        materialized="por_cambios",
        clave="id_contenido",
        post_hook="{{ anotar_avance() }}",
    )
}}
{%- set cambios = cambios_de(
    [{"tabla": ref("snp_contenidos"), "clave": "id_contenido"}]
) %}

{{ cambios.avance }}
with
    versiones as (
        select *
        from {{ ref("snp_contenidos") }}
        {% if cambios.claves %} where id_contenido in ({{ cambios.claves }}) {% endif %}
    ),

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
