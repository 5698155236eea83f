"""Loads tables into PostgreSQL through COPY."""

from collections.abc import Callable

import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv

_ROWS_PER_CHUNK = 65_536
_FORMAT = csv.WriteOptions(include_header=False, quoting_style="needed")


def copy_table(
    connection: psycopg.Connection, name: str, rows: pa.Table, advance: Callable[[int], object] = lambda _: None
) -> None:
    """Append `rows` to the table, calling `advance` with the number of rows of each chunk sent."""
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(name), columns)
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for chunk in rows.to_batches(_ROWS_PER_CHUNK):
            text = pa.BufferOutputStream()
            csv.write_csv(chunk, text, _FORMAT)
            copy.write(text.getvalue())
            advance(chunk.num_rows)
