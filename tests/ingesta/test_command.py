import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer

from datavision_runtime import exit_codes
from ingesta.cli import app
from ingesta.tables import TABLES, select

Place = Any


def _sentence(done: "subprocess.CompletedProcess[str]") -> str:
    """The error: the last line of stderr, without a traceback before it."""
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr.strip().splitlines()[-1]


def test_a_load_leaves_its_result_for_the_entry_point(place: Place, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    done = place.command("--env", "local", "--validar-calidad-datos", DATAVISION_RESULT_FILE=str(result))
    assert done.returncode == exit_codes.SUCCESS, done.stderr
    left = json.loads(result.read_text())
    assert set(left["tables"]) == set(TABLES)
    accounts = left["tables"]["accounts"]
    assert accounts["inserted"] == accounts["total"] == accounts["source_rows"] > 0
    assert left["rows"] == sum(table["inserted"] for table in left["tables"].values())
    assert left["bytes"] == sum(file.stat().st_size for file in place.landing.rglob("*.parquet"))
    assert {finding["outcome"] for finding in left["quality"]} == {"ok"}
    assert left["seconds"] > 0


def test_progress_goes_to_stderr_and_stdout_stays_empty(place: Place) -> None:
    done = place.command("--env", "local", "--tables", "accounts", "premium_features")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert re.search(r"accounts: \d+ rows of \d+", done.stderr)
    assert "contents" not in done.stderr


def test_nothing_of_a_password_reaches_disk_or_log(place: Place, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    done = place.command("--env", "local", "--validar-calidad-datos", DATAVISION_RESULT_FILE=str(result))
    password = urlsplit(place.source_url).password
    assert password
    assert password not in done.stdout + done.stderr
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) > 10
    assert not [file for file in written if password.encode() in file.read_bytes()]


def test_nothing_is_written_outside_the_landing_the_lakehouse_and_tmp(place: Place, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o500)
    done = place.command("--env", "local", "--tables", "accounts", HOME=str(home), TMPDIR=str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []


def test_an_unreachable_source_is_worth_a_retry(place: Place) -> None:
    done = place.command("--env", "local", DATAVISION_SOURCE__URL="postgresql://u:secret-word@127.0.0.1:1/source")
    assert done.returncode == exit_codes.FAILURE
    assert "u@127.0.0.1:1/source cannot be read: Connection refused" in _sentence(done)
    assert "secret-word" not in done.stderr


def test_a_wrong_password_is_a_configuration_error(place: Place) -> None:
    parts = urlsplit(place.source_url)
    wrong = place.source_url.replace(f":{parts.password}@", ":secret-word@")
    done = place.command("--env", "local", DATAVISION_SOURCE__URL=wrong)
    assert done.returncode == exit_codes.USAGE
    assert "refused the password" in _sentence(done)
    assert "DATAVISION_SOURCE__URL" in _sentence(done)
    assert "secret-word" not in done.stderr


def test_a_source_database_that_is_not_there_is_a_configuration_error(place: Place) -> None:
    done = place.command("--env", "local", DATAVISION_SOURCE__URL=place.source_url + "_gone")
    assert done.returncode == exit_codes.USAGE
    assert "does not exist" in _sentence(done)


@pytest.mark.parametrize(
    ("old", "new", "said"), [("@", "x@", "refused the password"), ("/lake_", "/gone_", "does not exist")]
)
@pytest.mark.parametrize("action", [[], ["--solo-validar"], ["doctor"]], ids=["load", "validate", "doctor"])
def test_a_catalog_that_cannot_be_opened_as_configured_is_a_configuration_error(
    place: Place, old: str, new: str, said: str, action: list[str]
) -> None:
    wrong = place.catalog_url.replace(old, new)
    done = place.command(*action, "--env", "local", DATAVISION_LAKEHOUSE__CATALOG_URL=wrong)
    assert done.returncode == exit_codes.USAGE
    assert said in _sentence(done)
    assert "DATAVISION_LAKEHOUSE__CATALOG_URL" in _sentence(done)


def test_a_role_without_rights_learns_which_grant_it_needs(place: Place) -> None:
    place.change(
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN PASSWORD 'r'",
        "GRANT SELECT ON accounts TO reader",
    )
    parts = urlsplit(place.source_url)
    url = place.source_url.replace(f"{parts.username}:{parts.password}@", "reader:r@")
    done = place.command("--env", "local", "--tables", "accounts", "contents", DATAVISION_SOURCE__URL=url)
    place.change("DROP OWNED BY reader", "DROP ROLE reader")
    assert done.returncode == exit_codes.USAGE
    assert "permission denied for table contents: grant SELECT to reader" in _sentence(done)


def test_an_unknown_table_name_lists_the_known_ones(place: Place) -> None:
    done = place.command("--env", "local", "--tables", "acounts")
    assert done.returncode == exit_codes.USAGE
    assert "no table 'acounts'" in _sentence(done)
    assert all(name in _sentence(done) for name in TABLES)


def test_a_table_missing_at_the_source_is_a_configuration_error(place: Place) -> None:
    place.change("DROP TABLE account_premium_features")
    done = place.command("--env", "local")
    assert done.returncode == exit_codes.USAGE
    assert "has no table public.account_premium_features" in _sentence(done)


@pytest.mark.parametrize("setting", ["DATAVISION_LANDING__PATH", "DATAVISION_LAKEHOUSE__DATA_PATH"])
def test_a_destination_that_cannot_be_written_names_its_setting(place: Place, tmp_path: Path, setting: str) -> None:
    (tmp_path / "file").write_text("")
    done = place.command("--env", "local", "--tables", "accounts", **{setting: str(tmp_path / "file" / "folder")})
    assert done.returncode == exit_codes.USAGE
    assert setting in _sentence(done)


def test_a_full_disk_is_one_sentence_and_leaves_the_lakehouse_as_it_was(place: Place, tmp_path: Path) -> None:
    place.load()
    before = place.sql("SELECT count(*), max(_id_carga) FROM raw_datavision.contents")
    place.change("UPDATE contents SET description = md5(content_id::text) || md5(title), updated_at = now()")
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=64k none {small} && exec "$@"'
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip(
            "a full disk needs mount namespaces: allow unprivileged user namespaces (sysctl user.max_user_namespaces)"
        )
    done = subprocess.run(
        [*command, *place.arguments("--env", "local")],
        env=place.child_environment({"DATAVISION_LANDING__PATH": str(small)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_codes.FAILURE, done.stderr
    assert "No space left" in _sentence(done)
    assert place.sql("SELECT count(*), max(_id_carga) FROM raw_datavision.contents") == before


def test_the_environment_of_command_line_and_container_must_agree(place: Place) -> None:
    done = place.command("--env", "prod")
    assert done.returncode == exit_codes.USAGE
    assert "--env says 'prod' but DATAVISION_ENV says 'local'" in _sentence(done)


def test_every_missing_and_malformed_variable_is_named_at_once(place: Place) -> None:
    place.more = {"DATAVISION_LANDING__PATH": "relative/folder", "DATAVISION_INGESTA__LAG_DAYS": "many"}
    environment = place.child_environment()
    del environment["DATAVISION_SOURCE__URL"]
    done = subprocess.run(
        place.arguments("--env", "local"), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_codes.USAGE
    for expected in (
        "DATAVISION_SOURCE__URL is not set",
        "DATAVISION_LANDING__PATH: must be",
        "DATAVISION_INGESTA__LAG_DAYS",
    ):
        assert expected in _sentence(done)


def test_a_misspelt_setting_is_named(place: Place) -> None:
    done = place.command("--env", "local", DATAVISION_INGESTA__LAG_DAY="3")
    assert done.returncode == exit_codes.USAGE
    assert "DATAVISION_INGESTA__LAG_DAY is not a known setting" in _sentence(done)


@pytest.mark.parametrize("arguments", [[], ["--env", "test"], ["--env", "local", "--tabla", "x"]])
def test_a_wrong_command_line_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        app(arguments, prog_name="ingesta")
    assert caught.value.code == exit_codes.USAGE
    assert "Usage: ingesta" in capsys.readouterr().err


def parsed(*arguments: str) -> dict[str, Any]:
    """What the command line makes of these arguments."""
    with typer.main.get_command(app).make_context("ingesta", list(arguments)) as context:
        return context.params


def test_help_ends_in_an_example_that_the_parser_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["--help"], prog_name="ingesta")
    assert ended.value.code == 0
    (example,) = re.findall(r"Example: ingesta (.+)", " ".join(capsys.readouterr().out.split()))
    chosen = parsed(*example.split())
    assert (chosen["env"], chosen["tables"]) == ("dev", ["accounts", "contents"])


@pytest.mark.parametrize(
    ("arguments", "tables"),
    [
        ("--env dev", None),
        ("--env dev --tables a", ["a"]),
        ("--tables a b c --env dev", ["a", "b", "c"]),
        ("--tables a --env dev --tables b c", ["a", "b", "c"]),
        ("doctor --tables=a --env dev", ["a"]),
    ],
)
def test_every_word_after_tables_is_one_up_to_the_next_option(arguments: str, tables: list[str] | None) -> None:
    chosen = parsed(*arguments.split())
    assert (chosen["tables"] or None, chosen["env"]) == (tables, "dev")


@pytest.mark.parametrize("arguments", ["--env dev --tables", "--env dev --tables --solo-validar", "accounts --env dev"])
def test_tables_without_a_name_and_a_word_that_is_no_action_are_refused(
    arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        app(arguments.split(), prog_name="ingesta")
    assert caught.value.code == exit_codes.USAGE
    assert re.search("name at least one table|is not one of 'load', 'doctor'", capsys.readouterr().err)


def test_tables_come_in_the_order_of_their_declaration() -> None:
    assert [table.name for table in select(["contents", "accounts"])] == ["accounts", "contents"]
    assert tuple(select([])) == tuple(TABLES.values())


def test_doctor_says_what_it_reached_and_changes_nothing(place: Place) -> None:
    done = place.command("doctor", "--env", "local")
    assert done.returncode == 0, done.stderr
    for part in ("extensions: ok", "/source_", "8 tables", "ok, empty", "landing", "lakehouse data"):
        assert part in done.stderr
    assert not place.landing.exists()
    place.load("premium_features")
    assert "ok, empty" not in place.command("doctor", "--env", "local").stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: run the suite as an ordinary user to see it")
def test_doctor_finds_a_folder_that_cannot_be_written(place: Place, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    done = place.command("doctor", "--env", "local", DATAVISION_LANDING__PATH=str(tmp_path / "locked"))
    assert done.returncode == exit_codes.USAGE
    assert "DATAVISION_LANDING__PATH" in _sentence(done)


def test_doctor_fails_like_a_load_would(place: Place) -> None:
    done = place.command("doctor", "--env", "local", DATAVISION_SOURCE__URL="postgresql://u:p@127.0.0.1:1/x")
    assert done.returncode == exit_codes.FAILURE
    assert "cannot be read" in _sentence(done)


def test_sigterm_ends_a_load_without_trace(place: Place) -> None:
    blocker = "BEGIN; LOCK TABLE contents IN ACCESS EXCLUSIVE MODE"
    import signal
    import time

    import psycopg

    with psycopg.connect(place.source_url) as connection:
        connection.execute(blocker.split("; ")[1])
        child = subprocess.Popen(
            place.arguments("--env", "local"), env=place.child_environment(), stderr=subprocess.PIPE
        )
        while not list(place.landing.glob("*/accounts_subscription.parquet")):
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM
    report = place.load("accounts")
    assert [folder.name for folder in place.landing.iterdir()] == [report.load.id]
