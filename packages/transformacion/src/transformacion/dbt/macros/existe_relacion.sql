{% macro existe_relacion(relacion) -%}
    {{ return(not execute or load_relation(relacion) is not none) }}
{%- endmacro %}
