"""A commit of pins says in trailers what it is; titles are for people."""

import subprocess

import pytest

from datavision.release.pins.trailers import Statement, compose, parse

ROLLBACK = Statement("rollback", "prod", "1.2.0", (("pipeline_fact_rfm", "1.2.0"),))


@pytest.mark.parametrize(
    "said",
    [
        ROLLBACK,
        Statement("release", "dev", "1.3.0", (("pipeline_a", "1.3.0"), ("pipeline_b", "1.3.0"))),
        Statement("promote", "prod", "1.3.0", (("pipeline_a", "1.3.0"), ("pipeline_b", "1.2.9"))),
    ],
)
def test_what_a_commit_says_is_read_back_whatever_its_title(said: Statement) -> None:
    assert parse(compose(said, "Back again, because 1.3.0 counted twice: see the incident")) == said


def test_a_title_alone_from_before_there_were_trailers_is_still_read() -> None:
    assert parse("Release 0.1.0 to dev\n\npipeline_a: 0.1.0\n") == Statement("release", "dev", "0.1.0")
    assert parse("Promote 0.1.0 from dev to prod\n") == Statement("promote", "prod", "0.1.0")
    assert parse("Pin pipeline_fact_rfm in prod to 1.2.0: it was better\n") == ROLLBACK


@pytest.mark.parametrize("message", ["Release notes are tidier", "Pin the base image", "x\n\nDataVision-Action: paint"])
def test_other_commits_say_nothing_about_pins(message: str) -> None:
    assert parse(message) is None


def test_git_reads_the_same_trailers() -> None:
    message = compose(ROLLBACK, "Pin pipeline_fact_rfm back")
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == message.splitlines()[2:]
