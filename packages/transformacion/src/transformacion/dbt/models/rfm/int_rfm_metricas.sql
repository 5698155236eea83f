{%- set fechas = fechas_rfm() -%}

with
    cuentas as (select * from {{ ref("stg_accounts") }}),

    suscripciones as (select * from {{ ref("stg_accounts_subscription") }}),

    planes as (select * from {{ ref("stg_subscriptions") }}),

    contenidos as (select * from {{ ref("base_contents") }}),

    pagos as (select * from {{ ref("stg_subscription_payments") }}),

    features as (select * from {{ ref("stg_account_premium_features") }}),

    -- Steps of its own for each date: its bounds are constants on the stored columns,
    -- so
    -- that files and row groups outside of them are not read; and activities are summed
    -- for each account before they meet the others.
    {% for fecha in fechas %}
        {%- set dia = "cast('" ~ fecha ~ "' as date)" -%}
        {%- set inicio = "cast(" ~ dbt.dateadd("month", -6, dia) ~ " as date)" -%}
        {%- set fin = dbt.dateadd("day", 1, dia) -%}
        poblacion_{{ loop.index }} as (
            select id_cuenta
            from cuentas
            where
                cast(fecha_creacion as date) <= {{ inicio }}
                and id_cuenta in (
                    select suscripciones.id_cuenta
                    from suscripciones
                    inner join
                        planes on suscripciones.id_suscripcion = planes.id_suscripcion
                    where
                        planes.nombre_suscripcion <> 'Gratuita'
                        and suscripciones.fecha_inicio <= {{ dia }}
                        and (
                            suscripciones.fecha_fin is null
                            or suscripciones.fecha_fin >= {{ dia }}
                        )
                )
        ),

        contenidos_{{ loop.index }} as (
            select
                id_cuenta,
                cast(max(fecha_creacion) as date) as ultima_fecha,
                count(*) as total
            from contenidos
            where
                fecha_creacion >= {{ inicio }}
                and fecha_creacion < {{ fin }}
                and id_cuenta in (select id_cuenta from poblacion_{{ loop.index }})
            group by id_cuenta
        ),

        pagos_{{ loop.index }} as (
            select
                suscripciones.id_cuenta,
                cast(max(pagos.fecha_pago) as date) as ultima_fecha,
                count(*) as total,
                sum(pagos.monto) as monto
            from pagos
            inner join
                suscripciones
                on pagos.id_suscripcion_cuenta = suscripciones.id_suscripcion_cuenta
            where
                pagos.fecha_pago >= {{ inicio }}
                and pagos.fecha_pago < {{ fin }}
                and suscripciones.id_cuenta
                in (select id_cuenta from poblacion_{{ loop.index }})
            group by suscripciones.id_cuenta
        ),

        features_{{ loop.index }} as (
            select
                id_cuenta,
                cast(max(fecha_compra) as date) as ultima_fecha,
                count(*) as total,
                sum(monto_pagado) as monto
            from features
            where
                fecha_compra >= {{ inicio }}
                and fecha_compra < {{ fin }}
                and id_cuenta in (select id_cuenta from poblacion_{{ loop.index }})
            group by id_cuenta
        ),

        totales_{{ loop.index }} as (
            select
                {{ dia }} as fecha_rfm,
                {{ inicio }} as inicio_ventana,
                poblacion.id_cuenta,
                nullif(
                    greatest(
                        coalesce(contenidos.ultima_fecha, cast('0001-01-01' as date)),
                        coalesce(pagos.ultima_fecha, cast('0001-01-01' as date)),
                        coalesce(features.ultima_fecha, cast('0001-01-01' as date))
                    ),
                    cast('0001-01-01' as date)
                ) as ultima_actividad,
                coalesce(contenidos.total, 0) as total_contenidos_creados,
                coalesce(pagos.total, 0) as total_pagos_realizados,
                coalesce(features.total, 0) as total_features_compradas,
                cast(
                    coalesce(pagos.monto, 0) as decimal(38, 2)
                ) as total_pagado_suscripciones,
                cast(
                    coalesce(features.monto, 0) as decimal(38, 2)
                ) as total_pagado_features
            from poblacion_{{ loop.index }} as poblacion
            left join
                contenidos_{{ loop.index }} as contenidos
                on poblacion.id_cuenta = contenidos.id_cuenta
            left join
                pagos_{{ loop.index }} as pagos on poblacion.id_cuenta = pagos.id_cuenta
            left join
                features_{{ loop.index }} as features
                on poblacion.id_cuenta = features.id_cuenta
        ),
    {% endfor %}

    totales as (
        {% for fecha in fechas %}
            select * from totales_{{ loop.index }} {{ "union all" if not loop.last }}
        {% endfor %}
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
