with reunidos as ({{ contenidos_con_atributos() }}) select * from reunidos
