{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        on_schema_change="append_new_columns",
        full_refresh=false,
        pre_hook=["{{ ensanchar_montos_rfm() }}", "{{ borrar_fechas_rfm() }}"],
    )
}}

with
    segmentos as (select * from {{ ref("int_rfm_segmentos") }}),

    cuentas as (select * from {{ ref("dim_cuentas_base") }}),

    hechos as (
        select
            cuentas.id_dim_cuenta,
            segmentos.ultima_actividad,
            segmentos.dias_desde_ultima_actividad,
            segmentos.total_contenidos_creados,
            segmentos.total_pagos_realizados,
            segmentos.total_features_compradas,
            segmentos.frecuencia_total,
            segmentos.total_pagado_suscripciones,
            segmentos.total_pagado_features,
            segmentos.valor_monetario_total,
            segmentos.recency_score,
            segmentos.frequency_score,
            segmentos.monetary_score,
            segmentos.rfm_score,
            segmentos.segmento_rfm,
            segmentos.fecha_rfm as id_dim_fecha_rfm
        from segmentos
        left join
            cuentas
            on segmentos.id_cuenta = cuentas.id_cuenta
            and segmentos.fecha_rfm
            between cuentas.valido_desde and cuentas.valido_hasta
    )

select *
from hechos
