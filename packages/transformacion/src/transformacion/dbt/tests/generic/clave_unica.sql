{% test clave_unica(model, columnas) %}
    select {{ columnas | join(", ") }}, count(*) as filas
    from {{ model }}
    group by {{ columnas | join(", ") }}
    having count(*) > 1
{% endtest %}
