"""Load balancers, target groups, listeners and rules of a CloudFormation template with everything that it gives them.

moto 5.2 drops a load balancer's type, attributes and tags and a target group's attributes, reads no action but one with
a single target group, changes neither of the two when the stack is updated, and leaves all but the load balancer behind
when it is deleted.
"""

from typing import Any, Final

from fargate_local.cloud.templates import plain

GROUP: Final = {
    "VpcId": "vpc_id",
    "Protocol": "protocol",
    "ProtocolVersion": "protocol_version",
    "TargetType": "target_type",
    "IpAddressType": "ip_address_type",
    "HealthCheckProtocol": "healthcheck_protocol",
    "HealthCheckPort": "healthcheck_port",
    "HealthCheckPath": "healthcheck_path",
    "Matcher": "matcher",
    "Tags": "tags",
}
GROUP_NUMBERS: Final = {
    "Port": "port",
    "HealthCheckIntervalSeconds": "healthcheck_interval_seconds",
    "HealthCheckTimeoutSeconds": "healthcheck_timeout_seconds",
    "HealthyThresholdCount": "healthy_threshold_count",
    "UnhealthyThresholdCount": "unhealthy_threshold_count",
}
"""Properties of AWS::ElasticLoadBalancingV2::TargetGroup, and moto's names for them."""
GROUP_REPLACED: Final = ("VpcId", "Protocol", "ProtocolVersion", "TargetType", "IpAddressType", "Port", "Name")
BALANCER_REPLACED: Final = ("Name", "Scheme", "Type")
"""Properties whose change makes another resource (CloudFormation's reference, "Update requires: Replacement")."""


def hand_on_balancers() -> None:
    """Make moto's CloudFormation create, change and delete them as the template says."""
    from moto.elbv2 import models

    for kind, maker in (
        (models.FakeLoadBalancer, Balancers),
        (models.FakeTargetGroup, Groups),
        (models.FakeListener, Listeners),
        (models.FakeListenerRule, Rules),
    ):
        setattr(kind, "create_from_cloudformation_json", classmethod(maker.create))  # noqa: B010 - mypy knows moto's methods
        setattr(kind, "update_from_cloudformation_json", classmethod(maker.update))  # noqa: B010 - as above
        setattr(kind, "delete_from_cloudformation_json", classmethod(maker.delete))  # noqa: B010 - as above
        setattr(kind, "get_cfn_attribute", maker.attribute)  # noqa: B010 - as above
        setattr(kind, "has_cfn_attr", classmethod(lambda cls, attr: True))  # noqa: B010 - as above


def backend(account: str, region: str) -> Any:
    """Return moto's ELB of a region."""
    from moto.elbv2.models import elbv2_backends

    return elbv2_backends[account][region]


