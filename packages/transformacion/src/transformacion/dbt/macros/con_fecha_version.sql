{% macro con_fecha_version(relacion, clave, columnas) -%}
    {%- if execute and load_relation(this) is not none %}
        select
            origen.*,
            case
                when ultima.{{ clave }} is null
                then origen.fecha_actualizacion
                when
                    ultima.dbt_valid_to is not null
                    and origen.fecha_actualizacion < ultima.dbt_valid_to
                then {{ despues_de("ultima") }}
                when
                    ultima.dbt_valid_to is null
                    and origen.fecha_actualizacion <= ultima.dbt_valid_from
                    and (
                        {%- for columna in columnas %}
                            origen.{{ columna }} is distinct from ultima.{{ columna }}
                            {{- " or" if not loop.last }}
                        {%- endfor %}
                    )
                then {{ despues_de("ultima") }}
                else origen.fecha_actualizacion
            end as fecha_version
        from {{ relacion }} as origen
        left join
            (
                select
                    *,
                    row_number() over (
                        partition by {{ clave }} order by dbt_valid_from desc
                    ) as antiguedad
                from {{ this }}
            ) as ultima
            on origen.{{ clave }} = ultima.{{ clave }}
            and ultima.antiguedad = 1
    {%- else %}
        select origen.*, origen.fecha_actualizacion as fecha_version
        from {{ relacion }} as origen
    {%- endif %}
{%- endmacro %}


{% macro despues_de(version) -%}
    greatest(
        {{ snapshot_get_time() }},
        {{ dbt.dateadd("second", 1, version ~ ".dbt_valid_from") }},
        coalesce({{ version }}.dbt_valid_to, {{ version }}.dbt_valid_from)
    )
{%- endmacro %}
