with
    origen as (
        select * from {{ source("raw_datavision", "account_premium_features") }}
    ),

    renombradas as (
        select
            cast(account_feature_id as bigint) as id_cuenta_feature,
            cast(account_id as bigint) as id_cuenta,
            cast(feature_id as bigint) as id_feature,
            cast(purchase_date as timestamp) as fecha_compra,
            cast(amount_paid as decimal(12, 2)) as monto_pagado
        from origen
    )

select *
from renombradas
