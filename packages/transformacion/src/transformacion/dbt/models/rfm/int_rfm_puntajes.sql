with
    metricas as (select * from {{ ref("int_rfm_metricas") }}),

    puntajes as (
        select
            *,
            ntile(5) over (
                partition by fecha_rfm
                order by dias_desde_ultima_actividad desc, id_cuenta
            ) as recency_score,
            ntile(5) over (
                partition by fecha_rfm order by frecuencia_total, id_cuenta
            ) as frequency_score,
            ntile(5) over (
                partition by fecha_rfm order by valor_monetario_total, id_cuenta
            ) as monetary_score
        from metricas
    )

select *
from puntajes
