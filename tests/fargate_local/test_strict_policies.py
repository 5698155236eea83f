"""IAM's rules, one case each: what a policy says of a request. A group's page of the IAM user guide stands above it."""

import json
from typing import Any

import pytest

from fargate_local.strict.conditions import Condition
from fargate_local.strict.patterns import action_matches, arn_matches, resolved
from fargate_local.strict.policy import Need, Policies, Principal, decide, parse_policy

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
SESSION = Principal(
    f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/task1",
    ROLE,
    ACCOUNT,
    context={"aws:userid": ("AROAEXAMPLE:task1",), "aws:PrincipalTag/team": ("data",)},
)
USER = Principal(
    f"arn:aws:iam::{ACCOUNT}:user/ana",
    f"arn:aws:iam::{ACCOUNT}:user/ana",
    ACCOUNT,
    "User",
    {"aws:username": ("ana",)},
)
ECS = Principal("ecs-tasks.amazonaws.com", "ecs-tasks.amazonaws.com", ACCOUNT, "Service")
OBJECT = "arn:aws:s3:::lake/marts/part.parquet"
RUN = f"arn:aws:ecs:us-east-1:{ACCOUNT}:task-definition/etl-dev-load:7"


def statements(*given: Any, name: Any = "p") -> Any:
    return parse_policy(name, json.dumps({"Version": "2012-10-17", "Statement": list(given)}))


