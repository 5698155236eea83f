{%- set fuentes = [
    ("accounts", "updated_at"),
    ("subscriptions", "updated_at"),
    ("accounts_subscription", "updated_at"),
    ("contents", "updated_at"),
    ("content_attributes", "updated_at"),
    ("subscription_payments", "payment_date"),
    ("premium_features", "updated_at"),
    ("account_premium_features", "purchase_date"),
] -%}

with
    frescura as (
        {% for tabla, fecha in fuentes %}
            select
                {{ loop.index }} as posicion,
                '{{ tabla }}' as tabla,
                count(*) as filas,
                cast(max(_cargado_en) as timestamp) as cargado_en,
                cast(max({{ fecha }}) as date) as dato_mas_nuevo
            from
                {{ source("raw_datavision", tabla) }} {{ "union all" if not loop.last }}
        {% endfor %}
    )

select *
from frescura
