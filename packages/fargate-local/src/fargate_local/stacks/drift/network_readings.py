"""What EC2, Elastic Load Balancing and Route 53 tell of networks and what is in them."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from fargate_local.stacks.drift.differences import differences
from fargate_local.stacks.drift.reading import Described, GoneError, Look, Read, asked, own_tags
from fargate_local.stacks.group_kinds import as_list, rule_key
from fargate_local.stacks.kinds import Properties
from fargate_local.stacks.network_kinds import zone_named
from fargate_local.stacks.vpc_kinds import DESTINATIONS


def vpc_names(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a VPC's attributes of DNS."""

    def read(name: str) -> Any:
        attribute = name[0].lower() + name[1:]
        return look.call("ec2", "DescribeVpcAttribute", VpcId=look.ident, Attribute=attribute)[name]["Value"]

    names = ("EnableDnsSupport", "EnableDnsHostnames")
    return asked(look, **{name: partial(read, name) for name in names})


def association(look: Look) -> Properties:
    """Return which subnet has which table.

    Raises:
        GoneError: It has another one, or none.
    """
    which = [{"Name": "association.route-table-association-id", "Values": [look.ident]}]
    for table in look.call("ec2", "DescribeRouteTables", Filters=which)["RouteTables"]:
        for each in table["Associations"]:
            if each["RouteTableAssociationId"] == look.ident:
                return {"RouteTableId": table["RouteTableId"], "SubnetId": each.get("SubnetId")}
    raise GoneError


def attachment(look: Look) -> Properties:
    """Return to which VPC a gateway is attached.

    Raises:
        GoneError: To none.
    """
    gateway = look.wanted.get("InternetGatewayId")
    if not gateway:
        return {}
    (found,) = look.call("ec2", "DescribeInternetGateways", InternetGatewayIds=[gateway])["InternetGateways"]
    if not found["Attachments"]:
        raise GoneError
    return {"VpcId": found["Attachments"][0]["VpcId"]}


