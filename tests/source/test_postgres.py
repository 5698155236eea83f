import os
import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from datavision.local.postgres import EmbeddedPostgres, PostgresError
from fargate_local.databases import unprivileged


def _processes(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "postgres" and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def _postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))


def test_it_listens_on_loopback_only_and_has_no_socket_file(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url("postgres")) as connection:
        addresses = connection.execute("SHOW listen_addresses").fetchone()
        sockets = connection.execute("SHOW unix_socket_directories").fetchone()
    assert addresses == ("127.0.0.1",)
    assert sockets == ("",)


def test_it_asks_for_a_password_that_only_the_owner_can_read(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    url = postgres.url("postgres")
    password = re.search(r":([^:@]+)@", url)
    assert password
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url.replace(password.group(1), "guess"))
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row
    folder = Path(row[0]).parent
    assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700


def test_a_database_is_made_when_its_url_is_first_asked_for(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url("made_on_demand")) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("made_on_demand",)


def test_many_clients_may_make_the_same_database_at_once(postgres: EmbeddedPostgres) -> None:
    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(postgres.url, ["contended"] * 16))
    assert len(urls) == 1


def test_data_and_port_survive_a_restart_and_nothing_runs_in_between(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    url = server.url("kept")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS answer")
    assert server.stop()
    assert not server.running
    assert not _processes(tmp_path)
    assert server.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM t").fetchone() == (42,)
    server.stop()


def test_another_port_is_taken_when_the_kept_one_is_in_use(tmp_path: Path) -> None:
    import socket

    server = EmbeddedPostgres(tmp_path)
    server.start()
    server.stop()
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        with server:
            assert server.port != other.getsockname()[1]
            psycopg.connect(server.url("postgres")).close()


@pytest.mark.parametrize("everything", [True, False], ids=["all of it", "only the postmaster"])
def test_it_starts_again_after_being_killed(tmp_path: Path, everything: bool) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        with psycopg.connect(server.url("kept")) as connection:
            connection.execute("CREATE TABLE t AS SELECT 42 AS answer")
        postmaster = _postmaster(tmp_path)
        for process in [*(postmaster.children() if everything else []), postmaster]:
            with suppress(psutil.NoSuchProcess):  # a worker of the server may end by itself in between
                process.kill()
        while any(p.pid == postmaster.pid for p in _processes(tmp_path)):
            time.sleep(0.01)
        assert not server.running
        assert server.start()
        with psycopg.connect(server.url("kept")) as connection:
            assert connection.execute("SELECT answer FROM t").fetchone() == (42,)
        server.stop()
    assert not _processes(tmp_path)


def test_a_stale_process_file_that_names_a_living_stranger_is_no_obstacle(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    file = tmp_path / "data" / "postmaster.pid"
    lines = file.read_text().splitlines()
    _postmaster(tmp_path).send_signal(signal.SIGKILL)
    while _processes(tmp_path):
        time.sleep(0.01)
    file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert not server.running
    with server:
        psycopg.connect(server.url("postgres")).close()


def test_two_starts_at_once_give_one_server(tmp_path: Path) -> None:
    servers = [EmbeddedPostgres(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda server: server.start(), servers))
    assert started.count(True) == 1
    assert servers[0].stop()


@pytest.mark.parametrize("first_out", [0, 1])
def test_the_last_block_to_end_stops_the_server(tmp_path: Path, first_out: int) -> None:
    blocks = [EmbeddedPostgres(tmp_path), EmbeddedPostgres(tmp_path)]
    for block in blocks:
        block.__enter__()
    blocks.pop(first_out).__exit__(None, None, None)
    assert blocks[0].running
    blocks[0].__exit__(None, None, None)
    assert not blocks[0].running


def test_a_server_whose_user_was_killed_is_stopped_by_the_next_one(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from datavision.local.postgres import EmbeddedPostgres\n"
        "EmbeddedPostgres(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, tmp_path], check=False).returncode == -signal.SIGKILL
    with EmbeddedPostgres(tmp_path) as server:
        assert server.running
    assert not server.running


def test_a_server_that_is_not_running_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(PostgresError, match="datavision up"):
        EmbeddedPostgres(tmp_path).url("source")


def test_a_start_that_fails_names_the_reason_and_the_log(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    server.stop()
    (tmp_path / "data" / "global" / "pg_control").unlink()
    with pytest.raises(PostgresError, match=r"could not find the database system.*server\.log"):
        server.start()
    assert not _processes(tmp_path)


def test_an_interrupted_creation_is_made_again(tmp_path: Path) -> None:
    remains = tmp_path / "data.unfinished"
    remains.mkdir()
    (remains / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path) as server:
        psycopg.connect(server.url("postgres")).close()
    assert not remains.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs the user namespace: run the suite as root to see it")
def test_root_runs_it_without_adding_users_or_opening_folders(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    users = Path("/etc/passwd").read_text()
    with EmbeddedPostgres(private / "postgres") as server:
        psycopg.connect(server.url("postgres")).close()
    assert Path("/etc/passwd").read_text() == users
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert (private / "postgres" / "data").stat().st_uid == 0


def test_an_ordinary_user_needs_no_prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged.command_prefix(tmp_path, tmp_path) == []


def test_it_leaves_the_importing_process_alone() -> None:
    code = "import warnings; warnings.simplefilter('error'); import datavision.local.postgres"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
