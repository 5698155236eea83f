{% macro borrar_fechas_rfm() -%}
    {#-
        Not delete+insert: a date for which nobody qualifies any more must lose its rows too.
        Not a full refresh, which puts a new table in the old one's place: what another process
        wrote into the old one meanwhile would be lost without a conflict.
    -#}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where cast(id_dim_fecha_rfm as varchar) in ('{{ fechas_rfm() | join("', '") }}')
    {%- endif -%}
{%- endmacro %}
