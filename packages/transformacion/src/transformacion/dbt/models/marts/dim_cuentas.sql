{{
    config(
        materialized="por_cambios",
        clave="id_cuenta",
        post_hook="{{ anotar_avance() }}",
    )
}}
{%- set cambios = cambios_de(
    [
        {"tabla": ref("dim_cuentas_base"), "clave": "id_cuenta"},
        {"tabla": ref("fact_rfm")},
    ]
) %}

{{ cambios.avance }}
with
    versiones as (
        select *
        from {{ ref("dim_cuentas_base") }}
        {% if cambios.claves %} where id_cuenta in ({{ cambios.claves }}) {% endif %}
    ),

    segmentaciones as (
        {% if existe_relacion(ref("fact_rfm")) %}
            select
                versiones.id_cuenta,
                fact_rfm.segmento_rfm,
                fact_rfm.id_dim_fecha_rfm as fecha
            from {{ ref("fact_rfm") }} as fact_rfm
            inner join versiones on fact_rfm.id_dim_cuenta = versiones.id_dim_cuenta
        {% else %}
            -- The daily pipeline builds this model before the first RFM was ever
            -- asked for.
            select
                versiones.id_cuenta,
                cast(null as {{ dbt.type_string() }}) as segmento_rfm,
                cast(null as date) as fecha
            from versiones
            where 1 = 0
        {% endif %}
    ),

    numeradas as (
        select
            *,
            row_number() over (partition by id_cuenta order by fecha desc) as antiguedad
        from segmentaciones
    ),

    dimension as (
        select
            versiones.id_dim_cuenta,
            versiones.id_cuenta,
            versiones.nombre_cuenta,
            versiones.correo_electronico,
            versiones.fecha_creacion,
            versiones.fecha_actualizacion,
            versiones.valido_desde,
            versiones.valido_hasta,
            versiones.es_actual,
            coalesce(ultima.segmento_rfm, 'Sin segmentación') as ultimo_segmento_rfm,
            coalesce(
                ultima.fecha, cast('1900-01-01' as date)
            ) as fecha_ultimo_segmento_rfm,
            coalesce(
                anterior.segmento_rfm, 'Sin segmentación'
            ) as segmento_rfm_anterior,
            coalesce(
                anterior.fecha, cast('1900-01-01' as date)
            ) as fecha_segmento_rfm_anterior
        from versiones
        left join
            numeradas as ultima
            on versiones.id_cuenta = ultima.id_cuenta
            and ultima.antiguedad = 1
        left join
            numeradas as anterior
            on versiones.id_cuenta = anterior.id_cuenta
            and anterior.antiguedad = 2
    )

select *
from dimension
