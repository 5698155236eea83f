"""What health checks and rules mean, without a server.

Application Load Balancer user guide, "Health checks for your target groups", "Condition types for listener rules".
"""

from typing import Any

import pytest

from fargate_local.balancing.health import FAILED, HEALTHY, TIMED_OUT, Verdict, expected_codes, mismatch
from fargate_local.balancing.pool import spread
from fargate_local.balancing.rules import Asked, holds


def heard(*results: Any) -> list[str]:
    """States after each result, with three successes and two failures in a row as thresholds."""
    verdict = Verdict()
    return [verdict.heard(result, 3, 2).state for result in results]


def test_a_new_target_is_healthy_after_one_success_and_unhealthy_after_its_threshold() -> None:
    assert heard(HEALTHY) == ["healthy"]
    assert heard(FAILED, HEALTHY) == ["initial", "healthy"]
    assert heard(FAILED, TIMED_OUT) == ["initial", "unhealthy"]


def test_a_targets_health_changes_after_so_many_results_in_a_row() -> None:
    assert heard(HEALTHY, FAILED, HEALTHY, FAILED, FAILED) == ["healthy"] * 4 + ["unhealthy"]
    sick = [FAILED, FAILED]
    assert heard(*sick, HEALTHY, HEALTHY, FAILED, HEALTHY, HEALTHY, HEALTHY)[2:] == ["unhealthy"] * 5 + ["healthy"]


def test_an_unhealthy_targets_reason_is_that_of_its_last_check() -> None:
    verdict = Verdict()
    for result in (FAILED, FAILED, mismatch(503)):
        verdict.heard(result, 3, 2)
    assert verdict.health == mismatch(503)


@pytest.mark.parametrize(
    ("matcher", "code", "expected"),
    [
        ("200", 200, True),
        ("200", 201, False),
        ("200,204", 204, True),
        ("200-299", 250, True),
        ("200-299,404", 404, True),
    ],
)
def test_a_matcher_names_codes_and_spans(matcher: str, code: int, expected: bool) -> None:
    assert expected_codes(matcher)(code) is expected


ASKED = Asked("GET", "shop.example.com", "/img/a.png", (("size", "big"), ("v", "2")), {"X-Kind": "Blue"}, "10.0.3.7")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Field": "path-pattern", "Values": ["/img/*"]}, True),
        ({"Field": "path-pattern", "PathPatternConfig": {"Values": ["/IMG/*", "/x"]}}, False),
        ({"Field": "path-pattern", "Values": ["/img/?.png"]}, True),
        ({"Field": "path-pattern", "Values": ["/img"]}, False),
        ({"Field": "host-header", "HostHeaderConfig": {"Values": ["*.EXAMPLE.com"]}}, True),
        ({"Field": "host-header", "Values": ["example.com"]}, False),
        ({"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/16"]}}, True),
        ({"Field": "source-ip", "SourceIpConfig": {"Values": ["10.1.0.0/16"]}}, False),
        ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "BIG"}]}}, True),
        ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "3"}]}}, False),
        ({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Kind", "Values": ["bl*"]}}, True),
        ({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-None", "Values": ["*"]}}, False),
        ({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST", "GET"]}}, True),
    ],
)
def test_a_condition_holds_when_one_of_its_values_fits(condition: dict[str, Any], expected: bool) -> None:
    assert holds(condition, ASKED) is expected


def test_target_groups_get_turns_by_their_weights() -> None:
    groups = [("a", 3), ("b", 1), ("c", 0)]
    assert sorted(str(spread(groups, turn)) for turn in range(8)) == ["a"] * 6 + ["b"] * 2
    assert spread([("a", 0)], 0) is None
