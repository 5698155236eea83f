"""What the repository's own templates say is what the API of each service then describes, property by property."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.support.templates import read_template

from fargate_local import FargateLocal

NAMED: dict[str, Any] = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
ANY = object()
"""A value that only the service knows: it has to be there."""
REPOSITORY = Path(__file__).parents[2]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/datavision/airflow@sha256:" + "0" * 64
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:master-abcdef"
PARAMETERS: dict[str, dict[str, str]] = {
    "network": {
        "Environment": "dev",
        "AddressPrefix": "10.20",
        "SourceCidr": "10.99.0.0/16",
        "Nat": "true",
        "MailZones": "abc",
    },
    "storage": {
        "Environment": "dev",
        "RawBucketName": "dv-raw",
        "LakehouseBucketName": "dv-lakehouse",
        "ReportsBucketName": "dv-reports",
        "ResultsBucketName": "dv-results",
        "AuditBucketName": "dv-audit",
        "AuditLockMode": "COMPLIANCE",
        "AuditLockDays": "30",
    },
    "registry": {"Prefix": "datavision", "ReaderAccounts": "111111111111"},
    "secrets": {"Environment": "dev", "SourceUrlSecret": "dv/source", "LakehouseCatalogUrlSecret": "dv/catalog"},
    "compute": {
        "Environment": "dev",
        "Cluster": "dv",
        "LogGroup": "/dv",
        "SourceUrlSecret": "dv/source",
        "LakehouseCatalogUrlSecret": "dv/catalog",
    },
    "database": {"Environment": "dev"},
    "observability": {"Environment": "dev", "Cluster": "dv", "LogGroup": "/dv", "AlertEmail": "a@example.org"},
    "ci-roles": {},
    "bootstrap": {"Environment": "dev", "LogGroup": "/dv", "Image": IMAGE, "MasterSecretArn": SECRET},
    "airflow": {
        "Environment": "dev",
        "Cluster": "dv",
        "LogGroup": "/dv",
        "Image": IMAGE,
        "Host": "airflow.example.org",
        "OidcIssuer": "https://id.example.org",
        "Nat": "true",
        "OfficeCidr": "10.77.0.0/16",
        "Shell": "true",
    },
    "watchdog": {
        "Environment": "dev",
        "Cluster": "dv",
        "LogGroup": "/dv",
        "Image": IMAGE,
        "GitUrl": "https://git.example.org/x",
        "Host": "airflow.example.org",
    },
}
"""Parameters of each template, in the order of deployment; those that are missing and have no default are made up."""


pytestmark = pytest.mark.slow


@dataclass
class Failed:
    """What became of a stack whose last resource cannot be made."""

    status: str
    events: list[dict[str, Any]]
    resources: list[dict[str, Any]]


@dataclass
class Deployed:
    """One template and the stack that it became."""

    name: str
    template: dict[str, Any]
    values: dict[str, Any]
    ids: dict[str, str]
    exports: dict[str, str]
    failed: Failed

    def resolved(self, value: Any) -> Any:
        """A part of the template with its references resolved; `ANY` where only the service knows."""
        if isinstance(value, list):
            return [each for each in map(self.resolved, value) if each is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((key, item),) = value.items()
            if key in FUNCTIONS:
                return FUNCTIONS[key](self, item)
        found = {key: self.resolved(item) for key, item in value.items()}
        return {key: item for key, item in found.items() if item is not None}

    def holds(self, condition: Any) -> bool:
        if isinstance(condition, str):
            return self.holds(self.template["Conditions"][condition])
        ((key, item),) = condition.items()
        match key:
            case "Fn::Equals":
                one, other = map(self.resolved, item)
                return bool(one == other)
            case "Fn::Not":
                return not self.holds(item[0])
            case "Fn::And":
                return all(map(self.holds, item))
            case "Fn::Or":
                return any(map(self.holds, item))
            case "Condition":
                return self.holds(item)
        raise AssertionError(key)

    def named(self, name: str) -> Any:
        if name in self.ids:
            return self.ids[name]
        return PSEUDO[name] if name in PSEUDO else self.values[name]

    def substituted(self, given: str | list[Any]) -> Any:
        text, values = (given, {}) if isinstance(given, str) else (given[0], self.resolved(given[1]))
        names = set(re.findall(r"\$\{([^}]+)\}", text)) - set(values)
        known = values | {name: self.attribute(name.split(".")) if "." in name else self.named(name) for name in names}
        if ANY in known.values():
            return ANY
        return re.sub(r"\$\{([^}]+)\}", lambda found: str(known[found[1]]), text)

    def attribute(self, path: list[str]) -> Any:
        if path[1] == "GroupId":
            return self.ids[path[0]]
        if path[1] == "Arn" and self.template["Resources"][path[0]]["Type"] == "AWS::IAM::Role":
            return f"arn:aws:iam::123456789012:role/{self.ids[path[0]]}"
        return ANY


PSEUDO = {"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012", "AWS::Partition": "aws", "AWS::NoValue": None}
FUNCTIONS: dict[str, Callable[[Deployed, Any], Any]] = {
    "Ref": lambda stack, name: stack.named(name),
    "Fn::Sub": lambda stack, text: stack.substituted(text),
    "Fn::GetAtt": lambda stack, path: stack.attribute(path if isinstance(path, list) else path.split(".")),
    "Fn::If": lambda stack, parts: stack.resolved(parts[1] if stack.holds(parts[0]) else parts[2]),
    "Fn::ImportValue": lambda stack, name: stack.exports[stack.resolved(name)],
    "Fn::Split": lambda stack, parts: stack.resolved(parts[1]).split(parts[0]),
    "Fn::Join": lambda stack, parts: parts[0].join(
        stack.resolved(parts[1]) if isinstance(stack.resolved(parts[1]), list) else [stack.resolved(parts[1])]
    ),
    "Fn::Select": lambda stack, parts: stack.resolved(parts[1])[int(parts[0])],
    "Fn::GetAZs": lambda stack, region: [f"us-east-1{zone}" for zone in "abcdef"],
}


@pytest.fixture(scope="module")
def deployed(cloud: FargateLocal, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Deployed]:
    """All templates, each as a stack."""
    folder = tmp_path_factory.mktemp("templates")
    return {name: deploy(cloud, without_tasks(name, folder), given) for name, given in PARAMETERS.items()}


def without_tasks(name: str, folder: Path) -> Path:
    """The template with services that want no task, for nobody has their image here."""
    path = folder / f"{name}.yaml"
    text = (REPOSITORY / "infra" / path.name).read_text(encoding="utf-8")
    path.write_text(re.sub(r"DesiredCount: \d+", "DesiredCount: 0", text), encoding="utf-8")
    return path


def deploy(cloud: FargateLocal, path: Path, given: dict[str, str]) -> Deployed:
    stacks, name = boto3.client("cloudformation", **cloud.client_args), path.stem
    template = read_template(path)
    values = {key: given.get(key, each.get("Default")) for key, each in template["Parameters"].items()}
    values = {key: made_up(cloud, key) if value is None else value for key, value in values.items()}
    parameters = [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]
    failed = fail(stacks, name, template, parameters)
    stacks.create_stack(StackName=name, TemplateBody=path.read_text(), Parameters=parameters, **NAMED)
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    resources = stacks.describe_stack_resources(StackName=name)["StackResources"]
    ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
    exports = {each["Name"]: each["Value"] for each in stacks.list_exports()["Exports"]}
    types = {key: template["Parameters"][key]["Type"] for key in values}
    whole = {key: value.split(",") if types[key] == "CommaDelimitedList" else value for key, value in values.items()}
    return Deployed(name, template, whole, ids, exports, failed)


def fail(stacks: Any, name: str, template: dict[str, Any], parameters: list[dict[str, str]]) -> Failed:
    """Try a template with one resource more, which cannot be made, after all others; the stack's name is free again."""
    policy = {"Bucket": "nobody-has-this-bucket", "PolicyDocument": {"Statement": []}}
    last = {"Type": "AWS::S3::BucketPolicy", "Properties": policy, "DependsOn": list(template["Resources"])}
    broken = {**template, "Resources": {**template["Resources"], "Last": last}}
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(broken), Parameters=parameters, **NAMED)
    deadline = time.monotonic() + 60
    while (status := stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS"):
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    resources = stacks.describe_stack_resources(StackName=name)["StackResources"]
    stacks.delete_stack(StackName=name)
    return Failed(status, events, resources)


def made_up(cloud: FargateLocal, key: str) -> str:
    """A value for a parameter without a default."""
    if key == "S3PrefixList":
        lists = boto3.client("ec2", **cloud.client_args).describe_managed_prefix_lists()["PrefixLists"]
        return next(str(each["PrefixListId"]) for each in lists if each["PrefixListName"].endswith(".s3"))
    if key == "CertificateArn":
        asked = boto3.client("acm", **cloud.client_args).request_certificate(DomainName="airflow.example.org")
        return str(asked["CertificateArn"])
    return key.lower()


Ask = Callable[[Any, str], dict[str, Any]]
"""(client of a service, physical id) → what it describes, in the template's words."""


def bucket(s3: Any, name: str) -> dict[str, Any]:
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    default = encryption[0]["ApplyServerSideEncryptionByDefault"]
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    return {
        "BucketName": name,
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default}]},
        "PublicAccessBlockConfiguration": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
        "OwnershipControls": s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
        "VersioningConfiguration": {"Status": s3.get_bucket_versioning(Bucket=name)["Status"]},
        "LifecycleConfiguration": {
            "Rules": [{"Id": rule["ID"], **{key: rule[key] for key in rule if key not in ("ID", "Filter", "Prefix")}}]
        },
        "Tags": s3.get_bucket_tagging(Bucket=name)["TagSet"],
        **lock(s3, name),
    }


