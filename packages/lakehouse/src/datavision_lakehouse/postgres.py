"""PostgreSQL addresses: a URL parsed once, so that a password never ends up in a path or a message."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from datavision_lakehouse.errors import ConfigurationError

_CONNECT_TIMEOUT_SECONDS: Final = "10"


def sql_text(value: str) -> str:
    """Return the value as a DuckDB string literal, quotes included."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class PostgresAddress:
    """Where a PostgreSQL database is, and how to log in."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, url: str, *, setting: str) -> "PostgresAddress":
        """Parse `postgresql://user:password@host:port/database?option=value`.

        Raises:
            ConfigurationError: It is not such a URL. The text names `setting`, never the value, which holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 5432
        except ValueError:  # a port that is not a number, or half an IPv6 address
            parts, port = urlsplit(""), 0
        options = dict(parse_qsl(parts.query))
        host = options.pop("host", None) or parts.hostname
        # libpq also accepts the password here; as an option it would appear in messages.
        password = options.pop("password", None) or unquote(parts.password or "")
        database = unquote(parts.path.lstrip("/"))
        complete = host and port and database and parts.username
        if parts.scheme not in ("postgresql", "postgres") or not host or not complete or "\0" in unquote(url):
            raise ConfigurationError(
                f"{setting} is not a PostgreSQL URL. Set it to postgresql://user:password@host:port/database "
                "(percent-encode special characters in the password)."
            )
        options.setdefault("connect_timeout", _CONNECT_TIMEOUT_SECONDS)
        return cls(
            host=host,
            port=port,
            database=database,
            user=unquote(parts.username or ""),
            password=password,
            options=tuple(sorted(options.items())),
        )

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    @property
    def option_string(self) -> str:
        """The URL's options in libpq's keyword form; holds no credentials."""
        return " ".join(f"{key}='{_escaped(value)}'" for key, value in self.options)

    def secret_sql(self, name: str) -> str:
        """Return the statement that stores the credentials in DuckDB's memory under `name`."""
        return (
            f"CREATE OR REPLACE TEMPORARY SECRET {name} (TYPE postgres, HOST {sql_text(self.host)}, PORT {self.port}, "
            f"DATABASE {sql_text(self.database)}, USER {sql_text(self.user)}, PASSWORD {sql_text(self.password)})"
        )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
