"""A template with the types of resources that people deploy beside ECS, and how to ask what became of each."""

import json
from collections.abc import Callable
from typing import Any

READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}],
}
MACHINE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


def get(name: str, attribute: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, attribute]}


def ref(name: str) -> dict[str, Any]:
    return {"Ref": name}


def statement(action: str, resource: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}],
    }


def resources(subnet: str, vpc: str, *, later: bool = False) -> dict[str, Any]:
    """Type and properties by logical id; `later` are those of an update."""
    kept_days, text, size = (30, "second", 20) if later else (7, "first", 10)
    listed: dict[str, tuple[str, dict[str, Any]]] = {
        "Parameter": ("SSM::Parameter", {"Name": "/beside/one", "Type": "String", "Value": text}),
        "Queue": ("SQS::Queue", {"QueueName": "beside", "VisibilityTimeout": size}),
        "QueuePolicy": (
            "SQS::QueuePolicy",
            {"Queues": [ref("Queue")], "PolicyDocument": statement("sqs:SendMessage", get("Queue", "Arn"))},
        ),
        "Topic": ("SNS::Topic", {"TopicName": "beside", "DisplayName": text}),
        "Subscription": (
            "SNS::Subscription",
            {
                "TopicArn": ref("Topic"),
                "Protocol": "sqs",
                "Endpoint": get("Queue", "Arn"),
                "RawMessageDelivery": "true",
            },
        ),
        "Bus": ("Events::EventBus", {"Name": "beside"}),
        "Rule": (
            "Events::Rule",
            {
                "Name": "beside",
                "EventBusName": ref("Bus"),
                "Description": text,
                "EventPattern": {"source": [text]},
                "Targets": [{"Id": "queue", "Arn": get("Queue", "Arn")}],
            },
        ),
        "ScheduleGroup": ("Scheduler::ScheduleGroup", {"Name": "beside"}),
        "Schedule": (
            "Scheduler::Schedule",
            {
                "Name": "beside",
                "GroupName": ref("ScheduleGroup"),
                "ScheduleExpression": f"rate({size} days)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": get("Queue", "Arn"), "RoleArn": get("Role", "Arn")},
            },
        ),
        "Table": (
            "DynamoDB::Table",
            {
                "TableName": "beside",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "ProvisionedThroughput": {"ReadCapacityUnits": size, "WriteCapacityUnits": 1},
                "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": True},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            },
        ),
        "Key": (
            "KMS::Key",
            {"Description": text, "EnableKeyRotation": True, "KeyPolicy": statement("kms:*", "*")},
        ),
        "Alias": ("KMS::Alias", {"AliasName": "alias/beside", "TargetKeyId": ref("Key")}),
        "Repository": (
            "ECR::Repository",
            {
                "RepositoryName": "beside",
                "ImageTagMutability": "MUTABLE" if later else "IMMUTABLE",
                "LifecyclePolicy": {"LifecyclePolicyText": lifecycle(size)},
            },
        ),
        "Logs": ("Logs::LogGroup", {"LogGroupName": "/beside", "RetentionInDays": kept_days}),
        "Alarm": (
            "CloudWatch::Alarm",
            {
                "AlarmName": "beside",
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Dimensions": [{"Name": "QueueName", "Value": get("Queue", "QueueName")}],
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": size,
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [ref("Topic")],
            },
        ),
        "Dashboard": ("CloudWatch::Dashboard", {"DashboardName": "beside", "DashboardBody": '{"widgets": []}'}),
        "Budget": (
            "Budgets::Budget",
            {
                "Budget": {
                    "BudgetName": "beside",
                    "BudgetType": "COST",
                    "TimeUnit": "MONTHLY",
                    "BudgetLimit": {"Amount": size, "Unit": "USD"},
                },
                "NotificationsWithSubscribers": [
                    {
                        "Notification": {
                            "NotificationType": "ACTUAL",
                            "ComparisonOperator": "GREATER_THAN",
                            "Threshold": 80,
                        },
                        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.org"}],
                    }
                ],
            },
        ),
        "Files": ("EFS::FileSystem", {"Encrypted": True, "FileSystemTags": [{"Key": "Name", "Value": "beside"}]}),
        "Mount": (
            "EFS::MountTarget",
            {"FileSystemId": ref("Files"), "SubnetId": subnet, "SecurityGroups": [ref("Group")]},
        ),
        "Access": ("EFS::AccessPoint", {"FileSystemId": ref("Files"), "PosixUser": {"Uid": "1000", "Gid": "1000"}}),
        "Group": (
            "EC2::SecurityGroup",
            {
                "GroupName": "beside",
                "GroupDescription": "NFS",
                "VpcId": vpc,
                "SecurityGroupIngress": [
                    {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049, "CidrIp": f"10.{size}.0.0/16"}
                ],
            },
        ),
        "Secret": (
            "SecretsManager::Secret",
            {
                "Name": "beside",
                "Description": text,
                "GenerateSecretString": {
                    "SecretStringTemplate": '{"username": "boss"}',
                    "GenerateStringKey": "password",
                    "PasswordLength": 24,
                    "ExcludeCharacters": '"@/\\',
                },
            },
        ),
        "SecretPolicy": (
            "SecretsManager::ResourcePolicy",
            {"SecretId": ref("Secret"), "ResourcePolicy": statement("secretsmanager:GetSecretValue", "*")},
        ),
        "Role": (
            "IAM::Role",
            {"RoleName": "beside", "AssumeRolePolicyDocument": TRUST, "ManagedPolicyArns": [ref("Managed")]},
        ),
        "Managed": ("IAM::ManagedPolicy", {"ManagedPolicyName": "beside", "PolicyDocument": policy(text)}),
        "User": ("IAM::User", {"UserName": "beside", "Groups": [ref("People")]}),
        "People": (
            "IAM::Group",
            {"GroupName": "beside", "Policies": [{"PolicyName": "read", "PolicyDocument": policy(text)}]},
        ),
        "Profile": ("IAM::InstanceProfile", {"InstanceProfileName": "beside", "Roles": [ref("Role")]}),
        "Linked": ("IAM::ServiceLinkedRole", {"AWSServiceName": "rds.amazonaws.com"}),
        "Namespace": ("ServiceDiscovery::PrivateDnsNamespace", {"Name": "beside.local", "Vpc": vpc}),
        "Discovery": (
            "ServiceDiscovery::Service",
            {
                "Name": "web",
                "NamespaceId": ref("Namespace"),
                "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 60}]},
            },
        ),
        "Cluster": ("ECS::Cluster", {"ClusterName": "beside"}),
        "Providers": (
            "ECS::ClusterCapacityProviderAssociations",
            {
                "Cluster": ref("Cluster"),
                "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
                "DefaultCapacityProviderStrategy": [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}],
            },
        ),
        "Certificate": ("CertificateManager::Certificate", {"DomainName": "beside.example.org"}),
        "Machine": (
            "StepFunctions::StateMachine",
            {"StateMachineName": "beside", "RoleArn": get("Role", "Arn"), "Definition": MACHINE},
        ),
        "Parameters": (
            "RDS::DBParameterGroup",
            {
                "DBParameterGroupName": "beside",
                "Family": "postgres18",
                "Description": "beside",
                "Parameters": {"log_min_duration_statement": str(size)},
            },
        ),
        "Handle": ("CloudFormation::WaitConditionHandle", {}),
    }
    return {name: {"Type": f"AWS::{kind}", "Properties": made} for name, (kind, made) in listed.items()}


