{% snapshot snp_suscripciones %}
    {{ config(unique_key="id_suscripcion") }}

    {{
        con_fecha_version(
            ref("stg_subscriptions"),
            "id_suscripcion",
            ["nombre_suscripcion", "max_contenidos_mensuales", "fecha_creacion"],
            [
                {
                    "tabla": source("raw_datavision", "subscriptions"),
                    "clave": "subscription_id",
                }
            ],
        )
    }}
{% endsnapshot %}
