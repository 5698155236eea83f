{% macro con_fecha_version(relacion, clave, columnas, fuentes, lectura=none) -%}
    {#- What the source says counts as a date from year 1 until a day after now: clocks
        differ. What does not count (NULL, year 200000, before Christ) says nothing. #}
    {%- set fecha_util %}
        case
            when
                fecha_actualizacion
                between timestamp '0001-01-01 00:00:00'
                and {{ dbt.dateadd("day", 1, snapshot_get_time()) }}
            then fecha_actualizacion
        end
    {%- endset %}
    {%- set cambios = cambios_de(fuentes) %}
    {%- set filas = "(" ~ lectura(cambios.claves) ~ ")" if lectura else relacion %}
    {{ cambios.avance }}
    {%- if execute and load_relation(this) is not none %}
        {%- set donde = (
            "where " ~ clave ~ " in (" ~ cambios.claves ~ ")" if cambios.claves
        ) %}
        with
            origen as (
                select
                    *,
                    {{ fecha_util }} as fecha_util,
                    hash({{ columnas | join(", ") }}) as huella
                from {{ filas }} {{ donde }}
            ),

            -- Narrow: a key, two dates and a hash of a version, so that the history of
            -- a large table fits into memory, or spills from it.
            ultimas as (
                select
                    {{ clave }} as clave,
                    max(dbt_valid_from) as desde,
                    arg_max_null(dbt_valid_to, dbt_valid_from) as hasta,
                    arg_max(hash({{ columnas | join(", ") }}), dbt_valid_from) as huella
                from {{ this }} {{ donde }}
                group by {{ clave }}
            ),

            comparadas as (
                select
                    origen.*,
                    ultimas.desde as ultima_desde,
                    ultimas.hasta as ultima_hasta,
                    ultimas.clave is null as es_nueva,
                    -- Deleted at the source, and back: its date is older than the
                    -- deletion.
                    ultimas.hasta is not null
                    and coalesce(origen.fecha_util < ultimas.hasta, true) as ha_vuelto,
                    -- Corrected without moving the date; dbt would not see it.
                    ultimas.hasta is null
                    and coalesce(origen.fecha_util <= ultimas.desde, true)
                    and origen.huella <> ultimas.huella as cambio_sin_fecha
                from origen
                left join ultimas on origen.{{ clave }} = ultimas.clave
            ),

            con_fecha as (
                select
                    *,
                    case
                        when not es_nueva and (ha_vuelto or cambio_sin_fecha)
                        then
                            -- Now, but after the version before it, whatever the
                            -- source's clock said.
                            greatest(
                                {{ snapshot_get_time() }},
                                {{ dbt.dateadd("second", 1, "ultima_desde") }},
                                coalesce(ultima_hasta, ultima_desde)
                            )
                        -- Without a date: unchanged since its last version, or new and
                        -- first seen now.
                        else
                            coalesce(
                                fecha_util, ultima_desde, {{ snapshot_get_time() }}
                            )
                    end as fecha_version
                from comparadas
            )

        select
            {%- for columna in [clave] + columnas + ["fecha_actualizacion"] %}
                {{ columna }},
            {%- endfor %}
            fecha_version
        from con_fecha
        where es_nueva or ultima_hasta is not null or fecha_version > ultima_desde
    {%- else %}
        select *, coalesce({{ fecha_util }}, {{ snapshot_get_time() }}) as fecha_version
        from {{ filas }}
    {%- endif %}
{%- endmacro %}
