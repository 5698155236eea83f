{% macro duckdb__snapshot_staging_table(strategy, source_sql, target_relation) -%}
    {#- Not dbt's own, which compares every row of the source with every open version, all
        columns of both: a snapshot's query here has the rows that begin a version, and no
        other. -#}
    {%- set clave = strategy.unique_key -%}
    {%- set vista = avance() -%}
    with
        hoy as materialized({{ source_sql }}),

        abiertas as (
            select {{ clave }} as clave, dbt_scd_id
            from {{ target_relation }}
            where
                dbt_valid_to is null
                {%- if vista.get("claves") %}
                    and {{ clave }} in (select clave from {{ tabla_de_claves() }})
                {%- endif %}
        ),

        nuevas as (
            select
                'insert' as dbt_change_type,
                *,
                {{ clave }} as dbt_unique_key,
                {{ strategy.updated_at }} as dbt_updated_at,
                {{ strategy.updated_at }} as dbt_valid_from,
                cast(null as timestamp) as dbt_valid_to,
                {{ strategy.scd_id }} as dbt_scd_id
            from hoy
        ),

        seguidas as (
            select
                'update' as dbt_change_type,
                hoy.{{ strategy.updated_at }} as dbt_valid_to,
                abiertas.dbt_scd_id
            from hoy
            inner join abiertas on hoy.{{ clave }} = abiertas.clave
        ),

        borradas as (
            select
                'delete' as dbt_change_type,
                {{ snapshot_get_time() }} as dbt_valid_to,
                abiertas.dbt_scd_id
            from abiertas
            where
                not exists (
                    select 1
                    from {{ vista.existe.tabla }} as actual
                    where actual.{{ vista.existe.clave }} = abiertas.clave
                )
        )

    select *
    from nuevas
    union all by name
    select *
    from seguidas
    union all by name
    select *
    from borradas
{%- endmacro %}
