"""Resources of RDS."""

from typing import Final

from fargate_local.stacks.kinds import Calls, Kind, Made, Properties


def database_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a database instance's properties for CreateDBInstance."""
    return {"DBInstanceIdentifier": name, **properties}


def database_change(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a database instance's properties for ModifyDBInstance."""
    taken = {member.lower() for member in calls.input("rds", "ModifyDBInstance").members}
    kept = {k: v for k, v in properties.items() if DATABASE_NAMES.get(k, k).lower() in taken}
    return {**kept, "DBInstanceIdentifier": name, "ApplyImmediately": True}


def describe_database(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Let a database instance's attributes be what RDS says."""
    (found,) = calls("rds").describe_db_instances(DBInstanceIdentifier=made.physical_resource_id)["DBInstances"]
    endpoint, secret = found.get("Endpoint", {}), found.get("MasterUserSecret", {})
    made.attributes |= {
        "Endpoint.Address": str(endpoint.get("Address", "")),
        "Endpoint.Port": str(endpoint.get("Port", "")),
        "DBInstanceArn": str(found["DBInstanceArn"]),
        "DbiResourceId": str(found["DbiResourceId"]),
        "MasterUserSecret.SecretArn": str(secret.get("SecretArn", "")),
    }


class Database(Kind):
    """AWS::RDS::DBInstance."""

    def delete(self, calls: Calls, made: Made) -> None:
        """Delete one without a snapshot."""
        calls("rds").delete_db_instance(DBInstanceIdentifier=made.physical_resource_id, SkipFinalSnapshot=True)

    def delete_with_snapshot(self, calls: Calls, made: Made) -> None:
        """Delete one and leave a snapshot of its record."""
        name = made.physical_resource_id
        calls("rds").delete_db_instance(
            DBInstanceIdentifier=name,
            FinalDBSnapshotIdentifier=f"{name}-{made.attributes['DbiResourceId'][-12:].lower()}",
        )


DATABASE_NAMES: Final = {"VPCSecurityGroups": "VpcSecurityGroupIds", "MasterUserSecret": "MasterUserSecretKmsKeyId"}


DATABASE_FIXED: Final = frozenset(
    {"DBName", "Engine", "MasterUsername", "StorageEncrypted", "KmsKeyId", "AvailabilityZone", "CharacterSetName"}
)


RDS_TAGS: Final = ("AddTagsToResource", "RemoveTagsFromResource", "ResourceName")


def group_text(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a subnet group's properties for CreateDBSubnetGroup, which keeps its name in small letters."""
    return {**properties, "DBSubnetGroupName": name.lower()}


def apply_parameters(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set the parameters of a database parameter group."""
    wanted = properties.get("Parameters", {})
    given = [{"ParameterName": name, "ParameterValue": str(value), "ApplyMethod": "pending-reboot"}
             for name, value in wanted.items()]  # fmt: skip
    if given:
        calls("rds").modify_db_parameter_group(DBParameterGroupName=made.physical_resource_id, Parameters=given)


DATABASES: Final = (
    Database(
        "AWS::RDS::DBInstance", "rds", "CreateDBInstance", "DeleteDBInstance", "DBInstanceIdentifier",
        name="DBInstanceIdentifier", ident="DBInstance.DBInstanceIdentifier", updates="ModifyDBInstance",
        given=database_input, changed=database_change, apply=describe_database, renamed=DATABASE_NAMES,
        fixed=DATABASE_FIXED, tags="list", retags=RDS_TAGS, tagged_by="DBInstanceArn", waits=True,
        attributes=dict.fromkeys(
            ("Endpoint.Address", "Endpoint.Port", "DBInstanceArn", "DbiResourceId", "MasterUserSecret.SecretArn"),
            "{id}"),
    ),
    Kind(
        "AWS::RDS::DBSubnetGroup", "rds", "CreateDBSubnetGroup", "DeleteDBSubnetGroup", "DBSubnetGroupName",
        name="DBSubnetGroupName", ident="DBSubnetGroup.DBSubnetGroupName", given=group_text,
        updates="ModifyDBSubnetGroup", tags="list", retags=RDS_TAGS, tagged_by="Arn",
        attributes={"Arn": "DBSubnetGroup.DBSubnetGroupArn"},
    ),
    Kind(
        "AWS::RDS::DBParameterGroup", "rds", "CreateDBParameterGroup", "DeleteDBParameterGroup",
        "DBParameterGroupName", name="DBParameterGroupName", applied=frozenset({"Parameters"}),
        renamed={"Family": "DBParameterGroupFamily"}, apply=apply_parameters, tags="list",
        retags=RDS_TAGS, tagged_by="Arn", attributes={"Arn": "DBParameterGroup.DBParameterGroupArn"},
    ),
)  # fmt: skip
