{{
    config(
        materialized="por_cambios",
        clave="id_contenido",
        post_hook="{{ anotar_avance() }}",
    )
}}

{%- set cambios = cambios_de(
    [
        {
            "tabla": source("raw_datavision", "contents"),
            "clave": "content_id",
        },
        {
            "tabla": source("raw_datavision", "content_attributes"),
            "clave": "content_id",
        },
    ]
) -%}
{%- set donde = " where content_id in (" ~ cambios.claves ~ ")" if cambios.claves -%}

{{ cambios.avance }}
with
    contenidos as (
        select * from {{ source("raw_datavision", "contents") }} {{ donde }}
    ),

    atributos as (
        select * from {{ source("raw_datavision", "content_attributes") }} {{ donde }}
    ),

    atributos_por_contenido as (
        select
            content_id,
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
            cast(contenidos.content_id as bigint) as id_contenido,
            cast(contenidos.account_id as bigint) as id_cuenta,
            coalesce(contenidos.title, 'Sin título') as titulo,
            coalesce(contenidos.description, 'Sin descripción') as descripcion,
            coalesce(contenidos.content_type, 'Sin tipo') as tipo_contenido,
            atributos_por_contenido.categoria,
            cast(atributos_por_contenido.duracion as decimal(12, 2)) as duracion,
            cast(contenidos.created_at as timestamp) as fecha_creacion,
            cast(
                -- greatest over a null is null on some engines: a content without
                -- attributes compares with itself.
                greatest(
                    coalesce(contenidos.updated_at, contenidos.created_at),
                    coalesce(
                        atributos_por_contenido.fecha_actualizacion,
                        contenidos.updated_at,
                        contenidos.created_at
                    )
                ) as timestamp
            ) as fecha_actualizacion
        from contenidos
        left join
            atributos_por_contenido
            on contenidos.content_id = atributos_por_contenido.content_id
    )

select *
from reunidos
