"""RDS for PostgreSQL: behind each instance that moto describes, a PostgreSQL that runs."""
