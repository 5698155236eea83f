"""Security groups and their rules."""

from typing import Any, Final

from fargate_local.stacks.kinds import Calls, Kind, Made, Properties
from fargate_local.stacks.matching import PropertyError, as_text, extraneous
from fargate_local.stacks.vpc_kinds import EC2_TAGS, ec2_tags

EVERYWHERE: Final = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
"""The egress rule that EC2 gives a new security group; a template with rules of its own has none but those."""


RULE: Final = ("IpProtocol", "FromPort", "ToPort", "CidrIp", "CidrIpv6", "Description")


INGRESS_PEERS: Final = ("SourceSecurityGroupId", "SourceSecurityGroupName", "SourceSecurityGroupOwnerId",
                        "SourcePrefixListId")  # fmt: skip


EGRESS_PEERS: Final = ("DestinationSecurityGroupId", "DestinationPrefixListId")


CALLS: Final = {
    True: ("authorize_security_group_egress", "revoke_security_group_egress"),
    False: ("authorize_security_group_ingress", "revoke_security_group_ingress"),
}
"""By whether a rule is for what goes out: the calls that add and remove it."""


def permission(rule: Properties, *, out: bool) -> dict[str, Any]:
    """Return a rule of a template as EC2 takes it.

    Raises:
        PropertyError: It has a property that rules in this direction do not have.
    """
    peers = EGRESS_PEERS if out else INGRESS_PEERS
    for name in rule:
        if name not in (*RULE, *peers):
            raise PropertyError(extraneous(name))
    about = {"Description": rule["Description"]} if rule.get("Description") else {}
    wanted: dict[str, Any] = {"IpProtocol": as_text(rule["IpProtocol"])}
    wanted |= {name: int(rule[name]) for name in ("FromPort", "ToPort") if name in rule}
    group = rule.get("DestinationSecurityGroupId") or rule.get("SourceSecurityGroupId")
    prefix_list = rule.get("DestinationPrefixListId") or rule.get("SourcePrefixListId")
    if "CidrIp" in rule:
        wanted["IpRanges"] = [{"CidrIp": rule["CidrIp"], **about}]
    if "CidrIpv6" in rule:
        wanted["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"], **about}]
    if prefix_list:
        wanted["PrefixListIds"] = [{"PrefixListId": prefix_list, **about}]
    if group:
        wanted["UserIdGroupPairs"] = [{"GroupId": group, **about}]
    elif "SourceSecurityGroupName" in rule:
        wanted["UserIdGroupPairs"] = [{"GroupName": rule["SourceSecurityGroupName"], **about}]
    return wanted


def change_rules(calls: Calls, group: str, wanted: Any, known: Any, *, out: bool) -> None:
    """Add and remove rules of a security group until it has those that are wanted, each once."""
    ec2, (add, remove) = calls("ec2"), CALLS[out]
    had, wants = ({rule_key(rule): rule for rule in rules} for rules in (known, wanted))
    if gone := [rule for key, rule in had.items() if wants.get(key) != rule]:
        getattr(ec2, remove)(GroupId=group, IpPermissions=[permission(rule, out=out) for rule in gone])
    if new := [rule for key, rule in wants.items() if had.get(key) != rule]:
        getattr(ec2, add)(GroupId=group, IpPermissions=[permission(rule, out=out) for rule in new])


def rule_key(rule: Properties) -> tuple[tuple[str, str], ...]:
    """Return what makes a rule another one: everything but its description."""
    return tuple(sorted((name, as_text(value)) for name, value in rule.items() if name != "Description"))


def apply_group(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Give a security group the rules of its template, and no others."""
    known = before or {"SecurityGroupEgress": [EVERYWHERE]}
    for name, out in (("SecurityGroupIngress", False), ("SecurityGroupEgress", True)):
        default = [EVERYWHERE] if out else []
        wanted = as_list(properties.get(name)) or default
        change_rules(calls, made.physical_resource_id, wanted, as_list(known.get(name)) or default, out=out)


def as_list(value: Any) -> list[Any]:
    """Return a value that may stand alone as a list."""
    return value if isinstance(value, list) else [value] if value else []


def group_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a security group's properties for CreateSecurityGroup."""
    kept = {k: v for k, v in properties.items() if k not in ("GroupDescription", "Tags")}
    return {"GroupName": name, "Description": properties["GroupDescription"], **kept,
            **ec2_tags("security-group", properties)}  # fmt: skip


class GroupRule:
    """AWS::EC2::SecurityGroupIngress and AWS::EC2::SecurityGroupEgress."""

    tags: Final = ""
    name: Final = ""

    def __init__(self, kind: str, *, out: bool) -> None:
        self.type, self.out = kind, out
        self.attributes: dict[str, str] = {"Id": ""}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Add the rule."""
        answer = getattr(calls("ec2"), CALLS[self.out][0])(**self._about(properties))
        rules = answer.get("SecurityGroupRules") or [{"SecurityGroupRuleId": name}]
        ident = str(rules[0]["SecurityGroupRuleId"])
        return Made(ident, {"Id": ident}, name=name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Put another rule in its place."""
        getattr(calls("ec2"), CALLS[self.out][1])(**self._about(before))
        getattr(calls("ec2"), CALLS[self.out][0])(**self._about(properties))

    def delete(self, calls: Calls, made: Made) -> None:
        """Remove the rule."""
        getattr(calls("ec2"), CALLS[self.out][1])(**self._about(made.of_stack.document["Properties"]))

    def _about(self, properties: Properties) -> dict[str, Any]:
        which = {name: properties[name] for name in ("GroupId", "GroupName") if name in properties}
        rule = {name: value for name, value in properties.items() if name not in which}
        return {**which, "IpPermissions": [permission(rule, out=self.out)]}


GROUPS: Final = (
    Kind(
        "AWS::EC2::SecurityGroup", "ec2", "CreateSecurityGroup", "DeleteSecurityGroup", "GroupId", name="GroupName",
        ident="GroupId", given=group_input, apply=apply_group, tags="list",
        applied=frozenset({"SecurityGroupIngress", "SecurityGroupEgress"}),
        fixed=frozenset({"GroupDescription", "VpcId"}), retags=EC2_TAGS,
        attributes={"GroupId": "GroupId", "Id": "GroupId", "VpcId": "{VpcId}", "GroupName": "{GroupName}"},
    ),
    GroupRule("AWS::EC2::SecurityGroupIngress", out=False),
    GroupRule("AWS::EC2::SecurityGroupEgress", out=True),
)  # fmt: skip