def lock(s3: Any, name: str) -> dict[str, Any]:
    try:
        found = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    except ClientError:
        return {}
    return {"ObjectLockEnabled": found["ObjectLockEnabled"] == "Enabled", "ObjectLockConfiguration": found}


def bucket_policy(s3: Any, name: str) -> dict[str, Any]:
    return {"Bucket": name, "PolicyDocument": json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])}


def secret(manager: Any, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = manager.describe_secret(SecretId=arn)
    return found


def repository(ecr: Any, name: str) -> dict[str, Any]:
    (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    return {
        "RepositoryName": found["repositoryName"],
        "ImageTagMutability": found["imageTagMutability"],
        "ImageScanningConfiguration": {"ScanOnPush": found["imageScanningConfiguration"]["scanOnPush"]},
        "EncryptionConfiguration": {"EncryptionType": found["encryptionConfiguration"]["encryptionType"]},
        "RepositoryPolicyText": json.loads(ecr.get_repository_policy(repositoryName=name)["policyText"]),
    }


def role(iam: Any, name: str) -> dict[str, Any]:
    found = iam.get_role(RoleName=name)["Role"]
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    documents = {each: iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"] for each in names}
    return {
        "RoleName": found["RoleName"],
        "AssumeRolePolicyDocument": found["AssumeRolePolicyDocument"],
        "Policies": [
            {"PolicyName": each, "PolicyDocument": document}
            for each, document in documents.items()
            if each != "shell"  # another resource's
        ],
    }


def inline_policy(iam: Any, name: str) -> dict[str, Any]:
    holder = "datavision-dev-airflow"
    found = iam.get_role_policy(RoleName=holder, PolicyName=name)
    return {"PolicyName": name, "Roles": [holder], "PolicyDocument": found["PolicyDocument"]}


def provider(iam: Any, arn: str) -> dict[str, Any]:
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    return {"Url": f"https://{found['Url'].removeprefix('https://')}", "ClientIdList": found["ClientIDList"]}


def key(kms: Any, ident: str) -> dict[str, Any]:
    return {
        "Description": kms.describe_key(KeyId=ident)["KeyMetadata"]["Description"],
        "EnableKeyRotation": kms.get_key_rotation_status(KeyId=ident)["KeyRotationEnabled"],
        "KeyPolicy": json.loads(kms.get_key_policy(KeyId=ident, PolicyName="default")["Policy"]),
    }


def topic(sns: Any, arn: str) -> dict[str, Any]:
    subscribed = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    return {
        "TopicName": arn.rpartition(":")[2],
        "KmsMasterKeyId": sns.get_topic_attributes(TopicArn=arn)["Attributes"]["KmsMasterKeyId"],
        "Subscription": [{name: each[name] for name in ("Protocol", "Endpoint")} for each in subscribed],
    }


def topic_policy(sns: Any, _: str) -> dict[str, Any]:
    (arn,) = [each["TopicArn"] for each in sns.list_topics()["Topics"]]
    policy = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
    return {"Topics": [arn], "PolicyDocument": policy}


def alarm(cloudwatch: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    return found


def dashboard(cloudwatch: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cloudwatch.get_dashboard(DashboardName=name)
    return found


def schedule(scheduler: Any, name: str) -> dict[str, Any]:
    (found,) = [each for each in scheduler.list_schedules()["Schedules"] if each["Name"] == name]
    described: dict[str, Any] = scheduler.get_schedule(Name=name, GroupName=found["GroupName"])
    found_schedule: dict[str, Any] = pascal(described)
    return found_schedule


def schedule_group(scheduler: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = scheduler.get_schedule_group(Name=name)
    return found


def rule(events: Any, name: str) -> dict[str, Any]:
    found = events.describe_rule(Name=name)
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    return {**found, "EventPattern": json.loads(found["EventPattern"]), "Targets": targets}


def log_group(logs: Any, name: str) -> dict[str, Any]:
    (found,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return {"LogGroupName": found["logGroupName"], "RetentionInDays": found["retentionInDays"]}


def cluster(ecs: Any, name: str) -> dict[str, Any]:
    (found,) = ecs.describe_clusters(clusters=[name], include=["SETTINGS", "TAGS"])["clusters"]
    return {
        "ClusterName": found["clusterName"],
        "CapacityProviders": found["capacityProviders"],
        "ClusterSettings": [pascal(each) for each in found["settings"]],
        "Tags": [pascal(each) for each in found["tags"] if not each["key"].startswith("aws:")],
    }


def definition(ecs: Any, arn: str) -> dict[str, Any]:
    found = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    described: dict[str, Any] = pascal(found)
    return described


def service(ecs: Any, arn: str) -> dict[str, Any]:
    (found,) = ecs.describe_services(cluster=arn.split("/")[-2], services=[arn])["services"]
    described: dict[str, Any] = pascal(found)
    described["Cluster"] = arn.split("/")[-2]
    return described


def database(rds: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return {
        **found,
        "ManageMasterUserPassword": "MasterUserSecret" in found,
        "DBSubnetGroupName": found["DBSubnetGroup"]["DBSubnetGroupName"],
        "VPCSecurityGroups": [each["VpcSecurityGroupId"] for each in found["VpcSecurityGroups"]],
    }


def subnet_group(rds: Any, name: str) -> dict[str, Any]:
    (found,) = rds.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"]
    return {**found, "SubnetIds": [each["SubnetIdentifier"] for each in found["Subnets"]]}


def vpc(ec2: Any, ident: str) -> dict[str, Any]:
    (found,) = ec2.describe_vpcs(VpcIds=[ident])["Vpcs"]
    for name in ("EnableDnsHostnames", "EnableDnsSupport"):
        attribute = name[0].lower() + name[1:]
        found[name] = ec2.describe_vpc_attribute(VpcId=ident, Attribute=attribute)[name]["Value"]
    described: dict[str, Any] = found
    return described


def simple(call: str, ids: str, answer: str) -> Ask:
    """Something of EC2 that is described in the template's words."""

    def ask(ec2: Any, ident: str) -> dict[str, Any]:
        (found,) = getattr(ec2, call)(**{ids: [ident]})[answer]
        described: dict[str, Any] = found
        return described

    return ask


def gateway_attachment(ec2: Any, _: str) -> dict[str, Any]:
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
    return {"InternetGatewayId": gateway["InternetGatewayId"], "VpcId": gateway["Attachments"][0]["VpcId"]}


def association(ec2: Any, ident: str) -> dict[str, Any]:
    tables = ec2.describe_route_tables()["RouteTables"]
    (found,) = [each for table in tables for each in table["Associations"] if each["RouteTableAssociationId"] == ident]
    described: dict[str, Any] = found
    return described


def nat_gateway(ec2: Any, ident: str) -> dict[str, Any]:
    (found,) = ec2.describe_nat_gateways(NatGatewayIds=[ident])["NatGateways"]
    return {"SubnetId": found["SubnetId"], "AllocationId": found["NatGatewayAddresses"][0]["AllocationId"]}


def address(ec2: Any, ident: str) -> dict[str, Any]:
    (found,) = [
        each for each in ec2.describe_addresses()["Addresses"] if ident in (each["PublicIp"], each["AllocationId"])
    ]
    described: dict[str, Any] = found
    return described


def endpoint(ec2: Any, ident: str) -> dict[str, Any]:
    (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[ident])["VpcEndpoints"]
    return {
        **found,
        "PolicyDocument": json.loads(found.get("PolicyDocument") or "{}"),
        "SecurityGroupIds": [each["GroupId"] for each in found.get("Groups", [])],
    }


def security_group(ec2: Any, ident: str) -> dict[str, Any]:
    (found,) = ec2.describe_security_groups(GroupIds=[ident])["SecurityGroups"]
    return {
        "GroupDescription": found["Description"],
        "VpcId": found["VpcId"],
        "Tags": found.get("Tags", []),
        "SecurityGroupIngress": [*rules(found["IpPermissions"], "Source")],
        "SecurityGroupEgress": [*rules(found["IpPermissionsEgress"], "Destination")],
    }


def rules(permissions: list[Any], side: str) -> Iterator[dict[str, Any]]:
    for each in permissions:
        ports = {name: each[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in each}
        for kind, ours, theirs in (
            ("IpRanges", "CidrIp", "CidrIp"),
            ("PrefixListIds", f"{side}PrefixListId", "PrefixListId"),
            ("UserIdGroupPairs", f"{side}SecurityGroupId", "GroupId"),
        ):
            for peer in each[kind]:
                about = {"Description": peer["Description"]} if "Description" in peer else {}
                yield {**ports, ours: peer[theirs], **about}


def balancer(elb: Any, arn: str) -> dict[str, Any]:
    (found,) = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    return {
        "Name": found["LoadBalancerName"],
        "Type": found["Type"],
        "Scheme": found["Scheme"],
        "SecurityGroups": found["SecurityGroups"],
        "Subnets": [zone["SubnetId"] for zone in found["AvailabilityZones"]],
        "LoadBalancerAttributes": elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"],
    }


def target_group(elb: Any, arn: str) -> dict[str, Any]:
    (found,) = elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    attributes = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    return {**found, "TargetGroupAttributes": attributes}


def listener(elb: Any, arn: str) -> dict[str, Any]:
    (found,) = elb.describe_listeners(ListenerArns=[arn])["Listeners"]
    described: dict[str, Any] = found
    return described


def zone(route53: Any, ident: str) -> dict[str, Any]:
    found = route53.get_hosted_zone(Id=ident)
    vpcs = [{"VPCId": each["VPCId"], "VPCRegion": each["VPCRegion"]} for each in found["VPCs"]]
    return {"Name": found["HostedZone"]["Name"].rstrip("."), "VPCs": vpcs}


def record(route53: Any, name: str) -> dict[str, Any]:
    (made,) = route53.list_hosted_zones()["HostedZones"]
    sets = route53.list_resource_record_sets(HostedZoneId=made["Id"])["ResourceRecordSets"]
    (found,) = [each for each in sets if each["Type"] == "A"]
    return {
        "HostedZoneId": made["Id"].rpartition("/")[2],
        "Name": found["Name"].rstrip("."),
        "Type": found["Type"],
        "AliasTarget": found["AliasTarget"],
    }


def pascal(value: Any) -> Any:
    """ECS's answers in the template's spelling."""
    if isinstance(value, dict):
        kept = ("options",)
        return {key[0].upper() + key[1:]: item if key in kept else pascal(item) for key, item in value.items()}
    return [pascal(item) for item in value] if isinstance(value, list) else value


ASK: dict[str, tuple[str, Ask]] = {
    "AWS::S3::Bucket": ("s3", bucket),
    "AWS::S3::BucketPolicy": ("s3", bucket_policy),
    "AWS::SecretsManager::Secret": ("secretsmanager", secret),
    "AWS::ECR::Repository": ("ecr", repository),
    "AWS::IAM::Role": ("iam", role),
    "AWS::IAM::Policy": ("iam", inline_policy),
    "AWS::IAM::OIDCProvider": ("iam", provider),
    "AWS::KMS::Key": ("kms", key),
    "AWS::SNS::Topic": ("sns", topic),
    "AWS::SNS::TopicPolicy": ("sns", topic_policy),
    "AWS::CloudWatch::Alarm": ("cloudwatch", alarm),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", dashboard),
    "AWS::Logs::LogGroup": ("logs", log_group),
    "AWS::Scheduler::Schedule": ("scheduler", schedule),
    "AWS::Scheduler::ScheduleGroup": ("scheduler", schedule_group),
    "AWS::Events::Rule": ("events", rule),
    "AWS::ECS::Cluster": ("ecs", cluster),
    "AWS::ECS::TaskDefinition": ("ecs", definition),
    "AWS::ECS::Service": ("ecs", service),
    "AWS::RDS::DBInstance": ("rds", database),
    "AWS::RDS::DBSubnetGroup": ("rds", subnet_group),
    "AWS::EC2::VPC": ("ec2", vpc),
    "AWS::EC2::Subnet": ("ec2", simple("describe_subnets", "SubnetIds", "Subnets")),
    "AWS::EC2::RouteTable": ("ec2", simple("describe_route_tables", "RouteTableIds", "RouteTables")),
    "AWS::EC2::InternetGateway": (
        "ec2",
        simple("describe_internet_gateways", "InternetGatewayIds", "InternetGateways"),
    ),
    "AWS::EC2::VPCGatewayAttachment": ("ec2", gateway_attachment),
    "AWS::EC2::SubnetRouteTableAssociation": ("ec2", association),
    "AWS::EC2::NatGateway": ("ec2", nat_gateway),
    "AWS::EC2::EIP": ("ec2", address),
    "AWS::EC2::VPCEndpoint": ("ec2", endpoint),
    "AWS::EC2::SecurityGroup": ("ec2", security_group),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("elbv2", balancer),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("elbv2", target_group),
    "AWS::ElasticLoadBalancingV2::Listener": ("elbv2", listener),
    "AWS::Route53::HostedZone": ("route53", zone),
    "AWS::Route53::RecordSet": ("route53", record),
}
ELSEWHERE = {"AWS::EC2::Route", "AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress"}
"""Parts of a route table and of security groups: the next tests."""


def differences(wanted: Any, found: Any, path: str) -> Iterator[str]:
    """Where what is described lacks or contradicts what is wanted; it may say more."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, item in wanted.items():
            if name in found:
                yield from differences(item, found[name], f"{path}/{name}")
            elif item not in ([], False):
                yield f"{path}/{name}: not described"
    elif isinstance(wanted, list):
        among = found if isinstance(found, list) else [found]
        for index, item in enumerate(wanted):
            if all(list(differences(item, each, path)) for each in among):
                yield f"{path}[{index}]: {item!r} is not among {among!r}"
    elif not same(wanted, found):
        yield f"{path}: {found!r} instead of {wanted!r}"


def same(wanted: Any, found: Any) -> bool:
    if wanted is ANY:
        return bool(found)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return float(wanted) == found
    return str(wanted).lower() == str(found).lower()


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_property_of_a_template_is_what_its_service_describes(
    cloud: FargateLocal, deployed: dict[str, Deployed], name: str
) -> None:
    stack, wrong = deployed[name], list[str]()
    for logical_id, resource in stack.template["Resources"].items():
        if "Condition" in resource and not stack.holds(resource["Condition"]):
            continue
        if resource["Type"] in ELSEWHERE:
            continue
        service_name, ask = ASK[resource["Type"]]
        client = boto3.client(service_name, **cloud.client_args)
        wanted = stack.resolved(resource.get("Properties", {}))
        for rule in wanted.get("SecurityGroupEgress", []):
            if "CidrIp" not in rule:  # moto's EC2 keeps descriptions of rules for blocks of addresses only
                rule.pop("Description", None)
        found = ask(client, stack.ids[logical_id])
        wrong += differences(wanted, found, logical_id)
    assert wrong == []


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_template_whose_last_resource_fails_is_undone_so_that_it_can_be_made_again(
    deployed: dict[str, Deployed], name: str
) -> None:
    failed = deployed[name].failed
    assert (failed.status, failed.resources) == ("ROLLBACK_COMPLETE", [])
    (why,) = [event for event in failed.events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert why["LogicalResourceId"] == "Last"
    assert "The specified bucket does not exist" in why["ResourceStatusReason"]
    told = {event["LogicalResourceId"] for event in failed.events if event["ResourceStatus"] == "DELETE_COMPLETE"}
    assert told == set(deployed[name].ids)


def test_the_routes_of_a_template_are_those_of_its_tables(cloud: FargateLocal, deployed: dict[str, Deployed]) -> None:
    stack = deployed["network"]
    ec2 = boto3.client("ec2", **cloud.client_args)
    routes = of_type(stack, "AWS::EC2::Route")
    assert set(routes) == {"RouteOfNat", "RouteToNat"}
    for wanted in map(stack.resolved, routes.values()):
        (table,) = ec2.describe_route_tables(RouteTableIds=[wanted.pop("RouteTableId")])["RouteTables"]
        assert any(not list(differences(wanted, route, "")) for route in table["Routes"])


def test_rules_that_are_resources_of_their_own_are_rules_of_their_groups(
    cloud: FargateLocal, deployed: dict[str, Deployed]
) -> None:
    stack = deployed["airflow"]
    ec2 = boto3.client("ec2", **cloud.client_args)
    for kind, side in (("Ingress", "SecurityGroupIngress"), ("Egress", "SecurityGroupEgress")):
        found = of_type(stack, f"AWS::EC2::SecurityGroup{kind}")
        assert found
        for wanted in map(stack.resolved, found.values()):
            described = security_group(ec2, wanted.pop("GroupId"))[side]
            assert any(not list(differences(wanted, rule, "")) for rule in described), wanted


def test_a_group_with_egress_rules_has_no_way_out_but_those(cloud: FargateLocal, deployed: dict[str, Deployed]) -> None:
    ec2 = boto3.client("ec2", **cloud.client_args)
    described = security_group(ec2, deployed["network"].ids["EndpointSecurityGroup"])
    assert [rule["CidrIp"] for rule in described["SecurityGroupEgress"]] == ["127.0.0.1/32"]


def of_type(stack: Deployed, kind: str) -> dict[str, Any]:
    """The properties of the resources of a type whose condition holds."""
    return {
        name: resource["Properties"]
        for name, resource in stack.template["Resources"].items()
        if resource["Type"] == kind and ("Condition" not in resource or stack.holds(resource["Condition"]))
    }


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_template_that_was_just_deployed_has_not_drifted_and_each_of_its_resources_was_compared(
    cloud: FargateLocal, deployed: dict[str, Deployed], name: str
) -> None:
    stacks = boto3.client("cloudformation", **cloud.client_args)
    detection = stacks.detect_stack_drift(StackName=name)["StackDriftDetectionId"]
    outcome = stacks.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    found = stacks.describe_stack_resource_drifts(StackName=name)["StackResourceDrifts"]
    differing = {each["LogicalResourceId"]: each["PropertyDifferences"] for each in found}
    assert {key: value for key, value in differing.items() if value} == {}
    assert (outcome["DetectionStatus"], outcome["StackDriftStatus"]) == ("DETECTION_COMPLETE", "IN_SYNC"), outcome
    assert set(differing) == set(deployed[name].ids)
