{% macro borrar_fecha_rfm() -%}
    {#- Not delete+insert: a date for which nobody qualifies any more must lose its rows too. -#}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where id_dim_fecha_rfm = cast('{{ fecha_rfm() }}' as date)
    {%- endif -%}
{%- endmacro %}
