"""What IAM and KMS tell of who may do what."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from fargate_local.stacks.access_kinds import holders
from fargate_local.stacks.drift.reading import Described, GoneError, Look, Read, asked, own_tags
from fargate_local.stacks.kinds import Properties

OWNERS: Final = {"Role": "Roles", "User": "Users", "Group": "Groups"}
"""Who has policies, and the property of a policy that names them."""


def inline_policies(look: Look, owner: str) -> Iterator[Properties]:
    """Yield the inline policies of a role, user or group without those that are resources of their own."""
    which = {f"{owner}Name": look.ident}
    apart = {
        each["PolicyName"] for each in look.others("AWS::IAM::Policy") if look.ident in each.get(OWNERS[owner], [])
    }
    for name in look.call("iam", f"List{owner}Policies", **which)["PolicyNames"]:
        if name not in apart:
            found = look.call("iam", f"Get{owner}Policy", **which, PolicyName=name)
            yield {"PolicyName": name, "PolicyDocument": found["PolicyDocument"]}


def managed_policies(look: Look, owner: str) -> list[str]:
    """Return the managed policies of a role, user or group without those that say themselves whose they are."""
    which = {f"{owner}Name": look.ident}
    apart = {
        str(each.get("ManagedPolicyName"))
        for each in look.others("AWS::IAM::ManagedPolicy")
        if look.ident in each.get(OWNERS[owner], [])
    }
    found = look.call("iam", f"ListAttached{owner}Policies", **which)["AttachedPolicies"]
    return [each["PolicyArn"] for each in found if each["PolicyName"] not in apart]


def policies(owner: str, look: Look, thing: dict[str, Any]) -> Properties:
    """Return the policies of a role, user or group."""
    return asked(
        look,
        Policies=lambda: list(inline_policies(look, owner)),
        ManagedPolicyArns=lambda: managed_policies(look, owner),
        PermissionsBoundary=lambda: (thing.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
    )


def user(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a user's policies and groups."""

    def groups() -> list[str]:
        found = look.call("iam", "ListGroupsForUser", UserName=look.ident)["Groups"]
        return [each["GroupName"] for each in found]

    return {**policies("User", look, thing), **asked(look, Groups=groups)}


def inline_policy(look: Look) -> Properties:
    """Return an inline policy of several: what it says, and who has it.

    Raises:
        GoneError: Nobody has it.
    """
    name, document = look.wanted["PolicyName"], None
    has: dict[str, list[str]] = {}
    for owner, listed in OWNERS.items():
        for kind, each in holders(look.wanted):
            if kind == owner.lower():
                found = look.maybe("iam", f"Get{owner}Policy", **{f"{owner}Name": each}, PolicyName=name)
                if found:
                    has.setdefault(listed, []).append(each)
                    document = found["PolicyDocument"]
    if document is None:
        raise GoneError
    return {"PolicyName": name, "PolicyDocument": document, **asked_holders(look, has)}


def asked_holders(look: Look, has: dict[str, list[str]]) -> Properties:
    """Return who has a policy, of those that the template names."""
    return {name: has.get(name, []) for name in OWNERS.values() if name in look.wanted}


def managed_policy(look: Look, thing: dict[str, Any]) -> Properties:
    """Return what a managed policy says, and who has it."""
    version = look.call("iam", "GetPolicyVersion", PolicyArn=look.ident, VersionId=thing["DefaultVersionId"])
    listed = look.call("iam", "ListEntitiesForPolicy", PolicyArn=look.ident)
    has = {plural: [each[f"{owner}Name"] for each in listed[f"Policy{plural}"]] for owner, plural in OWNERS.items()}
    wanted = {name: [each for each in has[name] if each in look.wanted.get(name, [])] for name in has}
    return {"PolicyDocument": version["PolicyVersion"]["Document"], **asked_holders(look, wanted)}


def profile(look: Look, thing: dict[str, Any]) -> Properties:
    """Return the roles of an instance profile."""
    return asked(look, Roles=lambda: [each["RoleName"] for each in thing["Roles"]])


def provider(look: Look) -> Properties:
    """Return an OpenID Connect provider."""
    found = look.call("iam", "GetOpenIDConnectProvider", OpenIDConnectProviderArn=look.ident)
    return asked(
        look,
        Url=lambda: f"https://{found['Url'].removeprefix('https://')}",
        ClientIdList=lambda: found["ClientIDList"],
        ThumbprintList=lambda: found["ThumbprintList"],
        Tags=lambda: own_tags(found.get("Tags")),
    )


def key(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a key's policy, rotation and tags."""
    which = {"KeyId": look.ident}
    return asked(
        look,
        KeyPolicy=lambda: look.call("kms", "GetKeyPolicy", **which, PolicyName="default")["Policy"],
        EnableKeyRotation=lambda: look.call("kms", "GetKeyRotationStatus", **which)["KeyRotationEnabled"],
        Tags=lambda: own_tags(look.call("kms", "ListResourceTags", **which)["Tags"]),
    )


ACCESS_READINGS: Final[dict[str, Read]] = {
    "AWS::IAM::Role": Described(
        "iam", "GetRole", "RoleName", "Role", more=partial(policies, "Role"), unread=frozenset({"PermissionsBoundary"})
    ),
    "AWS::IAM::User": Described("iam", "GetUser", "UserName", "User", more=user),
    "AWS::IAM::Group": Described("iam", "GetGroup", "GroupName", "Group", more=partial(policies, "Group")),
    "AWS::IAM::Policy": inline_policy,
    "AWS::IAM::ManagedPolicy": Described(
        "iam",
        "GetPolicy",
        "PolicyArn",
        "Policy",
        renamed={"ManagedPolicyName": "PolicyName"},
        more=managed_policy,
    ),
    "AWS::IAM::InstanceProfile": Described(
        "iam", "GetInstanceProfile", "InstanceProfileName", "InstanceProfile", more=profile
    ),
    "AWS::IAM::OIDCProvider": provider,
    "AWS::KMS::Key": Described(
        "kms",
        "DescribeKey",
        "KeyId",
        "KeyMetadata",
        more=key,
        gone=lambda thing: thing["KeyState"] == "PendingDeletion",
    ),
}