def allow(action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> Any:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> Any:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def judged(need: Any, *identity: Any, principal: Any = SESSION, **policies: Any) -> Any:
    return decide(principal, need, Policies(identity=statements(*identity), **policies))


READ = Need("s3:GetObject", OBJECT)

# "Policy evaluation logic": nothing allows by itself, an Allow allows, a Deny wins.
IMPLICIT = "because no identity-based policy allows the s3:GetObject action"
EXPLICIT = "with an explicit deny in an identity-based policy"


@pytest.mark.parametrize(
    ("identity", "because"),
    [
        ([], IMPLICIT),
        ([allow()], ""),
        ([allow("s3:PutObject")], IMPLICIT),
        ([allow("s3:*")], ""),
        ([allow("*")], ""),
        ([allow("S3:getobject")], ""),
        ([allow("s3:Get?bject")], ""),
        ([allow(["ecs:RunTask", "s3:GetObject"])], ""),
        ([allow(), deny()], EXPLICIT),
        ([deny(), allow()], EXPLICIT),
        ([allow(), deny("s3:Put*")], ""),
        ([allow(resource="arn:aws:s3:::lake/*")], ""),
        ([allow(resource="arn:aws:s3:::lake")], IMPLICIT),
        ([allow(resource="arn:aws:s3:::lake/marts/????.parquet")], ""),
        ([allow(resource=["arn:aws:s3:::raw/*", "arn:aws:s3:::lake/marts/*"])], ""),
        ([allow(resource="arn:aws:s3:::LAKE/*")], IMPLICIT),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], ""),
        ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], IMPLICIT),
        ([{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::raw/*"}], ""),
        ([{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::lake/*"}], IMPLICIT),
        ([allow(), {"Effect": "Deny", "NotAction": "ecs:*", "Resource": "*"}], EXPLICIT),
    ],
)
def test_a_request_is_allowed_by_an_allow_and_refused_by_silence_or_a_deny(identity: Any, because: Any) -> None:
    decision = judged(READ, *identity)
    assert (decision.allowed, decision.because) == (not because, because)


# "IAM JSON policy elements: Resource": wildcards stay in their part of an ARN; missing parts are wildcards.
TASK = f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/etl/0123"
GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/etl"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:db"


@pytest.mark.parametrize(
    ("pattern", "arn", "same"),
    [
        ("arn:aws:ecs:*:*:task/etl/*", TASK, True),
        ("arn:aws:ecs:*:task/etl/*", TASK, False),
        ("arn:aws:s3:::lake*", OBJECT, True),
        ("arn:aws:s3", OBJECT, True),
        ("arn:aws:*", ROLE, True),
        (f"{GROUP}:*", f"{GROUP}:log-stream:a/b", True),
        (GROUP, f"{GROUP}:log-stream:", False),
        ("arn:aws:s3:::lake/*", "*", False),
        ("*", "*", True),
        (f"{SECRET}-??????", f"{SECRET}-AbCdEf", True),
        (f"{SECRET}-??????", f"{SECRET}-admin-AbCdEf", False),
        ("arn:aws:s3:::a.b", "arn:aws:s3:::axb", False),
    ],
)
def test_arns_are_compared_part_by_part(pattern: Any, arn: Any, same: Any) -> None:
    assert arn_matches(pattern, arn) is same


def test_action_names_have_no_case_and_a_dot_is_a_dot() -> None:
    assert action_matches("ECS:run*", "ecs:RunTask")
    assert not action_matches("ecs:Run.ask", "ecs:RunTask")


# "IAM policy elements: Variables and tags".
@pytest.mark.parametrize(
    ("text", "becomes_same_as", "same"),
    [
        ("home/${aws:username}/*", "home/ana/file", True),
        ("home/${aws:username}/*", "home/ana2/file", False),
        ("home/${AWS:UserName}/*", "home/ana/file", True),
        ("home/${aws:nothing, 'shared'}/*", "home/shared/file", True),
        ("literal${*}", "literal*", True),
        ("literal${*}", "literalx", False),
        ("literal${?}", "literal?", True),
    ],
)
def test_variables_stand_for_what_the_request_says(text: Any, becomes_same_as: Any, same: Any) -> None:
    found = resolved(text, Need("a:B").lookup(USER))
    assert arn_matches(f"arn:aws:s3:::{found}", f"arn:aws:s3:::{becomes_same_as}") is same


def test_what_a_variable_stands_for_has_no_wildcards() -> None:
    sly = Principal("u", "u", ACCOUNT, "User", {"aws:username": ("*",)})
    need = Need("s3:GetObject", "arn:aws:s3:::home/ana/x")
    rule = allow(resource="arn:aws:s3:::home/${aws:username}/*")
    assert judged(need, rule, principal=USER).allowed
    assert not judged(need, rule, principal=sly).allowed


def test_a_statement_with_a_variable_that_has_no_value_says_nothing() -> None:
    assert not judged(READ, allow(resource="arn:aws:s3:::lake/${aws:username}*")).allowed
    assert judged(READ, allow(), deny(resource="arn:aws:s3:::lake/${aws:username}*")).allowed


# "Condition operators", "Set operators for multivalued context keys".
VALUES = {
    "k": ("blue",),
    "n": ("10",),
    "b": ("true",),
    "many": ("a", "b"),
    "ip": ("10.1.2.3",),
    "arn": (f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/etl",),
    "t": ("2026-11-25T12:00:00Z",),
}


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "holds"),
    [
        ("StringEquals", "k", ["blue"], True),
        ("StringEquals", "k", ["red", "blue"], True),
        ("StringEquals", "k", ["Blue"], False),
        ("StringEquals", "k", ["bl*"], False),
        ("StringEquals", "absent", ["x"], False),
        ("StringEqualsIfExists", "absent", ["x"], True),
        ("StringEqualsIfExists", "k", ["x"], False),
        ("StringEqualsIgnoreCase", "k", ["BLUE"], True),
        ("StringLike", "k", ["bl*"], True),
        ("StringNotEquals", "k", ["red"], True),
        ("StringNotEquals", "k", ["red", "blue"], False),
        ("StringNotEquals", "absent", ["x"], True),
        ("StringNotLike", "k", ["b*"], False),
        ("NumericEquals", "n", ["10.0"], True),
        ("NumericLessThan", "n", ["10"], False),
        ("NumericLessThanEquals", "n", ["10"], True),
        ("NumericGreaterThan", "n", ["9"], True),
        ("NumericNotEquals", "n", ["9"], True),
        ("NumericEquals", "k", ["10"], False),
        ("Bool", "b", ["true"], True),
        ("Bool", "b", ["false"], False),
        ("Bool", "absent", ["false"], False),
        ("BoolIfExists", "absent", ["false"], True),
        ("Null", "absent", ["true"], True),
        ("Null", "k", ["true"], False),
        ("Null", "k", ["false"], True),
        ("IpAddress", "ip", ["10.0.0.0/8"], True),
        ("IpAddress", "ip", ["192.168.0.0/16"], False),
        ("NotIpAddress", "ip", ["10.0.0.0/8"], False),
        ("ArnEquals", "arn", [f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/etl"], True),
        ("ArnEquals", "arn", [f"arn:aws:ecs:*:{ACCOUNT}:cluster/*"], True),
        ("ArnLike", "arn", ["arn:aws:ecs:*:cluster/etl"], False),
        ("ArnNotLike", "arn", ["arn:aws:sqs:*:*:*"], True),
        ("DateGreaterThan", "t", ["2026-01-01T00:00:00Z"], True),
        ("DateLessThan", "t", ["2026-01-01"], False),
        ("DateLessThan", "t", ["1893456000"], True),
        ("ForAnyValue:StringEquals", "many", ["b", "c"], True),
        ("ForAnyValue:StringEquals", "many", ["c"], False),
        ("ForAnyValue:StringEquals", "absent", ["c"], False),
        ("ForAllValues:StringEquals", "many", ["a", "b", "c"], True),
        ("ForAllValues:StringEquals", "many", ["a"], False),
        ("ForAllValues:StringEquals", "absent", ["a"], True),
        ("ForAnyValue:StringNotEquals", "many", ["a"], True),
        ("ForAllValues:StringNotEquals", "many", ["a"], False),
    ],
)  # fmt: skip
def test_conditions(operator: Any, key: Any, wanted: Any, holds: Any) -> None:
    need = Need("s3:GetObject", OBJECT, VALUES)
    rule = allow(Condition={operator: {key: wanted}})
    assert judged(need, rule).allowed is holds


def test_all_operators_and_keys_of_a_condition_must_hold() -> None:
    need = Need("s3:GetObject", OBJECT, VALUES)
    assert judged(need, allow(Condition={"StringEquals": {"k": "blue", "n": "10"}, "Bool": {"b": True}})).allowed
    assert not judged(need, allow(Condition={"StringEquals": {"k": "blue", "n": "11"}, "Bool": {"b": True}})).allowed
    assert not judged(need, allow(Condition={"StringEquals": {"k": "blue"}, "Bool": {"b": False}})).allowed


def test_a_condition_that_cannot_be_read_allows_nothing_and_denies_all() -> None:
    strange = {"StringSortOfEquals": {"k": "blue"}}
    assert not judged(READ, allow(Condition=strange)).allowed
    assert not judged(READ, allow(), deny(Condition=strange)).allowed


def test_the_names_of_keys_have_no_case() -> None:
    assert Condition("StringEquals", "AWS:UserName", ("ana",)).holds(Need("a:B").lookup(USER))


def test_tags_of_resource_request_and_caller_are_conditions() -> None:
    need = Need("ecs:StopTask", RUN, {"aws:RequestTag/env": ("dev",)}, lambda: {"Env": "dev"})
    same = {"StringEquals": {"aws:ResourceTag/env": "${aws:RequestTag/env}", "aws:PrincipalTag/team": "data"}}
    assert judged(need, allow("ecs:StopTask", Condition=same)).allowed
    other = {"StringEquals": {"ecs:ResourceTag/env": "prod"}}
    assert not judged(need, allow("ecs:StopTask", Condition=other)).allowed


def test_the_tags_of_a_resource_are_looked_up_only_where_a_condition_asks() -> None:
    def never() -> dict[str, str]:
        raise AssertionError

    assert judged(Need("s3:GetObject", OBJECT, tags=never), allow()).allowed


# "Determining whether a request is allowed or denied within an account": resource policies add to identity policies.
def resource_policy(principal: Any, effect: Any = "Allow", **more: Any) -> Any:
    return statements(
        {"Effect": effect, "Principal": principal, "Action": "s3:*", "Resource": "arn:aws:s3:::lake/*", **more}
    )


@pytest.mark.parametrize(
    ("principal", "who", "allowed"),
    [
        ("*", SESSION, True),
        ({"AWS": "*"}, SESSION, True),
        ({"AWS": ROLE}, SESSION, True),
        ({"AWS": [ROLE]}, SESSION, True),
        ({"AWS": SESSION.arn}, SESSION, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}, SESSION, False),
        ({"AWS": USER.arn}, USER, True),
        ({"AWS": ACCOUNT}, SESSION, False),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, SESSION, False),
        ({"Service": "ecs-tasks.amazonaws.com"}, SESSION, False),
        ({"Service": "ecs-tasks.amazonaws.com"}, ECS, True),
        ({"Service": "ec2.amazonaws.com"}, ECS, False),
    ],
)
def test_a_resource_policy_grants_to_whom_it_names_and_leaves_its_account_to_identity_policies(
    principal: Any, who: Any, allowed: Any
) -> None:
    assert judged(READ, principal=who, resource=resource_policy(principal)).allowed is allowed


def test_a_deny_of_a_resource_policy_reaches_the_whole_account() -> None:
    for principal in ("*", {"AWS": ACCOUNT}, {"AWS": ROLE}):
        decision = judged(READ, allow(), resource=resource_policy(principal, "Deny"))
        assert decision.because == "with an explicit deny in a resource-based policy"
    others = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}
    assert judged(READ, allow(), resource=resource_policy(others, "Deny")).allowed


def test_notprincipal_denies_all_others() -> None:
    rule = {"Effect": "Deny", "NotPrincipal": {"AWS": USER.arn}, "Action": "s3:*", "Resource": "*"}
    assert judged(READ, allow(), principal=USER, resource=statements(rule)).allowed
    assert not judged(READ, allow(), principal=SESSION, resource=statements(rule)).allowed


def test_tls_only_buckets_are_open_here() -> None:
    rule = resource_policy("*", "Deny", Condition={"Bool": {"aws:SecureTransport": "false"}})
    need = Need("s3:GetObject", OBJECT, {"aws:SecureTransport": ("true",)})
    assert judged(need, allow(), resource=rule).allowed


# "Permissions boundaries for IAM entities" and "Session policies" limit; they grant nothing.
def test_boundaries_and_session_policies_limit_what_identity_policies_grant() -> None:
    limit = statements(allow("s3:Get*"))
    other = statements(allow("ecs:*"))
    assert judged(READ, allow("*"), boundary=limit, session=limit).allowed
    assert judged(READ, boundary=limit).because == IMPLICIT
    assert judged(READ, allow("*"), boundary=other).because == (
        "because no permissions boundary allows the s3:GetObject action"
    )
    assert judged(READ, allow("*"), session=other).because == "because no session policy allows the s3:GetObject action"
    blocked = statements(allow("*"), deny("s3:*"))
    assert judged(READ, allow("*"), boundary=blocked).because == "with an explicit deny in a permissions boundary"
    assert judged(READ, allow("*"), session=blocked).because == "with an explicit deny in a session policy"


def test_a_resource_policy_that_names_the_role_stays_within_the_boundary_and_one_that_names_the_session_does_not() -> (
    None
):
    other = statements(allow("ecs:*"))
    assert not judged(READ, boundary=other, resource=resource_policy({"AWS": ROLE})).allowed
    assert judged(READ, boundary=other, resource=resource_policy({"AWS": SESSION.arn})).allowed


# "Role trust policies" and KMS "Key policies": without their word nothing is allowed.
ASSUME = Need("sts:AssumeRole", ROLE)


@pytest.mark.parametrize(
    ("trusted", "identity", "allowed"),
    [
        ({"AWS": USER.arn}, [], True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, [], False),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, [allow("sts:AssumeRole", ROLE)], True),
        ({"Service": "ecs-tasks.amazonaws.com"}, [allow("sts:AssumeRole", ROLE)], False),
    ],
)
def test_a_role_is_assumed_by_whom_it_trusts(trusted: Any, identity: Any, allowed: Any) -> None:
    trust = statements({"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"})
    decision = judged(
        ASSUME, *identity, principal=USER, resource=trust, must_trust=True, resource_kind="role trust policy"
    )
    assert decision.allowed is allowed
    if identity and not allowed:
        assert decision.because == "because no role trust policy allows the sts:AssumeRole action"


def test_a_decision_names_the_statements_that_granted() -> None:
    decision = judged(READ, allow(Sid="One"), allow("ecs:*", Sid="Two"), allow("s3:*", Sid="Three"))
    assert [statement.label for statement in decision.granted_by] == ["One", "Three"]


def test_a_text_that_is_no_policy_says_nothing() -> None:
    assert parse_policy("p", "no json") == ()
    assert parse_policy("p", "[]") == ()
    assert parse_policy("p", "{}") == ()
