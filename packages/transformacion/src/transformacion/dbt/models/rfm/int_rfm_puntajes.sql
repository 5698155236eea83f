{#- One date needs no partition, which would sort all of it in one thread. -#}
{%- set por_fecha = "partition by fecha_rfm" if fechas_rfm() | length > 1 -%}

with
    metricas as (select * from {{ ref("int_rfm_metricas") }}),

    puntajes as (
        select
            *,
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
    )

select *
from puntajes
