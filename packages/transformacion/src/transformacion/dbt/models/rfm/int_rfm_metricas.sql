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
        select distinct ventanas.fecha_rfm, suscripciones.id_cuenta
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

    poblacion as (
        select ventanas.fecha_rfm, ventanas.inicio_ventana, cuentas.id_cuenta
        from ventanas
        inner join suscriptas on ventanas.fecha_rfm = suscriptas.fecha_rfm
        inner join
            cuentas
            on suscriptas.id_cuenta = cuentas.id_cuenta
            and cast(cuentas.fecha_creacion as date) <= ventanas.inicio_ventana
    ),

    actividades as (
        select
            id_cuenta,
            'contenido' as tipo,
            cast(fecha_creacion as date) as fecha,
            0 as monto
        from contenidos

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

        union all

        select
            id_cuenta,
            'feature' as tipo,
            cast(fecha_compra as date) as fecha,
            monto_pagado as monto
        from features
    ),

    metricas as (
        select
            poblacion.fecha_rfm,
            poblacion.id_cuenta,
            max(actividades.fecha) as ultima_actividad,
            cast(
                {{
                    dbt.datediff(
                        "coalesce(max(actividades.fecha), cast("
                        ~ dbt.dateadd("day", -1, "max(poblacion.inicio_ventana)")
                        ~ " as date))",
                        "poblacion.fecha_rfm",
                        "day",
                    )
                }} as integer
            ) as dias_desde_ultima_actividad,
            count(
                case when actividades.tipo = 'contenido' then 1 end
            ) as total_contenidos_creados,
            count(
                case when actividades.tipo = 'pago' then 1 end
            ) as total_pagos_realizados,
            count(
                case when actividades.tipo = 'feature' then 1 end
            ) as total_features_compradas,
            count(actividades.tipo) as frecuencia_total,
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
            ) as total_pagado_features,
            cast(
                coalesce(sum(actividades.monto), 0) as decimal(38, 2)
            ) as valor_monetario_total
        from poblacion
        left join
            actividades
            on poblacion.id_cuenta = actividades.id_cuenta
            and actividades.fecha
            between poblacion.inicio_ventana and poblacion.fecha_rfm
        group by poblacion.fecha_rfm, poblacion.id_cuenta
    )

select *
from metricas
