{%- set primera = "cast('" ~ (fechas_rfm() | min) ~ "' as date)" -%}
{%- set ultima = "cast('" ~ (fechas_rfm() | max) ~ "' as date)" -%}
{%- set desde = dbt.dateadd("month", -6, primera) -%}
{%- set hasta = dbt.dateadd("day", 1, ultima) -%}

with
    fechas as (
        {% for fecha in fechas_rfm() %}
            select
                cast('{{ fecha }}' as date) as fecha_rfm
                {{ "union all" if not loop.last }}
        {% endfor %}
    ),

    cuentas as (select * from {{ ref("stg_accounts") }}),

    suscripciones as (select * from {{ ref("stg_accounts_subscription") }}),

    planes as (select * from {{ ref("stg_subscriptions") }}),

    contenidos as (select * from {{ ref("stg_contents") }}),

    pagos as (select * from {{ ref("stg_subscription_payments") }}),

    features as (select * from {{ ref("stg_account_premium_features") }}),

    ventanas as (
        select
            fecha_rfm,
            cast({{ dbt.dateadd("month", -6, "fecha_rfm") }} as date) as inicio_ventana
        from fechas
    ),

    suscriptas as (
        select ventanas.fecha_rfm, suscripciones.id_cuenta
        from ventanas
        inner join
            suscripciones
            on suscripciones.fecha_inicio <= ventanas.fecha_rfm
            and (
                suscripciones.fecha_fin is null
                or suscripciones.fecha_fin >= ventanas.fecha_rfm
            )
        inner join planes on suscripciones.id_suscripcion = planes.id_suscripcion
        where planes.nombre_suscripcion <> 'Gratuita'
    ),

    -- Not a join with the subscribed: an engine that expects that many accounts holds
    -- the activities in memory instead of them.
    poblacion as (
        select ventanas.fecha_rfm, ventanas.inicio_ventana, cuentas.id_cuenta
        from cuentas
        inner join
            ventanas on cast(cuentas.fecha_creacion as date) <= ventanas.inicio_ventana
        where
            exists (
                select 1
                from suscriptas
                where
                    suscriptas.fecha_rfm = ventanas.fecha_rfm
                    and suscriptas.id_cuenta = cuentas.id_cuenta
            )
    ),

    -- The bounds are constants on the stored columns: files and row groups outside of
    -- them are not read.
    actividades as (
        select
            id_cuenta,
            'contenido' as tipo,
            cast(fecha_creacion as date) as fecha,
            0 as monto
        from contenidos
        where fecha_creacion >= {{ desde }} and fecha_creacion < {{ hasta }}

        union all

        select
            suscripciones.id_cuenta,
            'pago' as tipo,
            cast(pagos.fecha_pago as date) as fecha,
            pagos.monto
        from pagos
        inner join
            suscripciones
            on pagos.id_suscripcion_cuenta = suscripciones.id_suscripcion_cuenta
        where pagos.fecha_pago >= {{ desde }} and pagos.fecha_pago < {{ hasta }}

        union all

        select
            id_cuenta,
            'feature' as tipo,
            cast(fecha_compra as date) as fecha,
            monto_pagado as monto
        from features
        where fecha_compra >= {{ desde }} and fecha_compra < {{ hasta }}
    ),

    totales as (
        select
            poblacion.fecha_rfm,
            poblacion.inicio_ventana,
            poblacion.id_cuenta,
            max(actividades.fecha) as ultima_actividad,
            count(
                case when actividades.tipo = 'contenido' then 1 end
            ) as total_contenidos_creados,
            count(
                case when actividades.tipo = 'pago' then 1 end
            ) as total_pagos_realizados,
            count(
                case when actividades.tipo = 'feature' then 1 end
            ) as total_features_compradas,
            cast(
                coalesce(
                    sum(case when actividades.tipo = 'pago' then actividades.monto end),
                    0
                ) as decimal(38, 2)
            ) as total_pagado_suscripciones,
            cast(
                coalesce(
                    sum(
                        case
                            when actividades.tipo = 'feature' then actividades.monto
                        end
                    ),
                    0
                ) as decimal(38, 2)
            ) as total_pagado_features
        from poblacion
        left join
            actividades
            on poblacion.id_cuenta = actividades.id_cuenta
            and actividades.fecha
            between poblacion.inicio_ventana and poblacion.fecha_rfm
        group by poblacion.fecha_rfm, poblacion.inicio_ventana, poblacion.id_cuenta
    ),

    metricas as (
        select
            fecha_rfm,
            id_cuenta,
            ultima_actividad,
            cast(
                {{
                    dbt.datediff(
                        "coalesce(ultima_actividad, cast("
                        ~ dbt.dateadd("day", -1, "inicio_ventana")
                        ~ " as date))",
                        "fecha_rfm",
                        "day",
                    )
                }} as integer
            ) as dias_desde_ultima_actividad,
            total_contenidos_creados,
            total_pagos_realizados,
            total_features_compradas,
            total_contenidos_creados
            + total_pagos_realizados
            + total_features_compradas as frecuencia_total,
            total_pagado_suscripciones,
            total_pagado_features,
            cast(
                total_pagado_suscripciones + total_pagado_features as decimal(38, 2)
            ) as valor_monetario_total
        from totales
    )

select *
from metricas
