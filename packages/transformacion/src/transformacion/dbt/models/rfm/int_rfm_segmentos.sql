with
    puntajes as (select * from {{ ref("int_rfm_puntajes") }}),

    reglas as (select * from {{ ref("segmentos_rfm") }}),

    -- At most 125 rows: the rules are tried on combinations, not on accounts.
    combinaciones as (
        select distinct recency_score, frequency_score, monetary_score from puntajes
    ),

    reglas_que_se_cumplen as (
        select
            combinaciones.recency_score,
            combinaciones.frequency_score,
            combinaciones.monetary_score,
            reglas.segmento,
            row_number() over (
                partition by
                    combinaciones.recency_score,
                    combinaciones.frequency_score,
                    combinaciones.monetary_score
                order by reglas.orden
            ) as turno
        from combinaciones
        inner join
            reglas
            on combinaciones.recency_score
            between reglas.recency_min and reglas.recency_max
            and combinaciones.frequency_score
            between reglas.frequency_min and reglas.frequency_max
            and combinaciones.monetary_score
            between reglas.monetary_min and reglas.monetary_max
    ),

    segmentos as (
        select
            puntajes.*,
            {{
                dbt.concat(
                    [
                        "cast(puntajes.recency_score as " ~ dbt.type_string() ~ ")",
                        "'-'",
                        "cast(puntajes.frequency_score as " ~ dbt.type_string() ~ ")",
                        "'-'",
                        "cast(puntajes.monetary_score as " ~ dbt.type_string() ~ ")",
                    ]
                )
            }} as rfm_score,
            primera.segmento as segmento_rfm
        from puntajes
        left join
            reglas_que_se_cumplen as primera
            on puntajes.recency_score = primera.recency_score
            and puntajes.frequency_score = primera.frequency_score
            and puntajes.monetary_score = primera.monetary_score
            and primera.turno = 1
    )

select *
from segmentos
