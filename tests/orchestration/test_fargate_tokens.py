"""Names derived from what a launch is for."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from datavision.fargate.identity import TaskKey, client_token, escape, read_tags, result_key, tags, unescape

KEY = TaskKey("local", "pipeline_suscripciones", "manual__2026-11-23T10:00:00+00:00", "ingesta")
DIGEST = "sha256:" + "a" * 64


def test_the_same_launch_always_has_the_same_token() -> None:
    assert client_token(KEY, 1, 1, DIGEST, 3) == client_token(KEY, 1, 1, DIGEST, 3)


def test_a_token_has_at_most_the_64_characters_that_run_task_takes() -> None:
    assert len(client_token(TaskKey("prod", "d" * 250, "r" * 250, "t" * 250, 10**6), 99, 99, DIGEST)) <= 64


def test_everything_that_makes_a_launch_another_one_changes_its_token() -> None:
    others = [
        (TaskKey("dev", KEY.dag_id, KEY.run_id, KEY.task_id), 1, 1, DIGEST, 3),
        (TaskKey("local", "other", KEY.run_id, KEY.task_id), 1, 1, DIGEST, 3),
        (TaskKey("local", KEY.dag_id, "other", KEY.task_id), 1, 1, DIGEST, 3),
        (TaskKey("local", KEY.dag_id, KEY.run_id, "other"), 1, 1, DIGEST, 3),
        (TaskKey("local", KEY.dag_id, KEY.run_id, KEY.task_id, 0), 1, 1, DIGEST, 3),
        (KEY, 2, 1, DIGEST, 3),
        (KEY, 1, 2, DIGEST, 3),
        (KEY, 1, 1, "sha256:" + "b" * 64, 3),
        (KEY, 1, 1, DIGEST, 4),
    ]
    tokens = {client_token(*other) for other in others} | {client_token(KEY, 1, 1, DIGEST, 3)}
    assert len(tokens) == len(others) + 1


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.text(min_size=1, max_size=8), min_size=4, max_size=4), st.integers(1, 50))
def test_parts_never_run_into_each_other(parts: list[str], try_number: int) -> None:
    env, dag, run, task = parts
    one = TaskKey(env, dag, run, task)
    other = TaskKey(env, dag + run, "", task)
    assert client_token(one, try_number, 1, DIGEST) != client_token(other, try_number, 1, DIGEST)


def test_each_launch_delivers_its_result_under_a_key_of_its_own() -> None:
    first, second = client_token(KEY, 1, 1, DIGEST), client_token(KEY, 1, 2, DIGEST)
    assert result_key(KEY, first) != result_key(KEY, second)
    assert result_key(KEY, first).startswith("results/local/pipeline_suscripciones/manual__")


def test_a_mapped_instance_is_named_with_its_index() -> None:
    mapped = TaskKey("local", "d", "r", "cargar", 3)
    assert (mapped.label, mapped.file_stem) == ("cargar[3]", "cargar-3")


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=80))
def test_a_tag_gives_back_what_was_written_in_characters_that_ecs_takes(value: str) -> None:
    written = escape(value)
    assert re.fullmatch(r"[\w .:/=+@-]*", written, re.ASCII)
    assert len(written) > 250 or unescape(written) == value


def test_a_value_too_long_for_a_tag_is_left_out_rather_than_misread() -> None:
    key = TaskKey("local", "d", "~" * 250, "t")
    found = read_tags(tags(key, 1, 1, "1.2.0", "token"))
    assert "run" not in found
    assert found["task"] == "t"


def test_tags_say_whose_container_it_is_in_characters_that_ecs_takes() -> None:
    key = TaskKey("local", "d", "manual__áé!", "t", 2)
    written = tags(key, 2, 3, "1.2.0", "token")
    assert all(len(tag["key"]) <= 128 and len(tag["value"]) <= 256 for tag in written)
    found = read_tags([*written, {"key": "owner", "value": "other"}])
    assert found == {
        "env": "local",
        "dag": "d",
        "run": "manual__áé!",
        "task": "t",
        "map-index": "2",
        "try": "2",
        "launch": "3",
        "release": "1.2.0",
        "token": "token",
    }
