{% set objetos = objetos_de_auditoria("pins/*/*/*/*.json", "true") -%}
{%- set columnas = {
    "env": "VARCHAR",
    "pipeline": "VARCHAR",
    "action": "VARCHAR",
    "version": "VARCHAR",
    "commit": "VARCHAR",
    "pinned_at": "TIMESTAMPTZ",
    "pinned_by": "VARCHAR",
    "reason": "VARCHAR",
    "pin_commit": "VARCHAR",
    "images": "JSON",
} -%}

with
    registros as (select * from {{ leer_objetos(objetos, columnas) }}),

    publicaciones as (
        select
            filename as objeto,
            env as entorno,
            pipeline,
            action as accion,
            version,
            commit as commit_de_origen,
            cast(pinned_at as timestamp) as fijada_en,
            pinned_by as fijada_por,
            reason as motivo,
            pin_commit as commit_del_pin,
            cast(images as varchar) as imagenes
        from registros
    )

select *
from publicaciones
