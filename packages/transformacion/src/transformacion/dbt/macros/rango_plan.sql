{% macro rango_plan(nombre_suscripcion) -%}
    case
        {{ nombre_suscripcion }}
        when 'Gratuita'
        then 1
        when 'Premium'
        then 2
        when 'Empresarial'
        then 3
    end
{%- endmacro %}
