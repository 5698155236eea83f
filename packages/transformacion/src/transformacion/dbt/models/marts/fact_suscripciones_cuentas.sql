{{
    config(
        materialized="por_cambios",
        clave="id_suscripcion_cuenta",
        post_hook="{{ anotar_avance() }}",
    )
}}
{%- set de_una_cuenta %}
    (
        select id_cuenta as de, id_suscripcion_cuenta as clave
        from {{ ref("stg_accounts_subscription") }}
    )
{%- endset %}
{%- set suscripciones = source("raw_datavision", "accounts_subscription") %}
{#- What changes one subscription of an account may change all of them. -#}
{%- set cambios = cambios_de(
    [
        {"tabla": suscripciones, "clave": "account_subscription_id"},
        {
            "tabla": suscripciones,
            "clave": "account_id",
            "desde": de_una_cuenta,
        },
        {
            "tabla": source("raw_datavision", "accounts"),
            "clave": "account_id",
            "desde": de_una_cuenta,
        },
        {
            "tabla": ref("dim_cuentas_base"),
            "clave": "id_cuenta",
            "desde": de_una_cuenta,
        },
        {"tabla": ref("dim_suscripciones")},
    ]
) %}

{{ cambios.avance }}
with
    suscripciones as (
        select *
        from {{ ref("stg_accounts_subscription") }}
        {% if cambios.claves %}
            where id_suscripcion_cuenta in ({{ cambios.claves }})
        {% endif %}
    ),

    cuentas as (select * from {{ ref("stg_accounts") }}),

    dim_cuentas as (select * from {{ ref("dim_cuentas_base") }}),

    dim_planes as (select * from {{ ref("dim_suscripciones") }}),

    ordenadas as (
        select
            *,
            lag(id_suscripcion) over (
                partition by id_cuenta order by fecha_inicio, id_suscripcion_cuenta
            ) as id_suscripcion_anterior,
            lag(fecha_inicio) over (
                partition by id_cuenta order by fecha_inicio, id_suscripcion_cuenta
            ) as fecha_inicio_anterior,
            row_number() over (
                partition by id_cuenta
                order by
                    coalesce(fecha_fin, cast('9999-12-31' as date)) desc,
                    fecha_inicio desc,
                    id_suscripcion_cuenta desc
            ) as orden_desde_el_final
        from suscripciones
    ),

    con_dimensiones as (
        select
            ordenadas.*,
            cuentas.fecha_creacion as fecha_creacion_cuenta,
            cuenta.id_dim_cuenta,
            plan_actual.id_dim_suscripcion,
            plan_anterior.id_dim_suscripcion as id_dim_suscripcion_anterior,
            {{ rango_plan("plan_actual.nombre_suscripcion") }} as rango,
            {{ rango_plan("plan_anterior.nombre_suscripcion") }} as rango_anterior
        from ordenadas
        left join cuentas on ordenadas.id_cuenta = cuentas.id_cuenta
        left join
            dim_cuentas as cuenta
            on ordenadas.id_cuenta = cuenta.id_cuenta
            and ordenadas.fecha_inicio
            between cuenta.valido_desde and cuenta.valido_hasta
        left join
            dim_planes as plan_actual
            on ordenadas.id_suscripcion = plan_actual.id_suscripcion
            and ordenadas.fecha_inicio
            between plan_actual.valido_desde and plan_actual.valido_hasta
        left join
            dim_planes as plan_anterior
            on ordenadas.id_suscripcion_anterior = plan_anterior.id_suscripcion
            and ordenadas.fecha_inicio
            between plan_anterior.valido_desde and plan_anterior.valido_hasta
    ),

    hechos as (
        select
            id_suscripcion_cuenta,
            id_dim_cuenta,
            id_dim_suscripcion,
            id_dim_suscripcion_anterior,
            fecha_inicio,
            fecha_fin,
            cast(
                {{ dbt.datediff("fecha_inicio", "fecha_fin", "day") }} as integer
            ) as duracion_dias,
            case
                when id_suscripcion_anterior is null
                then 'Nueva Suscripción'
                when rango > rango_anterior
                then 'Upgrade'
                when rango < rango_anterior
                then 'Downgrade'
                when rango = rango_anterior
                then 'Misma Suscripción'
            end as tipo_cambio,
            case when orden_desde_el_final = 1 then fecha_fin end as fecha_churn,
            cast(
                {{ dbt.datediff("fecha_inicio_anterior", "fecha_inicio", "day") }}
                as integer
            ) as dias_desde_cambio_anterior,
            cast(
                {{
                    dbt.datediff(
                        "cast(fecha_creacion_cuenta as date)", "fecha_inicio", "day"
                    )
                }} as integer
            ) as dias_desde_inicio_cuenta
        from con_dimensiones
    )

select *
from hechos
