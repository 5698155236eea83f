{% test intervalos_contiguos(model, column_name) %}
    select {{ column_name }}, valido_desde, valido_hasta, siguiente_desde
    from
        (
            select
                {{ column_name }},
                valido_desde,
                valido_hasta,
                lead(valido_desde) over (
                    partition by {{ column_name }} order by valido_desde
                ) as siguiente_desde
            from {{ model }}
        ) as intervalos
    where
        valido_hasta < valido_desde
        or siguiente_desde <> cast({{ dbt.dateadd("day", 1, "valido_hasta") }} as date)
{% endtest %}
