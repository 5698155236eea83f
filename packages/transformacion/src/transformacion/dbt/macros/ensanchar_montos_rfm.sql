{% macro ensanchar_montos_rfm() -%}
    {#- Tables of version 0.1 held sums in decimal(12, 2), which large businesses exceed. -#}
    {%- if execute and is_incremental() -%}
        {%- for columna in adapter.get_columns_in_relation(this) -%}
            {%- if columna.dtype | lower | replace(" ", "") == "decimal(12,2)" %}
                alter table {{ this }}
                alter column {{ adapter.quote(columna.name) }} set data type decimal(38, 2)
                ;
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
