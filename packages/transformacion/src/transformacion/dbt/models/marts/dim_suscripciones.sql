{{
    config(
        materialized="por_cambios",
        clave="id_suscripcion",
        post_hook="{{ anotar_avance() }}",
    )
}}
{%- set cambios = cambios_de(
    [{"tabla": ref("snp_suscripciones"), "clave": "id_suscripcion"}]
) %}

{{ cambios.avance }}
with
    versiones as (
        select *
        from {{ ref("snp_suscripciones") }}
        {% if cambios.claves %}
            where id_suscripcion in ({{ cambios.claves }})
        {% endif %}
    ),

    intervalos as ({{ intervalos_scd2("versiones", "id_suscripcion") }}),

    dimension as (
        select
            dbt_scd_id as id_dim_suscripcion,
            id_suscripcion,
            nombre_suscripcion,
            max_contenidos_mensuales,
            fecha_creacion,
            fecha_actualizacion,
            valido_desde,
            valido_hasta,
            es_actual
        from intervalos
    )

select *
from dimension
