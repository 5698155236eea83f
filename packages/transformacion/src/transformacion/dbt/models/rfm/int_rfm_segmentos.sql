with
    puntajes as (select * from {{ ref("int_rfm_puntajes") }}),

    segmentos as (
        select
            *,
            {{
                dbt.concat(
                    [
                        "cast(recency_score as " ~ dbt.type_string() ~ ")",
                        "'-'",
                        "cast(frequency_score as " ~ dbt.type_string() ~ ")",
                        "'-'",
                        "cast(monetary_score as " ~ dbt.type_string() ~ ")",
                    ]
                )
            }} as rfm_score,
            case
                when recency_score >= 4 and frequency_score >= 4 and monetary_score >= 4
                then 'Campeones'
                when recency_score >= 4 and frequency_score >= 3 and monetary_score >= 3
                then 'Clientes Leales'
                when recency_score >= 4 and monetary_score >= 4 and frequency_score < 3
                then 'Clientes de Alto Valor'
                when recency_score >= 4 and frequency_score >= 2 and monetary_score >= 2
                then 'Clientes Potenciales'
                when recency_score = 5 and frequency_score <= 2 and monetary_score <= 2
                then 'Nuevos Clientes'
                when recency_score <= 2 and frequency_score >= 4 and monetary_score >= 4
                then 'No se pueden perder'
                when recency_score = 3 and frequency_score >= 4 and monetary_score >= 4
                then 'Necesitan Atención'
                when recency_score <= 3 and frequency_score >= 2 and monetary_score >= 2
                then 'En Riesgo'
                when recency_score = 1 and frequency_score = 1 and monetary_score = 1
                then 'Perdidos'
                when recency_score <= 2 and frequency_score <= 2 and monetary_score <= 2
                then 'Clientes Dormidos'
                else 'Clientes Regulares'
            end as segmento_rfm
        from puntajes
    )

select *
from segmentos