def attributes_of(properties: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a list of keys and values as data."""
    return {each["Key"]: each["Value"] for each in properties.get(name, [])}


def changed(original: Any, properties: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Return whether one of these properties differs from what the resource was made with."""
    made_with: dict[str, Any] = original.of_template
    return any(made_with.get(name) != properties.get(name) for name in names)


class Balancers:
    """AWS::ElasticLoadBalancingV2::LoadBalancer."""

    @staticmethod
    def create(cls: Any, /, name: str, document: Any, account: str, region: str, **_: Any) -> Any:
        """Create one."""
        properties = plain(document["Properties"])
        made = backend(account, region).create_load_balancer(
            name,
            properties.get("SecurityGroups", []),
            properties.get("Subnets", []),
            subnet_mappings=properties.get("SubnetMappings"),
            scheme=properties.get("Scheme", "internet-facing"),
            loadbalancer_type=properties.get("Type"),
            ip_address_type=properties.get("IpAddressType", "ipv4"),
            tags=properties.get("Tags"),
        )
        made.attrs.update(attributes_of(properties, "LoadBalancerAttributes"))
        made.of_template = properties
        return made

    @staticmethod
    def update(
        cls: Any, /, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        """Change one, or replace it."""
        memory, properties = backend(account_id, region_name), plain(cloudformation_json["Properties"])
        if changed(original_resource, properties, BALANCER_REPLACED):
            memory.delete_load_balancer(original_resource.arn)
            return Balancers.create(cls, new_resource_name, cloudformation_json, account_id, region_name)
        if "SecurityGroups" in properties:
            memory.set_security_groups(original_resource.arn, properties["SecurityGroups"])
        if "Subnets" in properties:
            memory.set_subnets(original_resource.arn, properties["Subnets"], [])
        original_resource.attrs.update(attributes_of(properties, "LoadBalancerAttributes"))
        memory.tagging_service.tag_resource(original_resource.arn, properties.get("Tags"))
        original_resource.of_template = properties
        return original_resource

    @staticmethod
    def delete(cls: Any, /, name: str, document: Any, account: str, region: str) -> None:
        """Delete one."""
        backend(account, region).delete_load_balancer(name)

    @staticmethod
    def attribute(self: Any, name: str) -> Any:
        """Return what Fn::GetAtt gives."""
        return {
            "DNSName": self.dns_name,
            "LoadBalancerName": self.name,
            "LoadBalancerFullName": self.arn.partition(":loadbalancer/")[2],
            "LoadBalancerArn": self.arn,
            "CanonicalHostedZoneID": self.canonical_hosted_zone_id,
            "SecurityGroups": self.security_groups,
        }[name]


class Groups:
    """AWS::ElasticLoadBalancingV2::TargetGroup."""

    @staticmethod
    def create(cls: Any, /, name: str, document: Any, account: str, region: str, **_: Any) -> Any:
        """Create one."""
        memory, properties = backend(account, region), plain(document["Properties"])
        given = {argument: properties[key] for key, argument in GROUP.items() if key in properties}
        given |= {argument: int(properties[key]) for key, argument in GROUP_NUMBERS.items() if key in properties}
        if "HealthCheckEnabled" in properties:
            given["healthcheck_enabled"] = str(properties["HealthCheckEnabled"]).lower()
        made = memory.create_target_group(name, **{"vpc_id": None, "protocol": None, "port": None, **given})
        Groups.finish(memory, made, properties)
        return made

    @staticmethod
    def update(
        cls: Any, /, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        """Change one, or make another; listeners still use the first, which CloudFormation deletes at the end."""
        memory, properties = backend(account_id, region_name), plain(cloudformation_json["Properties"])
        if changed(original_resource, properties, GROUP_REPLACED):
            return Groups.create(cls, new_resource_name, cloudformation_json, account_id, region_name)

        def number(name: str) -> int | None:
            return int(properties[name]) if name in properties else None

        memory.modify_target_group(
            original_resource.arn,
            properties.get("HealthCheckProtocol"),
            properties.get("HealthCheckPort"),
            properties.get("HealthCheckPath"),
            number("HealthCheckIntervalSeconds"),
            number("HealthCheckTimeoutSeconds"),
            number("HealthyThresholdCount"),
            number("UnhealthyThresholdCount"),
            properties.get("Matcher", {}).get("HttpCode"),
            properties.get("HealthCheckEnabled"),
        )
        Groups.finish(memory, original_resource, properties)
        return original_resource

    @staticmethod
    def finish(memory: Any, group: Any, properties: dict[str, Any]) -> None:
        """Give a group what moto takes in calls of their own."""
        memory.modify_target_group_attributes(group.arn, attributes_of(properties, "TargetGroupAttributes"))
        memory.tagging_service.tag_resource(group.arn, properties.get("Tags"))
        group.register(properties.get("Targets", []))
        group.of_template = properties

    @staticmethod
    def delete(cls: Any, /, name: str, document: Any, account: str, region: str) -> None:
        """Delete one."""
        backend(account, region).delete_target_group(name)

    @staticmethod
    def attribute(self: Any, name: str) -> Any:
        """Return what Fn::GetAtt gives."""
        return {
            "TargetGroupArn": self.arn,
            "TargetGroupName": self.name,
            "TargetGroupFullName": self.arn.rpartition(":")[2],
            "LoadBalancerArns": self.load_balancer_arns,
        }[name]


class Listeners:
    """AWS::ElasticLoadBalancingV2::Listener."""

    @staticmethod
    def create(cls: Any, /, name: str, document: Any, account: str, region: str, **_: Any) -> Any:
        """Create one."""
        properties = plain(document["Properties"])
        certificates = properties.get("Certificates") or [{}]
        made = backend(account, region).create_listener(
            properties["LoadBalancerArn"],
            properties.get("Protocol"),
            int(properties["Port"]) if "Port" in properties else None,
            properties.get("SslPolicy"),
            certificates[0].get("CertificateArn"),
            properties["DefaultActions"],
            properties.get("AlpnPolicy"),
            properties.get("Tags"),
        )
        made.of_template = properties
        return made

    @staticmethod
    def update(
        cls: Any, /, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        """Change one, or replace it."""
        memory, properties = backend(account_id, region_name), plain(cloudformation_json["Properties"])
        if changed(original_resource, properties, ("LoadBalancerArn",)):
            Listeners.delete(cls, original_resource.arn, cloudformation_json, account_id, region_name)
            return Listeners.create(cls, new_resource_name, cloudformation_json, account_id, region_name)
        memory.modify_listener(
            original_resource.arn,
            int(properties["Port"]) if "Port" in properties else None,
            properties.get("Protocol"),
            properties.get("SslPolicy"),
            properties.get("Certificates", []),
            properties["DefaultActions"],
        )
        original_resource.of_template = properties
        return original_resource

    @staticmethod
    def delete(cls: Any, /, name: str, document: Any, account: str, region: str) -> None:
        """Delete one, unless it went with its load balancer."""
        for balancer in backend(account, region).load_balancers.values():
            balancer.listeners.pop(name, None)

    @staticmethod
    def attribute(self: Any, name: str) -> Any:
        """Return what Fn::GetAtt gives."""
        return {"ListenerArn": self.arn}[name]


class Rules:
    """AWS::ElasticLoadBalancingV2::ListenerRule."""

    @staticmethod
    def create(cls: Any, /, name: str, document: Any, account: str, region: str, **_: Any) -> Any:
        """Create one."""
        properties = plain(document["Properties"])
        made = backend(account, region).create_rule(
            properties["ListenerArn"],
            properties["Conditions"],
            int(properties["Priority"]),
            properties["Actions"],
            properties.get("Tags"),
        )
        made.of_template = properties
        return made

    @staticmethod
    def update(
        cls: Any, /, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        """Change one, or replace it."""
        memory, properties = backend(account_id, region_name), plain(cloudformation_json["Properties"])
        if changed(original_resource, properties, ("ListenerArn",)):
            Rules.delete(cls, original_resource.arn, cloudformation_json, account_id, region_name)
            return Rules.create(cls, new_resource_name, cloudformation_json, account_id, region_name)
        memory.modify_rule(original_resource.arn, properties["Conditions"], properties["Actions"])
        original_resource.priority = int(properties["Priority"])
        original_resource.of_template = properties
        return original_resource

    @staticmethod
    def delete(cls: Any, /, name: str, document: Any, account: str, region: str) -> None:
        """Delete one, unless it went with its listener."""
        backend(account, region).delete_rule(name)

    @staticmethod
    def attribute(self: Any, name: str) -> Any:
        """Return what Fn::GetAtt gives."""
        return {"RuleArn": self.arn, "IsDefault": False}[name]
