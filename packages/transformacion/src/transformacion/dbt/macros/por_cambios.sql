{% materialization por_cambios, adapter = "duckdb" %}
    {#- A table. Where the model says which keys changed, their rows alone are computed and
        put in the place of the ones before; else the table is built anew. -#}
    {%- set anterior = load_cached_relation(this) -%}
    {%- if not avance().get("claves") or anterior is none or not anterior.is_table -%}
        {{ return(materialization_table_duckdb()) }}
    {%- endif -%}
    {%- set claves = tabla_de_claves() -%}
    {%- set nuevas = make_temp_relation(this, "__nuevas") -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% call statement("claves") -%}
        create or replace temporary table {{ claves }} as {{ claves_de_avance() }}
    {%- endcall %}
    {% call statement("nuevas") -%}
        {{ create_table_as(True, nuevas, compiled_code) }}
    {%- endcall %}
    {% call statement("main") -%}
        {%- set columnas = (
            adapter.get_columns_in_relation(anterior)
            | map(attribute="quoted")
            | join(", ")
        ) %}
        delete from {{ this }}
        where {{ config.require("clave") }} in (select clave from {{ claves }})
        ;
        insert into {{ this }} ({{ columnas }})
        select {{ columnas }}
        from {{ nuevas.include(database=false, schema=false) }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}

    {% for temporal in (claves, nuevas.include(database=false, schema=false)) %}
        {% call statement("fin") -%} drop table if exists {{ temporal }}
        {%- endcall %}
    {% endfor %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [this.incorporate(type="table")]}) }}
{% endmaterialization %}
