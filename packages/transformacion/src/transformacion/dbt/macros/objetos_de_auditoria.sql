{% macro objetos_de_auditoria(patron, terminado) -%}
    {%- set raiz = env_var("DATAVISION_AUDIT__PATH", "") -%}
    {%- if not execute or not raiz -%} {{ return([]) }} {%- endif -%}
    {%- set consulta -%}
        select file
        from glob('{{ raiz }}/{{ patron }}')
        {% if is_incremental() %}
            where file not in (select objeto from {{ this }} where {{ terminado }})
        {% endif %}
        order by file
    {%- endset -%}
    {{ return(run_query(consulta).columns[0].values() | list) }}
{%- endmacro %}


{% macro leer_objetos(objetos, columnas) -%}
    {%- set nombres = [] -%} {%- set tipos = [] -%} {%- set vacias = [] -%}
    {%- for objeto in objetos -%}
        {%- do nombres.append("'" ~ objeto | replace("'", "''") ~ "'") -%}
    {%- endfor -%}
    {%- for nombre, tipo in columnas.items() -%}
        {%- do tipos.append("'" ~ nombre ~ "': '" ~ tipo ~ "'") -%}
        {%- do vacias.append("cast(null as " ~ tipo ~ ') as "' ~ nombre ~ '"') -%}
    {%- endfor -%}
    {%- if objetos -%}
        read_json(
            [{{ nombres | join(", ") }}],
            columns = {{ "{" ~ tipos | join(", ") ~ "}" }},
            filename = true
        )
    {%- else -%}
        (
            select {{ vacias | join(", ") }}, cast(null as varchar) as filename
            where false
        )
    {%- endif -%}
{%- endmacro %}
