"""Namespaces, services and instances of Cloud Map in a CloudFormation template, which moto 5.2 does not know.

CloudFormation reference, "AWS Cloud Map" (read November 2026). moto finds these classes among the direct subclasses of
its model, which is why each names it.
"""

from typing import Any, ClassVar

from moto.core.common_models import CloudFormationModel

from fargate_local.cloud.templates import plain


def hand_on_names() -> None:
    """Make moto's CloudFormation look for its models again, and find these."""
    from moto.cloudformation import parsing

    for known in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        known.cache_clear()


def backend(account: str, region: str) -> Any:
    """Return moto's Cloud Map of a region."""
    from moto.servicediscovery.models import servicediscovery_backends

    return servicediscovery_backends[account][region]


class Resource:
    """What a template made; `kept` is moto's."""

    kind: ClassVar = ""

    def __init__(self, kept: Any, identifier: str) -> None:
        self.kept = kept
        self.identifier = identifier

    @property
    def physical_resource_id(self) -> str:
        """What Ref gives."""
        return self.identifier

    @classmethod
    def cloudformation_type(cls) -> str:
        """Return its name in templates."""
        return f"AWS::ServiceDiscovery::{cls.kind}"

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return the property that names it."""
        return "Name"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        """Create one."""
        return cls.made(resource_name, plain(cloudformation_json["Properties"]), backend(account_id, region_name))

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        """Change one, or replace it."""
        properties, memory = plain(cloudformation_json["Properties"]), backend(account_id, region_name)
        if original_resource.changed(new_resource_name, properties, memory):
            return original_resource
        cls.remove(original_resource.identifier, properties, memory)
        return cls.made(new_resource_name, properties, memory)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """Delete one."""
        cls.remove(resource_name, plain(cloudformation_json["Properties"]), backend(account_id, region_name))

    @classmethod
    def made(cls, name: str, properties: dict[str, Any], memory: Any) -> Any:
        """Return a new one."""
        raise NotImplementedError

    @classmethod
    def remove(cls, identifier: str, properties: dict[str, Any], memory: Any) -> None:
        """Remove one."""
        raise NotImplementedError

    def changed(self, name: str, properties: dict[str, Any], memory: Any) -> bool:
        """Change this one and return True, or return False where it must be replaced."""
        raise NotImplementedError


class Namespace(Resource):
    """What the three kinds of namespaces have in common."""

    @classmethod
    def operation(cls, memory: Any, properties: dict[str, Any], **common: Any) -> str:
        """Return the operation that makes one."""
        raise NotImplementedError

    @classmethod
    def made(cls, name: str, properties: dict[str, Any], memory: Any) -> Any:
        """Return a new one."""
        common = {"name": name, "creator_request_id": "", "tags": properties.get("Tags", [])}
        operation = cls.operation(memory, properties, **common, description=properties.get("Description", ""))
        kept = memory.namespaces[memory.operations[operation].targets["NAMESPACE"]]
        return cls(kept, kept.id)

    @classmethod
    def remove(cls, identifier: str, properties: dict[str, Any], memory: Any) -> None:
        """Remove one."""
        del properties
        memory.delete_namespace(identifier)

    def changed(self, name: str, properties: dict[str, Any], memory: Any) -> bool:
        """Change the description."""
        del memory
        if (self.kept.name, self.kept.vpc) != (name, properties.get("Vpc")):
            return False
        self.kept.description = properties.get("Description", "")
        return True

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        """Return what Fn::GetAtt gives."""
        zone = (self.kept.dns_properties or {}).get("HostedZoneId", "")
        return {"Id": self.kept.id, "Arn": self.kept.arn, "HostedZoneId": zone}[attribute_name]


class PrivateDnsNamespace(Namespace, CloudFormationModel):
    """AWS::ServiceDiscovery::PrivateDnsNamespace."""

    kind = "PrivateDnsNamespace"

    @classmethod
    def operation(cls, memory: Any, properties: dict[str, Any], **common: Any) -> str:
        """Return the operation that makes one."""
        more = {"vpc": properties["Vpc"], "properties": properties.get("Properties")}
        return str(memory.create_private_dns_namespace(**common, **more))


class PublicDnsNamespace(Namespace, CloudFormationModel):
    """AWS::ServiceDiscovery::PublicDnsNamespace."""

    kind = "PublicDnsNamespace"

    @classmethod
    def operation(cls, memory: Any, properties: dict[str, Any], **common: Any) -> str:
        """Return the operation that makes one."""
        return str(memory.create_public_dns_namespace(**common, properties=properties.get("Properties")))


class HttpNamespace(Namespace, CloudFormationModel):
    """AWS::ServiceDiscovery::HttpNamespace."""

    kind = "HttpNamespace"

    @classmethod
    def operation(cls, memory: Any, properties: dict[str, Any], **common: Any) -> str:
        """Return the operation that makes one."""
        del properties
        return str(memory.create_http_namespace(**common))


class Service(Resource, CloudFormationModel):
    """AWS::ServiceDiscovery::Service."""

    kind = "Service"

    @classmethod
    def made(cls, name: str, properties: dict[str, Any], memory: Any) -> Any:
        """Return a new one."""
        dns = properties.get("DnsConfig")
        kept = memory.create_service(
            name=name,
            namespace_id=properties.get("NamespaceId"),
            creator_request_id="",
            description=properties.get("Description", ""),
            dns_config=dns,
            health_check_config=properties.get("HealthCheckConfig"),
            health_check_custom_config=properties.get("HealthCheckCustomConfig"),
            tags=properties.get("Tags", []),
            service_type=properties.get("Type") or ("DNS_HTTP" if dns else "HTTP"),
        )
        return cls(kept, kept.id)

    @classmethod
    def remove(cls, identifier: str, properties: dict[str, Any], memory: Any) -> None:
        """Remove one."""
        del properties
        memory.delete_service(identifier)

    def changed(self, name: str, properties: dict[str, Any], memory: Any) -> bool:
        """Change description, records and health check."""
        del memory
        if self.kept.name != name:
            return False
        self.kept.description = properties.get("Description", "")
        self.kept.dns_config = properties.get("DnsConfig")
        self.kept.health_check_config = properties.get("HealthCheckConfig")
        return True

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        """Return what Fn::GetAtt gives."""
        return {"Id": self.kept.id, "Arn": self.kept.arn, "Name": self.kept.name}[attribute_name]


class Instance(Resource, CloudFormationModel):
    """AWS::ServiceDiscovery::Instance."""

    kind = "Instance"

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return the property that names it."""
        return "InstanceId"

    @classmethod
    def made(cls, name: str, properties: dict[str, Any], memory: Any) -> Any:
        """Return a new one."""
        attributes = {key: str(value) for key, value in properties["InstanceAttributes"].items()}
        memory.register_instance(properties["ServiceId"], name, "", attributes)
        return cls(memory.get_instance(properties["ServiceId"], name), name)

    @classmethod
    def remove(cls, identifier: str, properties: dict[str, Any], memory: Any) -> None:
        """Remove one, unless it went with its service."""
        if properties["ServiceId"] in memory.services:
            memory.deregister_instance(properties["ServiceId"], identifier)

    def changed(self, name: str, properties: dict[str, Any], memory: Any) -> bool:
        """Change the attributes."""
        del memory
        if (self.kept.instance_id, self.kept.service_id) != (name, properties["ServiceId"]):
            return False
        self.kept.attributes = {key: str(value) for key, value in properties["InstanceAttributes"].items()}
        return True

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        """Return what Fn::GetAtt gives: it has no attributes but what Ref gives."""
        return {"InstanceId": self.identifier}[attribute_name]
