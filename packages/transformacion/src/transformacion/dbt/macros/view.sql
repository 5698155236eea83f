{% materialization view, adapter = "duckdb" %}
    {#- In one statement: dbt-duckdb's own makes another view and renames two. -#}
    {%- set respuesta = create_or_replace_view() -%}
    {{ adapter.commit() }}
    {{ return(respuesta) }}
{% endmaterialization %}


{% macro duckdb__create_view_as(relation, sql) -%}
    {%- if config.get("contract").enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif %}
    create or replace view {{ relation }} as
    {{ sql }}
{%- endmacro %}
