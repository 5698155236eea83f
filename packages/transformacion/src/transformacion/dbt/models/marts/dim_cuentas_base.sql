{{
    config(
        materialized="por_cambios",
        clave="id_cuenta",
        post_hook="{{ anotar_avance() }}",
    )
}}
{%- set cambios = cambios_de([{"tabla": ref("snp_cuentas"), "clave": "id_cuenta"}]) %}

{{ cambios.avance }}
with
    versiones as (
        select *
        from {{ ref("snp_cuentas") }}
        {% if cambios.claves %} where id_cuenta in ({{ cambios.claves }}) {% endif %}
    ),

    intervalos as ({{ intervalos_scd2("versiones", "id_cuenta") }}),

    dimension as (
        select
            dbt_scd_id as id_dim_cuenta,
            id_cuenta,
            nombre_cuenta,
            correo_electronico,
            fecha_creacion,
            fecha_actualizacion,
            valido_desde,
            valido_hasta,
            es_actual
        from intervalos
    )

select *
from dimension
