{% macro con_fecha_version(relacion, clave, columnas) -%}
    {#- What the source says counts as a date from year 1 until a day after now: clocks
        differ. What does not count (NULL, year 200000, before Christ) says nothing. #}
    {%- set fecha_util %}
        case
            when
                origen.fecha_actualizacion
                between timestamp '0001-01-01 00:00:00'
                and {{ dbt.dateadd("day", 1, snapshot_get_time()) }}
            then origen.fecha_actualizacion
        end
    {%- endset %}
    {%- if execute and load_relation(this) is not none %}
        with
            origen as (
                select origen.*, {{ fecha_util }} as fecha_util
                from {{ relacion }} as origen
            ),

            historia as (
                select
                    *,
                    row_number() over (
                        partition by {{ clave }} order by dbt_valid_from desc
                    ) as antiguedad
                from {{ this }}
            ),

            ultimas as (select * from historia where antiguedad = 1),

            comparadas as (
                select
                    origen.*,
                    ultimas.dbt_valid_from as ultima_desde,
                    ultimas.dbt_valid_to as ultima_hasta,
                    ultimas.{{ clave }} is null as es_nueva,
                    -- Deleted at the source, and back: its date is older than the
                    -- deletion.
                    ultimas.dbt_valid_to is not null
                    and coalesce(
                        origen.fecha_util < ultimas.dbt_valid_to, true
                    ) as ha_vuelto,
                    -- Corrected without moving the date; dbt would not see it.
                    ultimas.dbt_valid_to is null
                    and coalesce(origen.fecha_util <= ultimas.dbt_valid_from, true)
                    and (
                        {%- for columna in columnas %}
                            origen.{{ columna }} is distinct from ultimas.{{ columna }}
                            {{- " or" if not loop.last }}
                        {%- endfor %}
                    ) as cambio_sin_fecha
                from origen
                left join ultimas on origen.{{ clave }} = ultimas.{{ clave }}
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
    {%- else %}
        select
            origen.*,
            coalesce({{ fecha_util }}, {{ snapshot_get_time() }}) as fecha_version
        from {{ relacion }} as origen
    {%- endif %}
{%- endmacro %}
