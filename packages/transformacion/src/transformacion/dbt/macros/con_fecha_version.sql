{% macro con_fecha_version(relacion, clave, columnas) -%}
    {%- if execute and load_relation(this) is not none %}
        with
            origen as (select * from {{ relacion }}),

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
                    and origen.fecha_actualizacion < ultimas.dbt_valid_to as ha_vuelto,
                    -- Corrected without moving the date; dbt would not see it.
                    ultimas.dbt_valid_to is null
                    and origen.fecha_actualizacion <= ultimas.dbt_valid_from
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
                        else fecha_actualizacion
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
        select origen.*, origen.fecha_actualizacion as fecha_version
        from {{ relacion }} as origen
    {%- endif %}
{%- endmacro %}