def policy(sid: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Sid": sid, **READ}]}


def lifecycle(count: int) -> str:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count}
    return json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})


def template(subnet: str, vpc: str, *, later: bool = False, **more: Any) -> str:
    return json.dumps({"Resources": {**resources(subnet, vpc, later=later), **more}})


Client = Callable[[str], Any]


def described(client: Client) -> dict[str, Any]:
    """What the services say of what differs before and after an update."""
    logs = client("logs").describe_log_groups(logGroupNamePrefix="/beside")["logGroups"]
    repository = client("ecr").describe_repositories(repositoryNames=["beside"])["repositories"][0]
    queue = client("sqs").get_queue_url(QueueName="beside")["QueueUrl"]
    topic = next(each["TopicArn"] for each in client("sns").list_topics()["Topics"])
    iam = client("iam")
    managed = iam.get_policy(PolicyArn="arn:aws:iam::123456789012:policy/beside")["Policy"]
    version = iam.get_policy_version(PolicyArn=managed["Arn"], VersionId=managed["DefaultVersionId"])["PolicyVersion"]
    group = client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["beside"]}])
    table = client("dynamodb").describe_table(TableName="beside")["Table"]
    budget = client("budgets").describe_budget(AccountId="123456789012", BudgetName="beside")
    rules = json.loads(client("ecr").get_lifecycle_policy(repositoryName="beside")["lifecyclePolicyText"])
    return {
        "Parameter": client("ssm").get_parameter(Name="/beside/one")["Parameter"]["Value"],
        "Queue": client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"],
        "Topic": client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"],
        "Rule": client("events").describe_rule(Name="beside", EventBusName="beside")["EventPattern"],
        "Schedule": client("scheduler").get_schedule(Name="beside", GroupName="beside")["ScheduleExpression"],
        "Table": table["ProvisionedThroughput"]["ReadCapacityUnits"],
        "Repository": (repository["imageTagMutability"], rules["rules"][0]["selection"]["countNumber"]),
        "Logs": logs[0]["retentionInDays"],
        "Alarm": client("cloudwatch").describe_alarms(AlarmNames=["beside"])["MetricAlarms"][0]["Threshold"],
        "Group": group["SecurityGroups"][0]["IpPermissions"][0]["IpRanges"],
        "Budget": budget["Budget"]["BudgetLimit"],
        "Secret": client("secretsmanager").describe_secret(SecretId="beside")["Description"],
        "Managed": version["Document"]["Statement"][0]["Sid"],
        "People": iam.get_group_policy(GroupName="beside", PolicyName="read")["PolicyDocument"]["Statement"][0]["Sid"],
    }


