"""The embedded PostgreSQL: the source, the lakehouse catalog and Airflow's database on a laptop.

The server comes from a wheel. It listens on 127.0.0.1 only, has no Unix socket, and asks for a password that is kept in
its folder, readable by its owner only.
"""

import fcntl
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from datavision.errors import UserError
from datavision.exit_codes import FAILURE
from datavision.local.locks import take
from datavision.process_environment import ProcessEnvironment
from fargate_local.databases.programs import programs
from fargate_local.databases.remains import disown_process_file, end_processes, gone, lives
from fargate_local.databases.unprivileged import command_prefix
from fargate_local.ports import HOST, free_port, is_free

USER: Final = "datavision"

_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "250",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # No replicas here: a table filled in the transaction that creates it then needs no write-ahead log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_START_SECONDS: Final = 60
_PORT_TRIES: Final = 5


class PostgresError(UserError):
    """The embedded PostgreSQL cannot be created, started or stopped."""

    exit_code = FAILURE


class EmbeddedPostgres:
    """One PostgreSQL server, all of it inside `folder`.

    As a context manager it runs inside the block. Blocks of several processes share it; the last one to end stops it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._log = self._folder / "server.log"
        self._use: IO[str]  # open inside a block

    @property
    def running(self) -> bool:
        """Whether the server in this folder's process file is running."""
        return self._postmaster() is not None

    @property
    def port(self) -> int:
        """The port, the same at every start unless something else took it meanwhile.

        Raises:
            PostgresError: The port's file is damaged.
        """
        try:
            return int((self._folder / "port").read_text())
        except ValueError:
            raise PostgresError(
                f"{self._folder / 'port'} does not contain a port. Remove it and start again: datavision up."
            ) from None

    def start(self) -> bool:
        """Start the server, creating its folder the first time; return whether it was down.

        Raises:
            PostgresError: It does not start; the text ends with the server's last words.
        """
        with self._locked():
            if self.running:
                return False
            if not (self._data / "PG_VERSION").exists():
                self._create()
            end_processes(self._data)
            disown_process_file(self._data)
            self._launch()
            return True

    def stop(self) -> bool:
        """Stop the server, rolling back what is unfinished; return whether it was up."""
        with self._locked():
            process = self._postmaster()
            if process is None:
                return False
            # Fast shutdown first, then immediate, which recovers from the log at the next start.
            for number, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
                if gone(process, seconds):
                    break
            end_processes(self._data)
            return True

    def url(self, database: str) -> str:
        """Return the URL of one of its databases, password included; the database is created if it is missing."""
        self._ensure_database(database)
        return self._url(database)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Shared by all blocks, and released by the kernel when a process dies: whoever gets it exclusively is the last.
        self._use = (self._folder / ".in-use").open("w")
        fcntl.flock(self._use, fcntl.LOCK_SH)
        try:
            self.start()
        except BaseException:
            self._use.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._use:
            if take(self._use):
                self.stop()

    def _url(self, database: str) -> str:
        password = quote((self._folder / "password").read_text())
        return f"postgresql://{USER}:{password}@{HOST}:{self.port}/{database}"

    def _ensure_database(self, name: str) -> None:
        try:
            with psycopg.connect(self._url("postgres"), autocommit=True, connect_timeout=10) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return
        except (psycopg.OperationalError, FileNotFoundError):
            raise PostgresError(
                f"The embedded PostgreSQL in {self._folder} is not running. Start it with: datavision up."
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _create(self) -> None:
        # Only a finished initdb gets the final name, so that a killed one is repeated.
        unfinished = self._folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self._folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        command = [
            "initdb",
            *("--no-sync", "--username", USER, "--pwfile", str(password), "--encoding", "UTF8"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
            *("--auth", "scram-sha-256", "--pgdata", str(unfinished)),
        ]
        done = self._pg(command)
        if done.returncode != 0:
            raise PostgresError(
                f"PostgreSQL could not create its files in {self._folder}: {_last_words(done.stderr)}. "
                "Free disk space or make the folder writable, then run again."
            )
        unfinished.rename(self._data)

    def _launch(self) -> None:
        for _ in range(_PORT_TRIES):
            port = self._pick_port()
            options = " ".join(f"-c {key}='{value}'" for key, value in {**_SETTINGS, "port": str(port)}.items())
            self._log.unlink(missing_ok=True)
            log = str(self._log)
            command = [
                "pg_ctl",
                "start",
                "-w",
                "-t",
                str(_START_SECONDS),
                "-D",
                str(self._data),
                "-l",
                log,
                "-o",
                options,
            ]
            if self._pg(command).returncode == 0:
                return
            if "could not bind" not in self._words():
                break
            (self._folder / "port").unlink()
        raise PostgresError(
            f"The embedded PostgreSQL did not start: {_last_words(self._words())}. Its log is {self._log}. "
            "If you do not need its data, remove it with: make clean."
        )

    def _pick_port(self) -> int:
        kept = self._folder / "port"
        with suppress(ValueError, OverflowError):  # a damaged file is rewritten
            if kept.exists() and is_free(int(kept.read_text())):
                return int(kept.read_text())
        port = free_port()
        kept.write_text(str(port))
        return port

    def _words(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _postmaster(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int((self._data / "postmaster.pid").read_text().split("\n", 1)[0]))
            # After a crash the number may belong to any process.
            mine = lives(process) and Path(process.cwd()) == self._data
        except (OSError, ValueError, psutil.Error):
            return None
        return process if mine else None

    def _pg(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        program, *arguments = command
        # A server that inherits a pipe would keep its reader waiting for as long as it runs: hence files.
        with (self._folder / "command.log").open("w+") as output:
            done = subprocess.run(
                [*command_prefix(self._folder, _binaries()), str(_binaries() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                env={**ProcessEnvironment.current().inherited, "LC_ALL": "C"},
                cwd=self._folder,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, stderr=output.read())


def _binaries() -> Path:
    try:
        return programs()
    except FileNotFoundError:
        raise PostgresError("The embedded PostgreSQL is not installed. Install it with: uv sync.") from None


def _last_words(text: str) -> str:
    """Return the first complaint in a server's output, with the line that follows it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    at = next((n for n, line in enumerate(lines) if re.search(r"FATAL|PANIC|error|could not", line)), 0)
    said = [re.sub(r"^.*?(FATAL|PANIC|HINT|DETAIL|error|LOG):\s*", "", line) for line in lines[at : at + 2]]
    return " ".join(said).rstrip(".,") or "no reason given"
