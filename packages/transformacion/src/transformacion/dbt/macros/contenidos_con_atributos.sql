{% macro contenidos_con_atributos(claves=none) -%}
    with
        contenidos as (
            select *
            from {{ ref("base_contents") }}
            {% if claves %} where id_contenido in ({{ claves }}) {% endif %}
        ),

        -- Here as well: DuckDB does not bring a condition on the join to what it
        -- groups.
        atributos as (
            select *
            from {{ source("raw_datavision", "content_attributes") }}
            {% if claves %} where content_id in ({{ claves }}) {% endif %}
        ),

        atributos_por_contenido as (
            select
                cast(content_id as bigint) as id_contenido,
                max(
                    case when attribute_name = 'Categoría' then string_value end
                ) as categoria,
                max(
                    case when attribute_name = 'Duración' then decimal_value end
                ) as duracion,
                max(coalesce(updated_at, created_at)) as fecha_actualizacion
            from atributos
            group by content_id
        ),

        reunidos as (
            select
                contenidos.id_contenido,
                contenidos.id_cuenta,
                contenidos.titulo,
                contenidos.descripcion,
                contenidos.tipo_contenido,
                atributos_por_contenido.categoria,
                cast(atributos_por_contenido.duracion as decimal(12, 2)) as duracion,
                contenidos.fecha_creacion,
                cast(
                    -- greatest over a null is null on some engines: a content without
                    -- attributes compares with itself.
                    greatest(
                        contenidos.fecha_actualizacion,
                        coalesce(
                            atributos_por_contenido.fecha_actualizacion,
                            contenidos.fecha_actualizacion
                        )
                    ) as timestamp
                ) as fecha_actualizacion
            from contenidos
            left join
                atributos_por_contenido
                on contenidos.id_contenido = atributos_por_contenido.id_contenido
        )

    select *
    from reunidos
{%- endmacro %}
