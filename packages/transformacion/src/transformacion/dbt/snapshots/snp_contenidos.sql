{% snapshot snp_contenidos %}
    {{ config(unique_key="id_contenido") }}

    {{
        con_fecha_version(
            ref("stg_contents"),
            "id_contenido",
            [
                "id_cuenta",
                "titulo",
                "descripcion",
                "tipo_contenido",
                "categoria",
                "duracion",
                "fecha_creacion",
            ],
            [
                {
                    "tabla": source("raw_datavision", "contents"),
                    "clave": "content_id",
                },
                {
                    "tabla": source("raw_datavision", "content_attributes"),
                    "clave": "content_id",
                },
            ],
            contenidos_con_atributos,
        )
    }}
{% endsnapshot %}
