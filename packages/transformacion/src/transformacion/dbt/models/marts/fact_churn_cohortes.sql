with
    suscripciones as (select * from {{ ref("fact_suscripciones_cuentas") }}),

    versiones as (select * from {{ ref("dim_cuentas_base") }}),

    cuentas as (
        select
            versiones.id_cuenta,
            cast(
                {{ dbt.date_trunc("month", "min(suscripciones.fecha_inicio)") }} as date
            ) as cohorte,
            max(suscripciones.fecha_churn) as fecha_churn
        from suscripciones
        inner join versiones on suscripciones.id_dim_cuenta = versiones.id_dim_cuenta
        group by versiones.id_cuenta
    ),

    con_meses as (
        select
            cohorte,
            cast(
                {{ dbt.datediff("cohorte", "fecha_churn", "month") }} as integer
            ) as meses_hasta_churn
        from cuentas
    ),

    cohortes as (
        select cohorte, meses_hasta_churn, count(*) as cuentas
        from con_meses
        group by cohorte, meses_hasta_churn
    )

select *
from cohortes