def route(look: Look) -> Properties:
    """Return where a route leads.

    Raises:
        GoneError: There is none to that place.
    """
    table = look.wanted["RouteTableId"]
    (found,) = look.call("ec2", "DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    for each in found["Routes"]:
        if any(each.get(name) == look.wanted[name] for name in DESTINATIONS if name in look.wanted):
            return {"RouteTableId": table, **{name: each.get(name) for name in look.wanted if name != "RouteTableId"}}
    raise GoneError


def rules(permissions: list[dict[str, Any]], *, out: bool) -> Iterator[Properties]:
    """Yield the rules of a security group as templates have them."""
    peer = "Destination" if out else "Source"
    forms = (
        ("IpRanges", "CidrIp", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId", f"{peer}PrefixListId"),
        ("UserIdGroupPairs", "GroupId", f"{peer}SecurityGroupId"),
    )
    for permission in permissions:
        about = {name: permission[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in permission}
        for listed, api, name in forms:
            for each in permission.get(listed, []):
                said = {"Description": each["Description"]} if each.get("Description") else {}
                yield {**about, name: each[api], **said}


def group_rules(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a security group's rules without those that are resources of their own."""
    found: Properties = {}
    for name, listed, out in (
        ("SecurityGroupIngress", "IpPermissions", False),
        ("SecurityGroupEgress", "IpPermissionsEgress", True),
    ):
        if name in look.wanted:
            apart = [each for each in look.others(f"AWS::EC2::{name}") if each.get("GroupId") == look.ident]
            told = [rule for rule in rules(thing[listed], out=out) if not any(covers(each, rule) for each in apart)]
            found[name] = [with_description(rule, look.wanted[name]) for rule in told]
            found[name] += written_twice(as_list(look.wanted[name]), found[name])
    return found


def written_twice(wanted: list[Properties], told: list[Properties]) -> list[Properties]:
    """Return rules of a template that differ from a later one only in what they say: EC2 has one of them."""
    last = {rule_key(each): each for each in wanted}
    present = {rule_key(each) for each in told}
    return [each for each in wanted if each is not last[rule_key(each)] and rule_key(each) in present]


def with_description(rule: Properties, wanted: Any) -> Properties:
    """Return a rule for a prefix list with the description of the template, which moto 5.2 does not keep."""
    for name in ("SourcePrefixListId", "DestinationPrefixListId"):
        for each in as_list(wanted) if name in rule else ():
            if each.get(name) == rule[name] and "Description" in each:
                return {**rule, "Description": each["Description"]}
    return rule


def covers(wanted: Properties, rule: Properties) -> bool:
    """Return whether a rule is one that a resource of its own wants."""
    expected = {name: value for name, value in wanted.items() if name not in ("GroupId", "GroupName")}
    return not any(differences(expected, rule, "", whole=False))


def one_rule(look: Look, *, out: bool) -> Properties:
    """Return a rule of a security group.

    Raises:
        GoneError: The group has none like it.
    """
    group = look.wanted.get("GroupId")
    if not group:
        return {}
    (found,) = look.call("ec2", "DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"]
    for rule in rules(found["IpPermissionsEgress" if out else "IpPermissions"], out=out):
        if covers(look.wanted, rule):
            return {"GroupId": group, **rule}
    raise GoneError


def nat_address(look: Look, thing: dict[str, Any]) -> Properties:
    """Return the address that a NAT gateway has."""
    addresses = thing.get("NatGatewayAddresses") or [{}]
    return asked(look, AllocationId=lambda: addresses[0].get("AllocationId"))


def endpoint_groups(look: Look, thing: dict[str, Any]) -> Properties:
    """Return the security groups of an endpoint."""
    return asked(look, SecurityGroupIds=lambda: [each["GroupId"] for each in thing.get("Groups", [])])


def elb_tags(look: Look) -> list[dict[str, str]]:
    """Return the tags of a load balancer or target group."""
    (found,) = look.call("elbv2", "DescribeTags", ResourceArns=[look.ident])["TagDescriptions"]
    return own_tags(found["Tags"])


def attributes(look: Look, name: str, operation: str, by: str) -> list[dict[str, str]]:
    """Return those attributes of Elastic Load Balancing that the template sets."""
    wanted = {each["Key"] for each in look.wanted[name]}
    told = look.call("elbv2", operation, **{by: look.ident})["Attributes"]
    return [each for each in told if each["Key"] in wanted]


def balancer(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a load balancer's subnets, attributes and tags."""
    of = "DescribeLoadBalancerAttributes"
    return asked(
        look,
        Subnets=lambda: [each["SubnetId"] for each in thing["AvailabilityZones"]],
        LoadBalancerAttributes=lambda: attributes(look, "LoadBalancerAttributes", of, "LoadBalancerArn"),
        Tags=lambda: elb_tags(look),
    )


def target_group(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a target group's attributes and tags."""
    of = "DescribeTargetGroupAttributes"
    return asked(
        look,
        TargetGroupAttributes=lambda: attributes(look, "TargetGroupAttributes", of, "TargetGroupArn"),
        Tags=lambda: elb_tags(look),
    )


def zone(look: Look) -> Properties:
    """Return a hosted zone, with its VPCs and tags."""
    found = look.call("route53", "GetHostedZone", Id=look.ident)
    about = found["HostedZone"]

    def tags() -> Any:
        named = {"ResourceType": "hostedzone", "ResourceId": look.ident}
        return own_tags(look.call("route53", "ListTagsForResource", **named)["ResourceTagSet"]["Tags"])

    return asked(
        look,
        Name=lambda: spelled(look.wanted["Name"], about["Name"]),
        HostedZoneConfig=lambda: about.get("Config"),
        VPCs=lambda: found.get("VPCs", []),
        HostedZoneTags=tags,
    )


def spelled(wanted: str, name: str) -> str:
    """Return a name of DNS with a dot at its end only where the template writes one."""
    return name if wanted.endswith(".") else name.rstrip(".")


def record(look: Look) -> Properties:
    """Return a record of a hosted zone.

    Raises:
        GoneError: It has none of this name and type.
    """
    wanted = look.wanted
    zone_id = wanted.get("HostedZoneId") or zone_named(look.calls("route53"), wanted["HostedZoneName"])
    from_here = {"StartRecordName": wanted["Name"], "StartRecordType": wanted["Type"]}
    found = look.call("route53", "ListResourceRecordSets", HostedZoneId=zone_id, **from_here)["ResourceRecordSets"]
    for each in found:
        same = each["Name"].rstrip(".") == str(wanted["Name"]).rstrip(".")
        if same and (each["Type"], each.get("SetIdentifier")) == (wanted["Type"], wanted.get("SetIdentifier")):
            values = [value["Value"] for value in each.get("ResourceRecords", [])]
            return {"TTL": each.get("TTL"), "ResourceRecords": values, "AliasTarget": each.get("AliasTarget")}
    raise GoneError


NETWORK_READINGS: Final[dict[str, Read]] = {
    "AWS::EC2::VPC": Described("ec2", "DescribeVpcs", "VpcIds[]", "Vpcs.0", more=vpc_names),
    "AWS::EC2::Subnet": Described("ec2", "DescribeSubnets", "SubnetIds[]", "Subnets.0"),
    "AWS::EC2::RouteTable": Described("ec2", "DescribeRouteTables", "RouteTableIds[]", "RouteTables.0"),
    "AWS::EC2::InternetGateway": Described(
        "ec2", "DescribeInternetGateways", "InternetGatewayIds[]", "InternetGateways.0"
    ),
    "AWS::EC2::NatGateway": Described(
        "ec2",
        "DescribeNatGateways",
        "NatGatewayIds[]",
        "NatGateways.0",
        more=nat_address,
        gone=lambda thing: thing["State"] in ("deleting", "deleted"),
    ),
    "AWS::EC2::EIP": Described("ec2", "DescribeAddresses", "PublicIps[]", "Addresses.0"),
    "AWS::EC2::SubnetRouteTableAssociation": association,
    "AWS::EC2::VPCGatewayAttachment": attachment,
    "AWS::EC2::Route": route,
    "AWS::EC2::SecurityGroup": Described(
        "ec2",
        "DescribeSecurityGroups",
        "GroupIds[]",
        "SecurityGroups.0",
        renamed={"GroupDescription": "Description"},
        more=group_rules,
    ),
    "AWS::EC2::SecurityGroupIngress": partial(one_rule, out=False),
    "AWS::EC2::SecurityGroupEgress": partial(one_rule, out=True),
    "AWS::EC2::VPCEndpoint": Described(
        "ec2",
        "DescribeVpcEndpoints",
        "VpcEndpointIds[]",
        "VpcEndpoints.0",
        more=endpoint_groups,
        gone=lambda thing: str(thing["State"]).lower() in ("deleting", "deleted"),
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Described(
        "elbv2",
        "DescribeLoadBalancers",
        "LoadBalancerArns[]",
        "LoadBalancers.0",
        renamed={"Name": "LoadBalancerName"},
        more=balancer,
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Described(
        "elbv2",
        "DescribeTargetGroups",
        "TargetGroupArns[]",
        "TargetGroups.0",
        renamed={"Name": "TargetGroupName"},
        more=target_group,
    ),
    "AWS::ElasticLoadBalancingV2::Listener": Described("elbv2", "DescribeListeners", "ListenerArns[]", "Listeners.0"),
    "AWS::ElasticLoadBalancingV2::ListenerRule": Described("elbv2", "DescribeRules", "RuleArns[]", "Rules.0"),
    "AWS::Route53::HostedZone": zone,
    "AWS::Route53::RecordSet": record,
}
