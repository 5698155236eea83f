"""Resources of networks: endpoints, balancers, names, certificates."""

from typing import Any, Final

from fargate_local.stacks.group_kinds import as_list
from fargate_local.stacks.kinds import Calls, Kind, Made, Properties, tag_map
from fargate_local.stacks.matching import as_text, matched
from fargate_local.stacks.vpc_kinds import EC2_TAGS, tagged


def apply_endpoint(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Add and remove what an endpoint is connected with."""
    if before is None:
        return
    given: dict[str, Any] = {}
    for name in ("RouteTableIds", "SubnetIds", "SecurityGroupIds"):
        wanted, known = set(properties.get(name, [])), set(before.get(name, []))
        given |= {f"Add{name}": sorted(wanted - known)} if wanted - known else {}
        given |= {f"Remove{name}": sorted(known - wanted)} if known - wanted else {}
    if given:
        calls("ec2").modify_vpc_endpoint(VpcEndpointId=made.physical_resource_id, **given)


def apply_balancer(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set a balancer's attributes, groups and subnets."""
    elb, which, known = calls("elbv2"), {"LoadBalancerArn": made.physical_resource_id}, before or {}
    if attributes := properties.get("LoadBalancerAttributes"):
        given = [{"Key": each["Key"], "Value": as_text(each["Value"])} for each in attributes]
        elb.modify_load_balancer_attributes(**which, Attributes=given)
    if before is None:
        return
    if properties.get("SecurityGroups") != known.get("SecurityGroups"):
        elb.set_security_groups(**which, SecurityGroups=properties.get("SecurityGroups", []))
    if properties.get("Subnets") != known.get("Subnets"):
        elb.set_subnets(**which, Subnets=properties.get("Subnets", []))


def apply_target_group(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set a target group's attributes and targets."""
    elb, which, known = calls("elbv2"), {"TargetGroupArn": made.physical_resource_id}, before or {}
    if attributes := properties.get("TargetGroupAttributes"):
        given = [{"Key": each["Key"], "Value": as_text(each["Value"])} for each in attributes]
        elb.modify_target_group_attributes(**which, Attributes=given)
    shape = calls.input("elbv2", "RegisterTargets").members["Targets"]
    wanted = matched(properties.get("Targets", []), shape, "/Targets")
    had = matched(known.get("Targets", []), shape, "/Targets")
    if gone := [each for each in had if each not in wanted]:
        elb.deregister_targets(**which, Targets=gone)
    if new := [each for each in wanted if each not in had]:
        elb.register_targets(**which, Targets=new)


def apply_listener(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set a listener's attributes."""
    if attributes := properties.get("ListenerAttributes"):
        given = [{"Key": each["Key"], "Value": as_text(each["Value"])} for each in attributes]
        calls("elbv2").modify_listener_attributes(ListenerArn=made.physical_resource_id, Attributes=given)


def zone_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a zone's properties for CreateHostedZone: the first of its VPCs, and its name once for all."""
    vpcs = properties.get("VPCs", [])
    config = {**properties.get("HostedZoneConfig", {}), **({"PrivateZone": True} if vpcs else {})}
    return {
        "Name": properties["Name"],
        "CallerReference": name,
        **({"HostedZoneConfig": config} if config else {}),
        **({"VPC": vpcs[0]} if vpcs else {}),
    }


def apply_zone(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Associate a zone's other VPCs, and give it its tags."""
    route53, zone = calls("route53"), made.physical_resource_id
    wanted, known = properties.get("VPCs", []), (before or {}).get("VPCs", properties.get("VPCs", [])[:1])
    for each in wanted:
        if each not in known:
            shape = calls.input("route53", "AssociateVPCWithHostedZone").members["VPC"]
            route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=matched(each, shape, "/VPCs"))
    tags = properties.get("HostedZoneTags", [])
    gone = set(tag_map((before or {}).get("HostedZoneTags"))) - set(tag_map(tags))
    given = {**({"AddTags": tags} if tags else {}), **({"RemoveTagKeys": sorted(gone)} if gone else {})}
    if given:
        route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, **given)


class Record:
    """AWS::Route53::RecordSet."""

    type: Final = "AWS::Route53::RecordSet"
    tags: Final = ""
    name: Final = ""
    attributes: Final[dict[str, str]] = {}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Add the record."""
        self._change(calls, "CREATE", properties)
        return Made(str(properties["Name"]), name=name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Change the record: with another name it is another one."""
        same = all(properties.get(name) == before.get(name) for name in ("Name", "Type", "SetIdentifier"))
        if not same:
            self._change(calls, "DELETE", before)
        self._change(calls, "UPSERT", properties)
        made.physical_resource_id = str(properties["Name"])

    def delete(self, calls: Calls, made: Made) -> None:
        """Remove the record."""
        self._change(calls, "DELETE", made.of_stack.document["Properties"])

    @staticmethod
    def _change(calls: Calls, verb: str, properties: Properties) -> None:
        route53 = calls("route53")
        zone = properties.get("HostedZoneId") or zone_named(route53, properties["HostedZoneName"])
        about = {k: v for k, v in properties.items() if k not in ("HostedZoneId", "HostedZoneName", "Comment")}
        if "ResourceRecords" in about:
            about["ResourceRecords"] = [{"Value": each} for each in as_list(about["ResourceRecords"])]
        if "AliasTarget" in about:
            about["AliasTarget"] = {"EvaluateTargetHealth": False, **about["AliasTarget"]}
        shape = calls.input("route53", "ChangeResourceRecordSets").members["ChangeBatch"]
        batch = {"Changes": [{"Action": verb, "ResourceRecordSet": about}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=matched(batch, shape, ""))


def zone_named(route53: Any, name: str) -> str:
    """Return the id of the zone of a name."""
    found = route53.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
    return str(next((zone["Id"] for zone in found if zone["Name"].rstrip(".") == name.rstrip(".")), name))


def certificate_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a certificate's properties for RequestCertificate; nobody here validates it by DNS."""
    return {k: v for k, v in properties.items() if k != "DomainValidationOptions"}


def apply_certificate(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Give a certificate its tags, and no others."""
    acm, arn = calls("acm"), made.physical_resource_id
    if before is not None:
        if before.get("Tags"):
            acm.remove_tags_from_certificate(CertificateArn=arn, Tags=before["Tags"])
        if properties.get("Tags"):
            acm.add_tags_to_certificate(CertificateArn=arn, Tags=properties["Tags"])


def namespace_made(calls: Calls, answer: Any) -> str:
    """Return the id of the namespace that an operation of Cloud Map makes."""
    operation = calls("servicediscovery").get_operation(OperationId=answer["OperationId"])["Operation"]
    return str(operation["Targets"]["NAMESPACE"])


ELB_TAGS: Final = ("AddTags", "RemoveTags", "ResourceArns[]")

NETWORK: Final = (
    Kind(
        "AWS::EC2::VPCEndpoint", "ec2", "CreateVpcEndpoint", "DeleteVpcEndpoints", "VpcEndpointIds[]",
        ident="VpcEndpoint.VpcEndpointId", given=tagged("vpc-endpoint"), updates="ModifyVpcEndpoint",
        fixed=frozenset({"ServiceName", "VpcId", "VpcEndpointType"}), apply=apply_endpoint, tags="list",
        on_update=frozenset({"RouteTableIds", "SubnetIds", "SecurityGroupIds"}),
        retags=EC2_TAGS, attributes={"Id": "{id}"},
    ),
    Kind(
        "AWS::ElasticLoadBalancingV2::LoadBalancer", "elbv2", "CreateLoadBalancer", "DeleteLoadBalancer",
        "LoadBalancerArn", name="Name", ident="LoadBalancers.0.LoadBalancerArn",
        apply=apply_balancer, applied=frozenset({"LoadBalancerAttributes"}),
        on_update=frozenset({"SecurityGroups", "Subnets"}), tags="list", retags=ELB_TAGS,
        attributes={
            "DNSName": "LoadBalancers.0.DNSName", "LoadBalancerArn": "{id}",
            "CanonicalHostedZoneID": "LoadBalancers.0.CanonicalHostedZoneId",
            "LoadBalancerName": "LoadBalancers.0.LoadBalancerName",
        },
    ),
    Kind(
        "AWS::ElasticLoadBalancingV2::TargetGroup", "elbv2", "CreateTargetGroup", "DeleteTargetGroup",
        "TargetGroupArn", name="Name", ident="TargetGroups.0.TargetGroupArn",
        updates="ModifyTargetGroup", apply=apply_target_group,
        applied=frozenset({"TargetGroupAttributes", "Targets"}), tags="list", retags=ELB_TAGS,
        attributes={"TargetGroupArn": "{id}", "TargetGroupName": "TargetGroups.0.TargetGroupName",
                    "TargetGroupFullName": "TargetGroups.0.TargetGroupName"},
    ),
    Kind(
        "AWS::ElasticLoadBalancingV2::Listener", "elbv2", "CreateListener", "DeleteListener", "ListenerArn",
        ident="Listeners.0.ListenerArn", updates="ModifyListener", fixed=frozenset({"LoadBalancerArn"}),
        apply=apply_listener, applied=frozenset({"ListenerAttributes"}), attributes={"ListenerArn": "{id}"},
    ),
    Kind(
        "AWS::ElasticLoadBalancingV2::ListenerRule", "elbv2", "CreateRule", "DeleteRule", "RuleArn",
        ident="Rules.0.RuleArn", updates="ModifyRule", fixed=frozenset({"ListenerArn"}),
        attributes={"RuleArn": "{id}"},
    ),
    Kind(
        "AWS::Route53::HostedZone", "route53", "CreateHostedZone", "DeleteHostedZone", "Id",
        found=lambda _, answer: str(answer["HostedZone"]["Id"]).rpartition("/")[2], given=zone_input,
        apply=apply_zone, applied=frozenset({"HostedZoneTags"}), on_update=frozenset({"VPCs"}),
        fixed=frozenset({"Name"}), attributes={"Id": "{id}"},
    ),
    Record(),
    Kind(
        "AWS::CertificateManager::Certificate", "acm", "RequestCertificate", "DeleteCertificate", "CertificateArn",
        ident="CertificateArn", given=certificate_input, apply=apply_certificate,
        on_update=frozenset({"Tags"}), tags="list",
    ),
    *(
        Kind(
            f"AWS::ServiceDiscovery::{kind}", "servicediscovery", f"Create{kind}",
            "DeleteNamespace", "Id", name="Name", found=namespace_made, tags="list",
            retags=("TagResource", "UntagResource", "ResourceARN"), tagged_by="Arn",
            attributes={"Id": "{id}", "Arn": "arn:aws:servicediscovery:{region}:{account}:namespace/{id}"},
        )
        for kind in ("PrivateDnsNamespace", "PublicDnsNamespace", "HttpNamespace")
    ),
    Kind(
        "AWS::ServiceDiscovery::Service", "servicediscovery", "CreateService", "DeleteService", "Id", name="Name",
        ident="Service.Id", tags="list",
        retags=("TagResource", "UntagResource", "ResourceARN"), tagged_by="Arn",
        attributes={"Id": "{id}", "Arn": "Service.Arn", "Name": "Service.Name"},
    ),
    Kind(
        "AWS::ServiceDiscovery::Instance", "servicediscovery", "RegisterInstance", "DeregisterInstance", "InstanceId",
        name="InstanceId", renamed={"InstanceAttributes": "Attributes"}, updates="RegisterInstance",
        fixed=frozenset({"ServiceId"}), deleted_with=lambda properties: {"ServiceId": properties["ServiceId"]},
    ),
)  # fmt: skip
