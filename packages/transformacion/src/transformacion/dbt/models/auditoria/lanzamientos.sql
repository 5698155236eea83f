{% set objetos = objetos_de_auditoria(
    "audit/*/*/*/*/*.json", "resultado <> 'running'"
) -%}
{%- set columnas = {
    "env": "VARCHAR",
    "pipeline": "VARCHAR",
    "run_id": "VARCHAR",
    "run_date": "DATE",
    "run_type": "VARCHAR",
    "triggered_by": "VARCHAR",
    "params": "JSON",
    "task_id": "VARCHAR",
    "map_index": "INTEGER",
    "try_number": "INTEGER",
    "launch": "INTEGER",
    "module": "VARCHAR",
    "command": "VARCHAR[]",
    "release": "VARCHAR",
    "image": "VARCHAR",
    "tag": "VARCHAR",
    "digest": "VARCHAR",
    "reported_digest": "VARCHAR",
    "task_definition": "VARCHAR",
    "task_arn": "VARCHAR",
    "shared": "VARCHAR",
    "cpu": "INTEGER",
    "memory": "INTEGER",
    "why_size": "VARCHAR",
    "capacity": "VARCHAR",
    "subnet": "VARCHAR",
    "outcome": "VARCHAR",
    "stop_code": "VARCHAR",
    "reason": "VARCHAR",
    "exit_code": "INTEGER",
    "launched_at": "DOUBLE",
    "started_at": "DOUBLE",
    "stopped_at": "DOUBLE",
    "seconds": "DOUBLE",
    "cost_usd": "DOUBLE",
    "measured": "JSON",
    "result": "JSON",
} -%}

with
    registros as (select * from {{ leer_objetos(objetos, columnas) }}),

    filas as (
        select
            filename,
            case
                when json_type(result, '$.rows') = 'OBJECT'
                then
                    list_sum(
                        list_transform(
                            map_values(
                                cast(
                                    json_extract(result, '$.rows') as map(
                                        varchar, bigint
                                    )
                                )
                            ),
                            lambda cantidad:cantidad
                        )
                    )
                else try_cast(json_extract_string(result, '$.rows') as bigint)
            end as filas
        from registros
    ),

    lanzamientos as (
        select
            registros.filename as objeto,
            env as entorno,
            pipeline,
            run_id as ejecucion,
            run_date as dia,
            run_type as tipo_ejecucion,
            triggered_by as pedida_por,
            cast(params as varchar) as parametros,
            task_id as tarea,
            map_index as indice,
            try_number as intento,
            launch as lanzamiento,
            module as modulo,
            cast(to_json(command) as varchar) as comando,
            release,
            image as imagen,
            tag as etiqueta,
            digest,
            reported_digest as digest_visto,
            task_definition as definicion_de_tarea,
            task_arn as tarea_de_ecs,
            shared as contenedor_compartido,
            cpu,
            memory as memoria_mib,
            why_size as motivo_del_tamano,
            capacity as capacidad,
            subnet as subred,
            outcome as resultado,
            stop_code as codigo_de_parada,
            reason as motivo,
            exit_code as codigo_de_salida,
            cast(to_timestamp(launched_at) as timestamp) as lanzado_en,
            cast(to_timestamp(started_at) as timestamp) as iniciado_en,
            cast(to_timestamp(stopped_at) as timestamp) as detenido_en,
            seconds as segundos,
            cost_usd as costo_usd,
            cast(
                json_extract_string(measured, '$.peak_memory_bytes') as bigint
            ) as pico_de_memoria_bytes,
            cast(filas.filas as bigint) as filas
        from registros
        inner join filas on registros.filename = filas.filename
    )

select *
from lanzamientos