def left(client: Client) -> dict[str, Any]:
    """What is still there of the template's resources, by service."""
    iam, names = client("iam"), {"beside"}
    found = {
        "ssm": client("ssm").get_parameters(Names=["/beside/one"])["Parameters"],
        "sqs": client("sqs").list_queues(QueueNamePrefix="beside").get("QueueUrls", []),
        "sns": [each for each in client("sns").list_topics()["Topics"] if each["TopicArn"].endswith(":beside")],
        "subscriptions": client("sns").list_subscriptions()["Subscriptions"],
        "buses": client("events").list_event_buses(NamePrefix="beside")["EventBuses"],
        "schedules": client("scheduler").list_schedules(NamePrefix="beside")["Schedules"],
        "tables": names & set(client("dynamodb").list_tables()["TableNames"]),
        "ecr": names & {each["repositoryName"] for each in client("ecr").describe_repositories()["repositories"]},
        "logs": client("logs").describe_log_groups(logGroupNamePrefix="/beside")["logGroups"],
        "alarms": client("cloudwatch").describe_alarms(AlarmNamePrefix="beside")["MetricAlarms"],
        "dashboards": client("cloudwatch").list_dashboards(DashboardNamePrefix="beside")["DashboardEntries"],
        "budgets": client("budgets").describe_budgets(AccountId="123456789012").get("Budgets", []),
        "efs": client("efs").describe_file_systems()["FileSystems"],
        "secrets": names & {each["Name"] for each in client("secretsmanager").list_secrets()["SecretList"]},
        "roles": names & {each["RoleName"] for each in iam.list_roles()["Roles"]},
        "users": names & {each["UserName"] for each in iam.list_users()["Users"]},
        "groups": names & {each["GroupName"] for each in iam.list_groups()["Groups"]},
        "policies": names & {each["PolicyName"] for each in iam.list_policies(Scope="Local")["Policies"]},
        "namespaces": client("servicediscovery").list_namespaces()["Namespaces"],
        "certificates": client("acm").list_certificates()["CertificateSummaryList"],
        "machines": client("stepfunctions").list_state_machines()["stateMachines"],
        "aliases": [each for each in client("kms").list_aliases()["Aliases"] if each["AliasName"] == "alias/beside"],
    }
    return {name: each for name, each in found.items() if each}
