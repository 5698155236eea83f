{% macro fecha_rfm() -%}
    {%- set zona = modules.pytz.timezone(var("zona_horaria")) -%}
    {%- set hoy = run_started_at.astimezone(zona).strftime("%Y-%m-%d") -%}
    {%- set fecha = (
        var("fecha_rfm", none) or env_var("DATAVISION_FECHA_RFM", "") or hoy
    ) -%}
    {%- if not modules.re.fullmatch(
        "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", fecha | string
    ) -%}
        {{
            exceptions.raise_compiler_error(
                "fecha_rfm is '"
                ~ fecha
                ~ "'; give a date such as 2026-06-30: --fecha-rfm 2026-06-30"
            )
        }}
    {%- endif -%}
    {{ return(fecha | string) }}
{%- endmacro %}


{% macro fechas_rfm() -%}
    {%- set fechas = [fecha_rfm()] -%}
    {%- if execute and flags.FULL_REFRESH -%}
        {#- Not a ref: fact_rfm reads the models that call this, and a graph has no cycles. -#}
        {%- set fact_rfm = adapter.get_relation(
            target.database, generate_schema_name("marts", none), "fact_rfm"
        ) -%}
        {%- if fact_rfm is not none -%}
            {%- set anteriores = run_query(
                "select distinct cast(id_dim_fecha_rfm as varchar) from "
                ~ fact_rfm
                ~ " order by 1"
            ) -%}
            {%- for fecha in anteriores.columns[0].values() if fecha not in fechas -%}
                {%- do fechas.append(fecha) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(fechas) }}
{%- endmacro %}
