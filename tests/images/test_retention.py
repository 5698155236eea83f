"""What a prune keeps, as a pure decision."""

from datetime import UTC, datetime, timedelta

from datavision.images.registry import RegisteredImage
from datavision.release.registry.retention import PinPeriod, Window, needed, removable

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = Window(releases=2, days=30)


def period(days_ago: int, version: str, pipeline: str = "p", env: str = "prod") -> PinPeriod:
    return PinPeriod(env, pipeline, version, NOW - timedelta(days=days_ago), frozenset({f"sha256:{version}"}))


def image(digest: str, days_ago: int) -> RegisteredImage:
    return RegisteredImage("datavision/ingesta", digest, (), NOW - timedelta(days=days_ago), 10)


def kept(*periods: PinPeriod, next_run: object = None) -> set[str]:
    reasons = needed(periods, {}, WINDOW, next_run or (lambda name, after: None), NOW)  # type: ignore[arg-type] # the lambda names no types
    return {digest.removeprefix("sha256:") for digest in reasons}


def test_what_is_pinned_stays_however_old_it_is() -> None:
    assert kept(period(900, "1.0.0")) == {"1.0.0"}


def test_the_last_releases_stay_however_old_they_are() -> None:
    assert kept(period(900, "1.0.0"), period(800, "1.1.0"), period(700, "1.2.0")) == {"1.1.0", "1.2.0"}


def test_what_was_pinned_within_the_days_stays_however_many_releases_came_since() -> None:
    periods = [period(days, f"1.{40 - days}.0") for days in (40, 29, 20, 10, 5)]
    assert kept(*periods) == {"1.11.0", "1.20.0", "1.30.0", "1.35.0", "1.0.0"}


def test_the_days_count_from_when_a_pin_ended_not_from_when_it_began() -> None:
    assert "1.0.0" in kept(period(400, "1.0.0"), period(20, "1.1.0"), period(19, "1.2.0"), period(18, "1.3.0"))


def test_the_last_day_of_the_window_is_in_it() -> None:
    later = [period(days, f"1.{days}.0") for days in (12, 11)]
    assert "1.0.0" in kept(period(400, "1.0.0"), period(30, "1.30.0"), *later)
    assert "1.0.0" not in kept(period(400, "1.0.0"), period(31, "1.31.0"), *later)


def test_going_back_and_forth_between_two_versions_is_two_releases() -> None:
    flips = [period(days, "1.1.0" if days % 2 else "1.2.0") for days in range(400, 390, -1)]
    assert kept(period(900, "1.0.0"), *flips) == {"1.1.0", "1.2.0"}


def test_every_environment_counts() -> None:
    assert kept(period(900, "1.0.0", env="prod"), period(1, "2.0.0", env="dev")) == {"1.0.0", "2.0.0"}


def test_what_a_rare_pipeline_ran_last_stays_until_a_scheduled_run_tried_a_newer_pin() -> None:
    history = [period(days, f"1.{400 - days}.0") for days in (400, 300, 200, 100, 90, 80)]
    july = NOW - timedelta(days=145)

    def twice_a_year(pipeline: str, after: datetime) -> datetime:
        return july if after < july else NOW + timedelta(days=40)

    assert "1.200.0" in kept(*history, next_run=twice_a_year)
    assert "1.200.0" not in kept(*history)


def test_a_run_at_the_moment_of_the_next_pin_has_tried_the_one_before() -> None:
    history = [period(days, f"1.{400 - days}.0") for days in (400, 300, 200, 100, 90, 80)]
    tried = NOW - timedelta(days=200)
    assert "1.100.0" in kept(*history, next_run=lambda name, after: tried if after < tried else NOW + DAY)


def test_a_pin_that_ended_before_its_first_scheduled_run_has_tried_nothing() -> None:
    history = [period(days, f"1.{400 - days}.0") for days in (400, 300, 200, 100, 90, 80)]
    tried = NOW - timedelta(days=95)
    found = kept(*history, next_run=lambda name, after: tried if after < tried else NOW + DAY)
    assert found == {"1.300.0", "1.310.0", "1.320.0"}


def test_what_the_current_pin_has_tried_already_keeps_nothing_older() -> None:
    history = [period(days, f"1.{400 - days}.0") for days in (400, 300, 200, 100, 90, 80)]
    assert kept(*history, next_run=lambda name, after: after + DAY) == {"1.310.0", "1.320.0"}


def test_what_runs_at_this_moment_stays() -> None:
    reasons = needed([], {"sha256:a": "runs now"}, WINDOW, lambda name, after: None, NOW)
    assert removable([image("sha256:a", 900), image("sha256:b", 900)], reasons, NOW, DAY) == [image("sha256:b", 900)]


def test_what_was_just_pushed_stays_for_the_release_that_has_not_pinned_it_yet() -> None:
    assert removable([image("sha256:a", 0)], {}, NOW, DAY) == []
    assert removable([image("sha256:a", 1)], {}, NOW, DAY) == [image("sha256:a", 1)]
