with
    pagos as (select * from {{ ref("stg_subscription_payments") }}),

    suscripciones as (select * from {{ ref("stg_accounts_subscription") }}),

    planes as (select * from {{ ref("stg_subscriptions") }}),

    -- Payments of one month that end with one month are summed before they are
    -- spread: a
    -- few thousand rows, whatever was paid.
    cobros as (
        select
            planes.nombre_suscripcion,
            cast(
                {{ dbt.date_trunc("month", "suscripciones.fecha_fin") }} as date
            ) as ultimo_mes,
            cast(
                {{ dbt.date_trunc("month", "pagos.fecha_pago") }} as date
            ) as primer_mes,
            case
                pagos.ciclo_facturacion
                when 'anual'
                then 12
                when 'trimestral'
                then 3
                else 1
            end as meses,
            sum(pagos.monto) as monto
        from pagos
        inner join
            suscripciones
            on pagos.id_suscripcion_cuenta = suscripciones.id_suscripcion_cuenta
        inner join planes on suscripciones.id_suscripcion = planes.id_suscripcion
        group by 1, 2, 3, 4
    ),

    desplazamientos as (
        {% for desplazamiento in range(12) %}
            select
                {{ desplazamiento }} as desplazamiento
                {{ "union all" if not loop.last }}
        {% endfor %}
    ),

    -- A payment counts in each month that it covers, with an equal part.
    repartidos as (
        select
            cobros.nombre_suscripcion,
            cobros.ultimo_mes,
            cast(
                {{
                    dbt.dateadd(
                        "month", "desplazamientos.desplazamiento", "cobros.primer_mes"
                    )
                }} as date
            ) as mes,
            -- Whole twelfths, so that sums stay decimal to the last step.
            cobros.monto * cast(12 / cobros.meses as integer) as doceavos
        from cobros
        inner join desplazamientos on desplazamientos.desplazamiento < cobros.meses
    ),

    ingresos as (
        select
            mes,
            nombre_suscripcion,
            cast(sum(doceavos) / 12 as decimal(38, 2)) as ingreso_recurrente
        from repartidos
        -- What was paid for months after the subscription's end recurs no more.
        where ultimo_mes is null or ultimo_mes >= mes
        group by mes, nombre_suscripcion
    )

select *
from ingresos
