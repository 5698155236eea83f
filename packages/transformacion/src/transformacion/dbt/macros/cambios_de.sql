{% macro cambios_de(fuentes) -%}
    {%- set todo = {"claves": none, "avance": "-- avance: {}"} -%}
    {%- set se_construye = flags.WHICH in ("build", "run", "snapshot") -%}
    {%- if not execute or not se_construye or model.resource_type == "unit_test" -%}
        {{ return(todo) }}
    {%- endif -%}
    {%- set estado = estado_de_las_fuentes(fuentes) -%}
    {%- set desde = primera_foto_sin_leer(estado) -%}
    {%- set claves = (
        none
        if desde is none
        else claves_cambiadas(fuentes, desde, estado.ahora.foto)
    ) -%}
    {%- set avance = {
        "ahora": estado.ahora,
        "claves": claves,
        "existe": {
            "tabla": fuentes[0].tabla | string,
            "clave": fuentes[0].clave,
        },
    } -%}
    {{
        return(
            {
                "claves": (
                    "select clave from " ~ tabla_de_claves() if claves else none
                ),
                "avance": "-- avance: " ~ tojson(avance),
            }
        )
    }}
{%- endmacro %}


{% macro estado_de_las_fuentes(fuentes) -%}
    {%- set nombres = (
        fuentes
        | map(attribute="tabla")
        | map(attribute="identifier")
        | join("', '")
    ) -%}
    {%- set consulta -%}
        select
            (select id from {{ this.database }}.current_snapshot()) as foto,
            (
                select string_agg(snapshot_id, ' ')
                from {{ this.database }}.snapshots()
            ) as fotos,
            (
                select string_agg(table_uuid, ' ' order by table_uuid)
                from ducklake_table_info('{{ this.database }}')
                where table_name in ('{{ nombres }}')
            ) as tablas,
            (
                select comment
                from duckdb_tables()
                where
                    database_name = '{{ this.database }}'
                    and schema_name = '{{ this.schema }}'
                    and table_name = '{{ this.identifier }}'
            ) as comentario
    {%- endset -%}
    {%- set fila = run_query(consulta).rows[0] -%}
    {{
        return(
            {
                "fotos": fila["fotos"].split(" "),
                "antes": fromjson(fila["comentario"] or "{}", {}),
                "ahora": {
                    "foto": fila["foto"] | int,
                    "tablas": fila["tablas"],
                    "proyecto": env_var("DATAVISION_PROYECTO_DBT", ""),
                },
            }
        )
    }}
{%- endmacro %}


{% macro primera_foto_sin_leer(estado) -%}
    {#- None when what changed is not certain: then all is read. That is so for a table
        that is new, or that another version of the project built, or from other tables;
        and when the snapshot that it was built from has expired. -#}
    {%- set antes = estado.antes -%}
    {%- set ahora = estado.ahora -%}
    {%- set cierto = (
        ahora.proyecto
        and antes.get("proyecto") == ahora.proyecto
        and antes.get("tablas") == ahora.tablas
        and antes.get("foto") | string in estado.fotos
        and not flags.FULL_REFRESH
    ) -%}
    {%- if not cierto -%} {{ return(none) }} {%- endif -%}
    {#- An interval cannot begin at a snapshot that has expired. What its predecessor
        changed is then read once more. -#}
    {%- set siguiente = antes.foto + 1 -%}
    {{ return(siguiente if siguiente | string in estado.fotos else antes.foto) }}
{%- endmacro %}


{% macro claves_cambiadas(fuentes, desde, hasta) -%}
    {%- set partes = [] -%}
    {%- for fuente in fuentes if load_relation(fuente.tabla) is not none -%}
        {%- set cambios -%}
            ducklake_table_changes(
                '{{ this.database }}',
                '{{ fuente.tabla.schema }}',
                '{{ fuente.tabla.identifier }}',
                {{ desde }},
                {{ hasta }}
            )
        {%- endset -%}
        {%- if fuente.clave -%}
            {%- set claves = "select " ~ fuente.clave ~ " as clave from " ~ cambios -%}
            {%- do partes.append(
                "select clave from "
                ~ fuente.desde
                ~ " where de in ("
                ~ claves
                ~ ")"
                if fuente.desde
                else claves
            ) -%}
        {%- elif run_query("select 1 from " ~ cambios ~ " limit 1").rows | length -%}
            {{ return(none) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(partes | join(" union ")) }}
{%- endmacro %}


{% macro tabla_de_claves() -%}
    {{ adapter.quote(this.identifier ~ "__claves") }}
{%- endmacro %}


{% macro claves_de_avance() -%}
    select distinct clave from ({{ avance().claves }}) where clave is not null
{%- endmacro %}


{% macro guardar_claves() -%}
    {#- Once: the record of changes reads files, and a query asks for the keys more often. -#}
    {%- if avance().get("claves") -%}
        create or replace temporary table {{ tabla_de_claves() }} as
        {{ claves_de_avance() }}
    {%- endif -%}
{%- endmacro %}


{% macro avance() -%}
    {%- if not execute -%} {{ return({}) }} {%- endif -%}
    {%- set linea = modules.re.search(
        "-- avance: (.*)$", model.compiled_code, modules.re.MULTILINE
    ) -%}
    {{ return(fromjson(linea.group(1))) }}
{%- endmacro %}


{% macro anotar_avance() -%}
    {#- In the transaction that writes the table: whoever sees the one sees the other. -#}
    comment on table {{ this }} is '{{ tojson(avance().get("ahora", {})) }}'
{%- endmacro %}
