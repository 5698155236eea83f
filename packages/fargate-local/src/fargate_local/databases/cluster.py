"""One PostgreSQL in one folder: its files, its process, its master user, and what takes its connections.

Amazon RDS user guide, "Master user account privileges", "Understanding the rds_superuser role" (read November 2026).
"""

import secrets
import shutil
import signal
import socket
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fargate_local.databases.authority import Authority
from fargate_local.databases.front import Front
from fargate_local.databases.programs import Warded, command, run
from fargate_local.databases.remains import disown_process_file, end_processes
from fargate_local.databases.wanted import Wanted
from fargate_local.loop_thread import LoopThread
from fargate_local.ports import HOST, free_port, is_free
from fargate_local.private_files import write
from fargate_local.runtimes.base import Exit
from fargate_local.runtimes.task_networks import TaskNetworks
from fargate_local.runtimes.vpc_network import Guest

ADMIN: Final = "rdsadmin"
"""RDS's own superuser has this name too; nobody else may."""
SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # In the folder: what is left after a kill is then removed with it.
    "dynamic_shared_memory_type": "mmap",
}
LOCALHOST: Final = "localhost"
BACKLOG: Final = 128
START_SECONDS: Final = 60.0
STOPS: Final = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
"""PostgreSQL's fast shutdown, its immediate one, and the kernel's; each with the seconds that it gets."""
PRIVILEGES: Final = ("pg_monitor", "pg_signal_backend", "pg_checkpoint", "pg_read_all_data", "pg_write_all_data")
"""What members of `rds_superuser` may do here beyond owning their databases."""


@dataclass(frozen=True, slots=True)
class House:
    """What the databases of one server share."""

    thread: LoopThread
    """In its loop their connections are forwarded."""
    warded: Warded
    authority: Authority
    networks: TaskNetworks | None


