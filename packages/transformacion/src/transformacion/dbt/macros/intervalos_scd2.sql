{% macro intervalos_scd2(versiones, clave) -%}
    select
        *,
        dia as valido_desde,
        cast(
            case
                when siguiente_dia is not null
                then {{ dbt.dateadd("day", -1, "siguiente_dia") }}
                when dbt_valid_to is null
                then cast('9999-12-31' as date)
                else greatest(dia, cast(dbt_valid_to as date))
            end as date
        ) as valido_hasta,
        siguiente_dia is null and dbt_valid_to is null as es_actual
    from
        (
            select
                *,
                min(dia) over (
                    partition by {{ clave }}
                    order by orden
                    rows between 1 following and unbounded following
                ) as siguiente_dia
            from
                (
                    select
                        *,
                        case
                            when orden = 1
                            then cast(fecha_creacion as date)
                            else cast(dbt_valid_from as date)
                        end as dia
                    from
                        (
                            select
                                *,
                                row_number() over (
                                    partition by {{ clave }}
                                    order by dbt_valid_from, dbt_scd_id
                                ) as orden
                            from {{ versiones }}
                        ) as ordenadas
                ) as fechadas
        ) as vecinas
    where siguiente_dia is null or dia < siguiente_dia
{%- endmacro %}
