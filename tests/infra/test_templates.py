"""What the CloudFormation templates promise, read from the templates themselves."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.templates import read_template

from fargate_local.ecs.definition import check_definition

PUBLIC = {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EIP"}


@pytest.fixture(scope="module")
def templates(repository: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: read_template(path) for path in (repository / "infra").glob("*.yaml")}


def of_type(templates: dict[str, dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [r for t in templates.values() for r in t["Resources"].values() if r["Type"] == kind]


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for policy in role["Properties"]["Policies"] for s in policy["PolicyDocument"]["Statement"]]


def role(templates: dict[str, dict[str, Any]], stack: str, name: str) -> str:
    """A role's statements as text."""
    return json.dumps(statements(templates[stack]["Resources"][name]))


def container(resources: dict[str, Any], service: str) -> dict[str, Any]:
    """The container that is the service: the last one of its definition."""
    found: dict[str, Any] = resources[f"{service}Definition"]["Properties"]["ContainerDefinitions"][-1]
    return found


ON_EVERYTHING = ("ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition")
"""Actions without resource types (service authorization reference, read November 2026)."""
AIRFLOW = ("ApiServer", "Scheduler", "DagProcessor", "Triggerer")


def test_nothing_is_reachable_from_the_internet_and_only_a_nat_gateway_reaches_it(
    templates: dict[str, dict[str, Any]],
) -> None:
    for template in templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] in PUBLIC:
                assert resource["Condition"] == "NatWanted"
    assert templates["network"]["Parameters"]["Nat"]["Default"] == "false"
    assert all(
        subnet["Properties"]["MapPublicIpOnLaunch"] is False for subnet in of_type(templates, "AWS::EC2::Subnet")
    )
    (balancer,) = of_type(templates, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    assert balancer["Properties"]["Scheme"] == "internal"


def test_every_service_that_runs_call_has_an_endpoint_that_serves_this_account_only(
    templates: dict[str, dict[str, Any]], repository: Path
) -> None:
    endpoints = {
        endpoint["Properties"]["ServiceName"]["Fn::Sub"].removeprefix("com.amazonaws.${AWS::Region}."): endpoint
        for endpoint in of_type(templates, "AWS::EC2::VPCEndpoint")
    }
    folder = repository / "packages" / "orchestration" / "src" / "datavision" / "fargate"
    text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    called = set(re.findall(r'(?:\bclient|async_client)\([\w.]+, "([a-z0-9]+)"\)', text))
    assert called >= {"ecs", "logs", "s3"}
    # CloudFormation has none; where the network comes by configuration it is not asked (next test).
    assert called - {"cloudformation"} <= set(endpoints)
    assert set(endpoints) >= {"ecr.api", "ecr.dkr", "secretsmanager", "sts", "email-smtp"}
    for name, endpoint in endpoints.items():
        if name != "email-smtp":  # it takes no policy
            assert "aws:PrincipalAccount" in json.dumps(endpoint["Properties"]["PolicyDocument"])


def test_airflow_is_told_where_tasks_run_and_asks_nobody_for_it(templates: dict[str, dict[str, Any]]) -> None:
    resources = templates["airflow"]["Resources"]
    for service in AIRFLOW:
        environment = {item["Name"] for item in container(resources, service)["Environment"]}
        assert {"DATAVISION_ECS__SUBNETS", "DATAVISION_ECS__SECURITY_GROUPS"} <= environment
    assert "cloudformation" not in role(templates, "airflow", "AirflowRole")


def test_no_security_group_lets_the_world_in_or_out(templates: dict[str, dict[str, Any]]) -> None:
    for group in of_type(templates, "AWS::EC2::SecurityGroup"):
        properties = group["Properties"]
        assert "0.0.0.0/0" not in json.dumps(properties.get("SecurityGroupIngress", []))
        assert "0.0.0.0/0" not in json.dumps(properties["SecurityGroupEgress"])
    for rule in of_type(templates, "AWS::EC2::SecurityGroupEgress"):
        assert rule["Condition"] == "NatWanted" or "0.0.0.0/0" not in json.dumps(rule)


def test_every_bucket_is_private_encrypted_versioned_and_kept(templates: dict[str, dict[str, Any]]) -> None:
    buckets = of_type(templates, "AWS::S3::Bucket")
    assert len(buckets) >= 4
    for bucket in buckets:
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"


def test_every_bucket_refuses_plain_http(templates: dict[str, dict[str, Any]]) -> None:
    refused = {
        policy["Properties"]["Bucket"]["Ref"]
        for policy in of_type(templates, "AWS::S3::BucketPolicy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"]["Bool"] == {"aws:SecureTransport": "false"}
    }
    buckets = {n for t in templates.values() for n, r in t["Resources"].items() if r["Type"] == "AWS::S3::Bucket"}
    assert refused == buckets


def test_audit_records_are_locked_from_the_first_on(templates: dict[str, dict[str, Any]]) -> None:
    """Amazon S3's user guide, "Object Lock": the bucket's default retention holds for each version that is written."""
    properties = templates["storage"]["Resources"]["AuditBucket"]["Properties"]
    assert properties["ObjectLockEnabled"] is True
    assert properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {
        "Mode": {"Ref": "AuditLockMode"},
        "Days": {"Ref": "AuditLockDays"},
    }
    granted = json.dumps([template["Resources"] for template in templates.values()])
    loosening = ("s3:BypassGovernanceRetention", "s3:PutObjectRetention", "s3:PutBucketObjectLockConfiguration")
    assert not any(action in granted for action in loosening)


def test_no_lifecycle_rule_deletes_current_objects(templates: dict[str, dict[str, Any]]) -> None:
    for bucket in of_type(templates, "AWS::S3::Bucket"):
        for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]:
            assert not {"ExpirationInDays", "ExpirationDate"} & set(rule)