class Cluster:
    """The files, the process and the front of one database instance. Not for two threads at a time."""

    def __init__(self, folder: Path, house: House) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._house = house
        self._end: Future[Exit] | None = None
        self._front: Front | None = None
        self._own_port = 0
        self._guest: Guest | None = None

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._end is not None and not self._end.done()

    def start(self, wanted: Wanted) -> None:
        """Let it run, with the master user and the database that are wanted; its files are made the first time.

        Raises:
            RuntimeError: It does not start; the text is what it said last.
        """
        if not (self._data / "PG_VERSION").exists():
            self._create()
        # A server that was killed together with its warden may have left some.
        end_processes(self._data)
        disown_process_file(self._data)
        self._close_front()
        self._own_port = free_port()
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(self._own_port)}.items()]
        argv = command(self.folder, "postgres", "-D", str(self._data), *settings)
        log = self.folder / "postgres.log"
        self._end = self._house.warded.start(self.folder.name, argv, self.folder, log)
        self._until_it_answers(log)
        self.set_up(wanted)

    def stop(self) -> None:
        """End its process; what is unfinished is rolled back."""
        if self._front:
            self._house.thread.wait_for(self._front.refuse())
        if self._end:
            self._end_process(self._end)
        self._end = None
        self._close_front()

    def _end_process(self, end: "Future[Exit]") -> None:
        for number, seconds in STOPS:
            if end.done():
                break
            self._house.warded.signal(self.folder.name, number)
            deadline = time.monotonic() + seconds
            while not end.done() and time.monotonic() < deadline:
                time.sleep(0.02)

    def _open_front(self, wanted: Wanted) -> Front:
        networks, guest = self._house.networks, wanted.guest
        addresses = [guest.address] if guest else [HOST, LOCALHOST]
        front = Front(self._house.authority.context(addresses), encrypted_only=wanted.encrypted_only)
        self._be_found(guest)
        listener = networks.listen_as(guest) if networks and guest else listening(self.folder, wanted.port)
        self._house.thread.wait_for(front.start(listener, self._own_port))
        self._front = front
        return front

    def _be_found(self, guest: Guest | None) -> None:
        """Have the address in the VPC lead here, for whom the security groups let in."""
        if guest != self._guest and guest and self._house.networks:
            self._house.networks.admit(guest)
            self._guest = guest

    def _close_front(self) -> None:
        front, self._front = self._front, None
        guest, self._guest = self._guest, None
        if front:
            self._house.thread.wait_for(front.close())
        if guest and self._house.networks:
            self._house.networks.dismiss(guest)

    def remove(self) -> None:
        """End its process and delete its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def set_up(self, wanted: Wanted) -> None:
        """Let the master user have the password that is wanted, and make what is missing of user and database.

        Whether clients must encrypt holds for those that connect from then on.
        """
        front = self._front or self._open_front(wanted)
        front.encrypted_only = wanted.encrypted_only
        self._be_found(wanted.guest)
        mark = wanted.fingerprint(self._admin_password())
        ready = self.folder / "ready"
        if ready.exists() and ready.read_text() == mark:
            return
        with self._connected() as connection:
            make_master(connection, wanted)
            if not ready.exists():
                make_database(connection, wanted)
        write(ready, mark)

    def _admin_password(self) -> str:
        return (self.folder / "password").read_text()

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only a finished initdb gets the final name, so that a killed one is repeated.
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        write(self.folder / "password", secrets.token_urlsafe(24))
        run(
            self.folder,
            "initdb",
            *("--no-sync", "--username", ADMIN, "--pwfile", str(self.folder / "password"), "--encoding", "UTF8"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
            *("--auth", "scram-sha-256", "--pgdata", str(unfinished)),
        )
        unfinished.rename(self._data)

    def _until_it_answers(self, log: Path) -> None:
        import psycopg

        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connected().close()
            except psycopg.OperationalError:
                if not self.running or time.monotonic() > deadline:
                    self.stop()
                    said = log.read_text(errors="replace").strip().splitlines() or ["no reason given"]
                    message = f"PostgreSQL does not start: {said[-1]} (its log is {log})"
                    raise RuntimeError(message) from None
                time.sleep(0.05)
            else:
                return

    def _connected(self) -> Any:
        import psycopg

        return psycopg.connect(
            host=HOST, port=self._own_port, user=ADMIN, password=self._admin_password(), dbname="postgres",
            autocommit=True, connect_timeout=10, sslmode="disable",
        )  # fmt: skip


def make_master(connection: Any, wanted: Wanted) -> None:
    """Let the master user exist, with the password that is wanted."""
    from psycopg import sql

    def exists(role: str) -> bool:
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        return found.fetchone() is not None

    if not exists("rds_superuser"):
        connection.execute("CREATE ROLE rds_superuser NOLOGIN")
        for privilege in PRIVILEGES:
            connection.execute(sql.SQL("GRANT {} TO rds_superuser WITH ADMIN OPTION").format(sql.Identifier(privilege)))
    user = sql.Identifier(wanted.user)
    if not exists(wanted.user):
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE IN ROLE rds_superuser").format(user))
    # As a verifier: the statement may be logged.
    verifier = connection.pgconn.encrypt_password(wanted.password.encode(), wanted.user.encode(), b"scram-sha-256")
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(user, sql.Literal(verifier.decode())))


def make_database(connection: Any, wanted: Wanted) -> None:
    """Let the master user own the database `postgres`, and the one that was asked for."""
    from psycopg import sql

    user = sql.Identifier(wanted.user)
    connection.execute(sql.SQL("ALTER DATABASE postgres OWNER TO {}").format(user))
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [wanted.database]).fetchone()
    if wanted.database and not known:
        name = sql.Identifier(wanted.database)
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, user))


def port_in(folder: Path) -> int | None:
    """Return the port that the instance of a folder was given, or None."""
    try:
        return int((folder / "port").read_text())
    except (OSError, ValueError):
        return None


def take_port(folder: Path, asked: int | None) -> int:
    """Give an instance a port: the one that is asked for, if nobody else has it, else a free one."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = asked if asked and is_free(asked) else free_port()
    write(folder / "port", str(port))
    return port


def listening(folder: Path, asked: int | None) -> socket.socket:
    """Return a socket that listens at an instance's port; it gets another one if somebody else has it by now."""
    port = port_in(folder)
    if port is None or not is_free(port):
        port = take_port(folder, asked)
    made = socket.create_server((HOST, port), backlog=BACKLOG)
    made.setblocking(False)
    return made
