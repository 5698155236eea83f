{{ contenidos_con_atributos() }}