def test_tags_never_move_pushes_are_scanned_and_no_policy_undoes_a_pin(templates: dict[str, dict[str, Any]]) -> None:
    repositories = of_type(templates, "AWS::ECR::Repository")
    assert repositories
    for repository in repositories:
        assert repository["Properties"]["ImageTagMutability"] == "IMMUTABLE"
        assert repository["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert "LifecyclePolicy" not in repository["Properties"]


def test_what_is_kept_when_a_stack_goes_does_not_stand_in_the_way_of_a_second_attempt(
    templates: dict[str, dict[str, Any]],
) -> None:
    kept = [r for t in templates.values() for r in t["Resources"].values() if "DeletionPolicy" in r]
    assert {resource["DeletionPolicy"] for resource in kept} == {"RetainExceptOnCreate", "Snapshot"}


def test_only_what_takes_no_resource_is_granted_on_everything(templates: dict[str, dict[str, Any]]) -> None:
    for found in of_type(templates, "AWS::IAM::Role"):
        for statement in statements(found):
            assert statement["Resource"] != "*" or statement["Action"] in ON_EVERYTHING, statement
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not any(action.endswith("*") for action in actions)


def test_each_module_writes_its_own_buckets_only(templates: dict[str, dict[str, Any]]) -> None:
    resources = templates["compute"]["Resources"]
    ingesta, transformacion = (json.dumps(resources[role]) for role in ("IngestaRole", "TransformacionRole"))
    assert "RawBucket" in ingesta
    assert "ReportsBucket" not in ingesta
    assert "ReportsBucket" in transformacion
    assert "RawBucket" not in transformacion


def test_no_module_starts_with_another_modules_secret_or_image(templates: dict[str, dict[str, Any]]) -> None:
    ingesta = role(templates, "compute", "IngestaStartRole")
    transformacion = role(templates, "compute", "TransformacionStartRole")
    assert "SourceUrlSecret" in ingesta
    assert "SourceUrlSecret" not in transformacion
    assert "LakehouseCatalogUrlSecret" in transformacion
    assert "/ingesta" not in transformacion
    assert "airflow" not in ingesta + transformacion


def test_roles_are_taken_by_ecs_of_this_account_only_but_for_those_of_ci(templates: dict[str, dict[str, Any]]) -> None:
    """Who takes those of CI is tested with the commands that need them (tests/release/test_ci_roles.py)."""
    for found in of_type({name: t for name, t in templates.items() if name != "ci-roles"}, "AWS::IAM::Role"):
        (trust,) = found["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert set(trust["Condition"]) == {"StringEquals", "ArnLike"}
        assert "aws:SourceArn" in trust["Condition"]["ArnLike"]


def test_airflow_may_write_what_it_writes(templates: dict[str, dict[str, Any]]) -> None:
    text = role(templates, "airflow", "AirflowRole")
    for place in ("sizes/*", "results/*.log-position", "airflow-logs/*"):
        assert f"${{ResultsBucket}}/{place}" in text
    assert "${AuditBucket}/audit/*" in text
    assert "releases/*" not in text


def test_every_part_of_airflow_is_a_service_that_waits_for_the_migration_and_tells_its_health(
    templates: dict[str, dict[str, Any]],
) -> None:
    resources = templates["airflow"]["Resources"]
    for service in AIRFLOW:
        assert resources[service]["Type"] == "AWS::ECS::Service"
        assert resources[service]["Properties"]["EnableExecuteCommand"] == {"Fn::If": ["ShellWanted", True, False]}
        containers = resources[f"{service}Definition"]["Properties"]["ContainerDefinitions"]
        migrate, main = containers
        assert migrate["EntryPoint"] == ["python", "-m", "datavision.infra.migrate"]
        assert migrate["Essential"] is False
        assert main["DependsOn"] == [{"ContainerName": "migrate", "Condition": "SUCCESS"}]
        assert main["HealthCheck"]["StartPeriod"] == 300
        # ECS Exec's agent writes to the root file system (ECS developer guide, "ECS Exec considerations").
        assert main["ReadonlyRootFilesystem"] == {"Fn::If": ["ShellWanted", False, True]}
        assert migrate["ReadonlyRootFilesystem"] is True
        assert {secret.get("Name") for secret in main["Secrets"]} >= {
            "AIRFLOW__CORE__FERNET_KEY",
            "AIRFLOW__API_AUTH__JWT_SECRET",
            "AIRFLOW__API__SECRET_KEY",
        }
    assert templates["airflow"]["Parameters"]["Shell"]["Default"] == "false"
    counts = {service: resources[service]["Properties"]["DesiredCount"] for service in AIRFLOW}
    assert counts == {"ApiServer": 2, "Scheduler": 2, "DagProcessor": 1, "Triggerer": 2}


def test_the_balancer_is_as_patient_as_the_container_that_it_asks(templates: dict[str, dict[str, Any]]) -> None:
    """ECS ends a task that either finds unhealthy. A balancer's defaults: 6 s, two failures (ELB's API reference)."""
    resources = templates["airflow"]["Resources"]
    (own, asked) = container(resources, "ApiServer")["HealthCheck"], resources["ApiServerTargets"]["Properties"]
    assert asked["HealthCheckTimeoutSeconds"] == own["Timeout"]
    assert asked["UnhealthyThresholdCount"] == own["Retries"]


def test_the_way_to_the_ui_has_tls(templates: dict[str, dict[str, Any]]) -> None:
    (listener,) = of_type(templates, "AWS::ElasticLoadBalancingV2::Listener")
    assert listener["Properties"]["Protocol"] == "HTTPS"
    assert "TLS13" in listener["Properties"]["SslPolicy"]


def test_alarms_and_events_go_to_a_topic_whose_key_they_may_use(templates: dict[str, dict[str, Any]]) -> None:
    resources = templates["observability"]["Resources"]
    assert resources["Alerts"]["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": ["AlertsKey", "Arn"]}
    (_, *allowed) = resources["AlertsKey"]["Properties"]["KeyPolicy"]["Statement"]
    publishing = resources["AlertsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    services = [{"Service": "cloudwatch.amazonaws.com"}, {"Service": "events.amazonaws.com"}]
    assert [statement["Principal"] for statement in allowed] == services
    assert [statement["Action"] for statement in allowed] == [["kms:Decrypt", "kms:GenerateDataKey*"]] * 2
    assert [statement["Principal"] for statement in publishing] == services
    alarms, events = publishing
    assert "aws:SourceArn" in alarms["Condition"]["ArnLike"]
    # EventBridge sends topics and keys no condition keys: a statement with a condition grants it nothing.
    assert "Condition" not in events
    assert "Condition" not in allowed[1]


def test_each_service_of_airflow_has_an_alarm(templates: dict[str, dict[str, Any]]) -> None:
    alarmed = {
        next(d["Value"]["Fn::Sub"] for d in alarm["Properties"]["Dimensions"] if d["Name"] == "ServiceName")
        for alarm in templates["observability"]["Resources"].values()
        if alarm["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert alarmed == {
        templates["airflow"]["Resources"][service]["Properties"]["ServiceName"]["Fn::Sub"] for service in AIRFLOW
    }


def test_the_watchdog_needs_neither_airflow_nor_its_database_and_is_watched_itself(
    templates: dict[str, dict[str, Any]],
) -> None:
    """Scheduler's user guide, "Monitoring with CloudWatch": it counts what it starts by group, not by schedule."""
    resources = templates["watchdog"]["Resources"]
    (container,) = resources["Definition"]["Properties"]["ContainerDefinitions"]
    # That of a repository elsewhere is there under a condition.
    assert [secret.get("Name") for secret in container["Secrets"]] == [None, "AIRFLOW_CONN_SMTP_DEFAULT"]
    group = resources["Group"]["Properties"]["Name"]["Fn::Sub"]
    for name, metric, missing in (
        ("Silent", "InvocationAttemptCount", "breaching"),
        ("Refused", "InvocationDroppedCount", "notBreaching"),
    ):
        alarm = resources[name]["Properties"]
        assert (alarm["MetricName"], alarm["TreatMissingData"]) == (metric, missing)
        assert alarm["Dimensions"] == [{"Name": "ScheduleGroup", "Value": {"Fn::Sub": group}}]
    family = resources["Definition"]["Properties"]["Family"]["Fn::Sub"]
    event = resources["Failed"]["Properties"]["EventPattern"]["detail"]
    assert event["group"] == [{"Fn::Sub": f"family:{family}"}]


def test_no_secret_that_is_named_without_its_suffix_ends_like_one(templates: dict[str, dict[str, Any]]) -> None:
    """Secrets Manager would take the end for the suffix, and find nothing (API reference, GetSecretValue)."""
    named = re.findall(r':secret:([^"]+)"', json.dumps(of_type(templates, "AWS::ECS::TaskDefinition")))
    assert len(set(named)) > 5
    assert [name for name in named if re.search("-[^-]{6}$", name)] == []


SERVICE_METRICS = {"RunningTaskCount", "DesiredTaskCount", "PendingTaskCount", "DeploymentCount", "TaskSetCount"}
CLUSTER_METRICS = {"TaskCount", "ServiceCount", "ContainerInstanceCount"}
"""By what Container Insights counts them (CloudWatch user guide, "Amazon ECS Container Insights metrics"); how much is
used and reserved it counts by either."""


def test_alarms_and_dashboard_ask_for_metrics_that_container_insights_has(
    templates: dict[str, dict[str, Any]],
) -> None:
    resources = templates["observability"]["Resources"]
    body = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    shown = [metric for widget in body["widgets"] for metric in widget["properties"].get("metrics", [])]
    of_clusters = {metric[1] for metric in shown}
    assert of_clusters >= {"TaskCount"}
    assert not of_clusters & SERVICE_METRICS
    assert all(metric[2] in ("ClusterName", ".") and len(metric) == 4 for metric in shown)
    alarms = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    assert not {alarm["MetricName"] for alarm in alarms} & CLUSTER_METRICS
    for alarm in alarms:
        assert [dimension["Name"] for dimension in alarm["Dimensions"]] == ["ClusterName", "ServiceName"]


def test_no_template_holds_a_secret_value(templates: dict[str, dict[str, Any]]) -> None:
    for secret in of_type(templates, "AWS::SecretsManager::Secret"):
        assert "SecretString" not in secret["Properties"]


def as_request(value: Any) -> Any:
    """A template's properties as the API has them; what only AWS knows becomes a name."""
    if isinstance(value, list):
        return [as_request(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
        return "made-by-the-stack"
    return {key[0].lower() + key[1:]: as_request(item) for key, item in value.items()}


def test_every_task_definition_is_one_that_fargate_takes(templates: dict[str, dict[str, Any]]) -> None:
    definitions = of_type(templates, "AWS::ECS::TaskDefinition")
    assert definitions
    for definition in definitions:
        check_definition(as_request(definition["Properties"]))


def test_the_modules_whose_steps_share_containers_may_serve_them(
    templates: dict[str, dict[str, Any]], repository: Path
) -> None:
    dags = "".join(path.read_text() for path in (repository / "dags").glob("*.py"))
    modules = set(re.findall(r'fargate_session\(\s*module="(\w+)"', dags))
    assert modules
    for module in modules:
        assert "/shared/*" in role(templates, "compute", f"{module.capitalize()}Role")
