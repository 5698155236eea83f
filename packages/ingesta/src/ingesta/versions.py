"""Row versions: what PostgreSQL wrote to a table since an earlier load read it. Pure.

Every row carries the number of the transaction that wrote it (`xmin`). A snapshot has a horizon: each transaction below
it had ended when the snapshot was taken. So a row whose transaction is below the horizon of an earlier load was seen by
that load as it is now, and every other row is read again: inserted and updated ones, late ones, and those whose cursor
did not move. Deleted rows leave nothing; they show in the number of rows.

That holds while transactions only count upwards and a value depends on its row alone. `versions_query` finds the tables
of which it is true, and a mark names what must still be the same: the server's process and its last recovery (a server
that was restored or promoted started anew, and a crash resets its statistics), the database, the table and its file,
and how each column is read.
"""

import json
from dataclasses import asdict, dataclass
from typing import Final, Self

SERVER_QUERY: Final = (
    "SELECT pg_postmaster_start_time()::text AS started, "
    "coalesce((SELECT stats_reset FROM pg_stat_bgwriter)::text, '') AS recovered, "
    "pg_snapshot_xmin(pg_current_snapshot())::text AS horizon"
)

_PLAIN_TYPES: Final = (
    "bool bytea char bpchar date float4 float8 int2 int4 int8 json jsonb name numeric text time timestamp timestamptz "
    "uuid varchar"
)
"""Types whose values depend on no setting, catalog or other row, and their arrays; so do enumerations, but for their
labels, which are part of the structure."""
_PLAIN: Final = (
    "(coalesce(e.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace "
    "AND coalesce(e.typname, t.typname) = ANY(plain.names) OR t.typtype = 'e')"
)
_LABELS: Final = "(SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid)"
_STRUCTURE: Final = (
    "md5(json_agg(json_build_array(a.attname, a.attnum, a.atttypid, a.atttypmod, a.attgenerated, "
    f"a.attmissingval::text, {_LABELS}) ORDER BY a.attnum)::text)"
)


def versions_query(schema: str) -> str:
    """Return the PostgreSQL query for the tables of a schema whose row versions tell what changed.

    Its columns: name, identity (of database, table and file), structure, and the primary key's columns as JSON. Left
    out are views, foreign and partitioned tables and those with children, whose rows are elsewhere; tables under row
    security, where a policy decides what is there; those with a virtual column; and those with a type not in
    `_PLAIN_TYPES`.

    Args:
        schema: The schema's name as an SQL literal.
    """
    return (
        f"SELECT c.relname, concat_ws('/', d.oid, c.oid, c.relfilenode) AS identity, {_STRUCTURE} AS structure, "
        "(SELECT json_agg(k.attname)::text FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indrelid "
        "AND array_position(i.indkey::int2[], k.attnum) < i.indnkeyatts "
        "WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid) AS key "
        f"FROM (SELECT string_to_array('{_PLAIN_TYPES}', ' ')::name[] AS names) plain, pg_class c "
        "JOIN pg_database d ON d.datname = current_database() "
        "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' "
        f"WHERE n.nspname = {schema} AND c.relkind = 'r' AND m.amname = 'heap' "
        "AND NOT c.relhassubclass AND NOT row_security_active(c.oid) "
        f"GROUP BY d.oid, c.oid, c.relname, c.relfilenode HAVING bool_and(a.attgenerated <> 'v' AND {_PLAIN})"
    )


@dataclass(frozen=True)
class Mark:
    """Up to where a load saw a table of the source."""

    server: str
    """When its process started, and when it last recovered."""
    table: str
    """The numbers of the database, the table and its file."""
    columns: str
    """Hash of the table's structure and of how each column is read."""
    horizon: int
    """Each transaction below this one, in 64 bits, had ended."""

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the mark that was written as `text`."""
        return cls(**json.loads(text))

    def follows(self, earlier: "Mark") -> bool:
        """Return whether row versions tell what was written between two marks of one table."""
        same = (self.server, self.table, self.columns) == (earlier.server, earlier.table, earlier.columns)
        return same and 0 <= self.horizon - earlier.horizon < _COMPARABLE


_COMPARABLE: Final = 2**30
"""Rows hold the last 32 bits of a transaction's number, and PostgreSQL compares them over 31."""
_FIRST_TRANSACTION: Final = 3


def written_since(mark: Mark) -> str:
    """Return the PostgreSQL condition for the rows that may have been written after a load with this mark.

    Of very old rows, whose transaction's number has come round again, some may be among them.
    """
    # Both ages count from the same transaction, whichever it is in the process that evaluates them.
    return f"age(xmin) <= age('{max(mark.horizon % 2**32, _FIRST_TRANSACTION)}'::xid)"
