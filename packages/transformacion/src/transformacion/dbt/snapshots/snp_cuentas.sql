{% snapshot snp_cuentas %}
    {{ config(unique_key="id_cuenta") }}

    {{
        con_fecha_version(
            ref("stg_accounts"),
            "id_cuenta",
            ["nombre_cuenta", "correo_electronico", "fecha_creacion"],
            [{"tabla": source("raw_datavision", "accounts"), "clave": "account_id"}],
        )
    }}
{% endsnapshot %}
