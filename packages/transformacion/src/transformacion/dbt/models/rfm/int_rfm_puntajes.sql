{#- One date needs no partition, which would sort all of it in one thread. -#}
{%- set por_fecha = "partition by fecha_rfm" if fechas_rfm() | length > 1 -%}

with
    metricas as (select * from {{ ref("int_rfm_metricas") }}),

    -- Apart, so that the three sorts carry nothing else.
    quintiles as (
        select
            fecha_rfm,
            id_cuenta,
            ntile(5) over (
                {{ por_fecha }} order by dias_desde_ultima_actividad desc, id_cuenta
            ) as recency_score,
            ntile(5) over (
                {{ por_fecha }} order by frecuencia_total, id_cuenta
            ) as frequency_score,
            ntile(5) over (
                {{ por_fecha }} order by valor_monetario_total, id_cuenta
            ) as monetary_score
        from metricas
    ),

    puntajes as (
        select
            metricas.*,
            quintiles.recency_score,
            quintiles.frequency_score,
            quintiles.monetary_score
        from metricas
        inner join
            quintiles
            on metricas.fecha_rfm = quintiles.fecha_rfm
            and metricas.id_cuenta = quintiles.id_cuenta
    )

select *
from puntajes
