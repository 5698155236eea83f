{% macro intervalos_scd2(versiones, clave) -%}
    with
        ordenadas as (
            select
                *,
                row_number() over (
                    partition by {{ clave }} order by dbt_valid_from, dbt_scd_id
                ) as orden
            from {{ versiones }}
        ),

        -- The first version reaches back to the day on which the entity was made, where
        -- the source knows it: not NULL, nor on or after the day that means no end.
        fechadas as (
            select
                *,
                case
                    when
                        orden = 1
                        and fecha_creacion >= timestamp '0001-01-01 00:00:00'
                        and fecha_creacion < timestamp '9999-12-31 00:00:00'
                    then cast(fecha_creacion as date)
                    else cast(dbt_valid_from as date)
                end as valido_desde
            from ordenadas
        ),

        -- The earliest of all that follow, not the next one: versions that began on a
        -- day before their predecessor's leave no overlap.
        vecinas as (
            select
                *,
                min(valido_desde) over (
                    partition by {{ clave }}
                    order by orden
                    rows between 1 following and unbounded following
                ) as siguiente_desde
            from fechadas
        ),

        -- Of several versions in one day the last one counts.
        ultimas_del_dia as (
            select *
            from vecinas
            where siguiente_desde is null or valido_desde < siguiente_desde
        ),

        -- A version is valid until the day before the next begins; a deleted entity's
        -- last one until the day of the deletion.
        intervalos as (
            select
                *,
                cast(
                    case
                        when siguiente_desde is not null
                        then {{ dbt.dateadd("day", -1, "siguiente_desde") }}
                        when dbt_valid_to is null
                        then cast('9999-12-31' as date)
                        else greatest(valido_desde, cast(dbt_valid_to as date))
                    end as date
                ) as valido_hasta,
                siguiente_desde is null and dbt_valid_to is null as es_actual
            from ultimas_del_dia
        )

    select *
    from intervalos
{%- endmacro %}
