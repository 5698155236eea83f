with
    origen as (select * from {{ source("raw_datavision", "subscription_payments") }}),

    renombrados as (
        select
            cast(payment_id as bigint) as id_pago,
            cast(account_subscription_id as bigint) as id_suscripcion_cuenta,
            cast(payment_date as timestamp) as fecha_pago,
            cast(amount as decimal(12, 2)) as monto,
            payment_method as metodo_pago,
            billing_cycle as ciclo_facturacion
        from origen
    )

select *
from renombrados
