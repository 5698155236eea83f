"""PostgreSQL to landing Parquet to the raw schema of the lakehouse."""
