"""Resources of a VPC: its subnets, tables, routes and gateways."""

from collections.abc import Callable
from typing import Any, Final

from fargate_local.stacks.kinds import Calls, Kind, Made, MustReplaceError, Properties
from fargate_local.stacks.matching import parameters

DESTINATIONS: Final = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
EC2_TAGS: Final = ("CreateTags", "DeleteTags", "Resources[]")


def tagged(kind: str) -> Callable[[Calls, str, Properties], Properties]:
    """Return what gives properties the form in which EC2's calls take tags for a new thing of a kind."""

    def given(calls: Calls, name: str, properties: Properties) -> Properties:
        rest = {key: value for key, value in properties.items() if key != "Tags"}
        return {**rest, **ec2_tags(kind, properties)}

    return given


def ec2_tags(kind: str, properties: Properties) -> Properties:
    """Return tags as the calls of EC2 that make something take them."""
    tags = properties.get("Tags")
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}


def truth(value: Any) -> bool:
    """Return a truth that a template may write as text."""
    return str(value).lower() == "true"


def apply_vpc(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set a VPC's attributes of DNS, and find out what came with it."""
    ec2, which = calls("ec2"), {"VpcId": made.physical_resource_id}
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        if properties.get(name) != (before or {}).get(name):
            default = name == "EnableDnsSupport"
            ec2.modify_vpc_attribute(**which, **{name: {"Value": truth(properties.get(name, default))}})
    of_vpc = {"Filters": [{"Name": "vpc-id", "Values": [made.physical_resource_id]}]}
    groups = ec2.describe_security_groups(**of_vpc)["SecurityGroups"]
    made.attributes["DefaultSecurityGroup"] = next(
        (str(each["GroupId"]) for each in groups if each["GroupName"] == "default"), ""
    )
    lists = ec2.describe_network_acls(**of_vpc)["NetworkAcls"]
    made.attributes["DefaultNetworkAcl"] = next((str(each["NetworkAclId"]) for each in lists if each["IsDefault"]), "")


def apply_subnet(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set whether what starts in a subnet gets a public address."""
    value = properties.get("MapPublicIpOnLaunch")
    if value != (before or {}).get("MapPublicIpOnLaunch"):
        calls("ec2").modify_subnet_attribute(
            SubnetId=made.physical_resource_id, MapPublicIpOnLaunch={"Value": truth(value)}
        )


def release(calls: Calls, made: Made) -> None:
    """Give an address back."""
    calls("ec2").release_address(AllocationId=made.attributes["AllocationId"])


class Attachment:
    """AWS::EC2::VPCGatewayAttachment."""

    type: Final = "AWS::EC2::VPCGatewayAttachment"
    tags: Final = ""
    name: Final = ""
    attributes: Final[dict[str, str]] = {}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Attach the gateway."""
        ec2, vpc = calls("ec2"), properties["VpcId"]
        if "InternetGatewayId" in properties:
            ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=properties["InternetGatewayId"])
            return Made(f"IGW|{vpc}", name=name)
        ec2.attach_vpn_gateway(VpcId=vpc, VpnGatewayId=properties["VpnGatewayId"])
        return Made(f"VGW|{vpc}", name=name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Change nothing.

        Raises:
            MustReplaceError: Always.
        """
        raise MustReplaceError

    def delete(self, calls: Calls, made: Made) -> None:
        """Detach the gateway."""
        properties, ec2 = made.of_stack.document["Properties"], calls("ec2")
        if "InternetGatewayId" in properties:
            ec2.detach_internet_gateway(**{key: properties[key] for key in ("VpcId", "InternetGatewayId")})
        else:
            ec2.detach_vpn_gateway(**{key: properties[key] for key in ("VpcId", "VpnGatewayId")})


class Route:
    """AWS::EC2::Route."""

    type: Final = "AWS::EC2::Route"
    tags: Final = ""
    name: Final = ""
    attributes: Final = {"CidrBlock": ""}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Add the route."""
        calls("ec2").create_route(**parameters(properties, calls.input("ec2", "CreateRoute"), {}))
        destination = next((str(properties[each]) for each in DESTINATIONS if each in properties), "")
        return Made(f"{properties['RouteTableId']}|{destination}", {"CidrBlock": destination}, name=name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Let the route lead elsewhere.

        Raises:
            MustReplaceError: It is a route of another table, or to another place.
        """
        if any(properties.get(name) != before.get(name) for name in ("RouteTableId", *DESTINATIONS)):
            raise MustReplaceError
        calls("ec2").replace_route(**parameters(properties, calls.input("ec2", "ReplaceRoute"), {}))

    def delete(self, calls: Calls, made: Made) -> None:
        """Remove the route."""
        properties = made.of_stack.document["Properties"]
        which = {name: properties[name] for name in ("RouteTableId", *DESTINATIONS) if name in properties}
        calls("ec2").delete_route(**which)


VPC: Final = (
    Kind(
        "AWS::EC2::VPC", "ec2", "CreateVpc", "DeleteVpc", "VpcId", ident="Vpc.VpcId", given=tagged("vpc"),
        apply=apply_vpc, applied=frozenset({"EnableDnsSupport", "EnableDnsHostnames"}), tags="list", retags=EC2_TAGS,
        attributes={"VpcId": "{id}", "CidrBlock": "Vpc.CidrBlock", "DefaultSecurityGroup": "{id}",
                    "DefaultNetworkAcl": "{id}"},
    ),
    Kind(
        "AWS::EC2::Subnet", "ec2", "CreateSubnet", "DeleteSubnet", "SubnetId", ident="Subnet.SubnetId",
        given=tagged("subnet"), apply=apply_subnet, applied=frozenset({"MapPublicIpOnLaunch"}), tags="list",
        retags=EC2_TAGS,
        attributes={"SubnetId": "{id}", "VpcId": "Subnet.VpcId", "AvailabilityZone": "Subnet.AvailabilityZone",
                    "CidrBlock": "Subnet.CidrBlock"},
    ),
    Kind(
        "AWS::EC2::RouteTable", "ec2", "CreateRouteTable", "DeleteRouteTable", "RouteTableId",
        ident="RouteTable.RouteTableId", given=tagged("route-table"), tags="list", retags=EC2_TAGS,
        attributes={"RouteTableId": "{id}"},
    ),
    Kind(
        "AWS::EC2::SubnetRouteTableAssociation", "ec2", "AssociateRouteTable", "DisassociateRouteTable",
        "AssociationId", ident="AssociationId", attributes={"Id": "{id}"},
    ),
    Kind(
        "AWS::EC2::InternetGateway", "ec2", "CreateInternetGateway", "DeleteInternetGateway", "InternetGatewayId",
        ident="InternetGateway.InternetGatewayId", given=tagged("internet-gateway"), tags="list", retags=EC2_TAGS,
        attributes={"InternetGatewayId": "{id}"},
    ),
    Kind(
        "AWS::EC2::NatGateway", "ec2", "CreateNatGateway", "DeleteNatGateway", "NatGatewayId",
        ident="NatGateway.NatGatewayId", given=tagged("natgateway"), tags="list", retags=EC2_TAGS,
        attributes={"NatGatewayId": "{id}"},
    ),
    Kind(
        "AWS::EC2::EIP", "ec2", "AllocateAddress", "", "", ident="PublicIp", given=tagged("elastic-ip"), tags="list",
        before_delete=release, retags=EC2_TAGS, tagged_by="AllocationId",
        attributes={"AllocationId": "AllocationId", "PublicIp": "{id}"},
    ),
    Attachment(),
    Route(),
)  # fmt: skip
