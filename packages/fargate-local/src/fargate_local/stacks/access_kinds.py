"""Resources of IAM: roles, policies, users, groups, providers."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from fargate_local.stacks.kinds import Calls, Kind, Made, Properties
from fargate_local.stacks.matching import PropertyError, as_text, extraneous

OWNERS: Final = {
    "role": ("RoleName", "put_role_policy", "delete_role_policy", "attach_role_policy", "detach_role_policy"),
    "user": ("UserName", "put_user_policy", "delete_user_policy", "attach_user_policy", "detach_user_policy"),
    "group": ("GroupName", "put_group_policy", "delete_group_policy", "attach_group_policy", "detach_group_policy"),
}
"""Who has policies: the parameter that names one, and the calls that give and take inline and managed policies."""


def give_policies(calls: Calls, owner: str, name: str, properties: Properties, before: Properties) -> None:
    """Let a role, user or group have the inline and managed policies of its properties, and no others of before.

    Those of before may be gone already: somebody took them, or a change that failed never gave them.
    """
    iam, (by, put, delete, attach, detach) = calls("iam"), OWNERS[owner]
    wanted = {each["PolicyName"]: each["PolicyDocument"] for each in properties.get("Policies", [])}
    known = {each["PolicyName"]: each["PolicyDocument"] for each in before.get("Policies", [])}
    for gone in set(known) - set(wanted):
        with suppress(iam.exceptions.NoSuchEntityException):
            getattr(iam, delete)(**{by: name}, PolicyName=gone)
    for policy, document in wanted.items():
        if document != known.get(policy):
            getattr(iam, put)(**{by: name}, PolicyName=policy, PolicyDocument=as_text(document))
    managed, had = properties.get("ManagedPolicyArns", []), before.get("ManagedPolicyArns", [])
    for arn in had:
        if arn not in managed:
            with suppress(iam.exceptions.NoSuchEntityException):
                getattr(iam, detach)(**{by: name}, PolicyArn=arn)
    for arn in managed:
        if arn not in had:
            getattr(iam, attach)(**{by: name}, PolicyArn=arn)


def apply_role(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set a role's policies, and what an update changes of its trust, description and boundary."""
    iam, name = calls("iam"), made.physical_resource_id
    if before is not None:
        if (trust := properties["AssumeRolePolicyDocument"]) != before["AssumeRolePolicyDocument"]:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=as_text(trust))
        about = {key: properties[key] for key in ("Description",) if key in properties}
        longest = properties.get("MaxSessionDuration")
        iam.update_role(RoleName=name, **about, **({"MaxSessionDuration": int(longest)} if longest else {}))
        boundary = properties.get("PermissionsBoundary")
        if boundary and boundary != before.get("PermissionsBoundary"):
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
        elif before.get("PermissionsBoundary") and not boundary:
            iam.delete_role_permissions_boundary(RoleName=name)
    give_policies(calls, "role", name, properties, before or {})


def bare_role(calls: Calls, made: Made) -> None:
    """Take a role's policies away, before it can go."""
    bare(calls, "role", made)


def bare(calls: Calls, owner: str, made: Made) -> None:
    """Take the policies of a role, user or group away: those of its template, and others that were given to it."""
    iam, (by, _, delete, _, detach) = calls("iam"), OWNERS[owner]
    which = {by: made.physical_resource_id}
    for name in getattr(iam, f"list_{owner}_policies")(**which)["PolicyNames"]:
        getattr(iam, delete)(**which, PolicyName=name)
    for policy in getattr(iam, f"list_attached_{owner}_policies")(**which)["AttachedPolicies"]:
        getattr(iam, detach)(**which, PolicyArn=policy["PolicyArn"])


class InlinePolicy:
    """AWS::IAM::Policy: one inline policy of several roles, users and groups."""

    type: Final = "AWS::IAM::Policy"
    tags: Final = ""
    name: Final = "PolicyName"
    attributes: Final[dict[str, str]] = {}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Give it to each.

        Raises:
            PropertyError: It is for nobody, or a property is not made here.
        """
        extra = sorted(set(properties) - {"PolicyName", "PolicyDocument", "Roles", "Users", "Groups"})
        if extra:
            raise PropertyError(extraneous(extra[0]))
        if not any(each for _, each in holders(properties)):
            message = "At least one of [Groups,Roles,Users] must be non-empty."
            raise PropertyError(message)
        for owner, each in holders(properties):
            by, put, *_ = OWNERS[owner]
            getattr(calls("iam"), put)(
                **{by: each}, PolicyName=properties["PolicyName"], PolicyDocument=as_text(properties["PolicyDocument"])
            )
        return Made(name, name=name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Give it to those who have it now, and take it from the others."""
        renamed = properties["PolicyName"] != before["PolicyName"]
        for owner, each in holders(before):
            if renamed or (owner, each) not in list(holders(properties)):
                self._take(calls, owner, each, before["PolicyName"])
        self.create(calls, made.name, properties)

    def delete(self, calls: Calls, made: Made) -> None:
        """Take it from each."""
        properties = made.of_stack.document["Properties"]
        for owner, each in holders(properties):
            self._take(calls, owner, each, properties["PolicyName"])

    @staticmethod
    def _take(calls: Calls, owner: str, name: str, policy: str) -> None:
        by, _, delete, *_ = OWNERS[owner]
        iam = calls("iam")
        with suppress(iam.exceptions.NoSuchEntityException):
            getattr(iam, delete)(**{by: name}, PolicyName=policy)


def holders(properties: Properties) -> Iterable[tuple[str, str]]:
    """Yield (role, user or group; its name) of a policy's properties."""
    for owner, name in (("role", "Roles"), ("user", "Users"), ("group", "Groups")):
        for each in properties.get(name, []):
            yield owner, each


def managed_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a managed policy's properties for CreatePolicy."""
    renamed = {"ManagedPolicyName": "PolicyName"}
    kept = {renamed.get(k, k): v for k, v in properties.items() if k not in ("Roles", "Users", "Groups")}
    return {"PolicyName": name, **kept}


def apply_managed(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Attach a managed policy to whom its template names, and let it say what the template says."""
    iam, arn, known = calls("iam"), made.physical_resource_id, before or {}
    had = list(holders(known))
    for owner, each in had:
        if (owner, each) not in list(holders(properties)):
            getattr(iam, OWNERS[owner][4])(**{OWNERS[owner][0]: each}, PolicyArn=arn)
    for owner, each in holders(properties):
        if (owner, each) not in had:
            getattr(iam, OWNERS[owner][3])(**{OWNERS[owner][0]: each}, PolicyArn=arn)
    if before is not None and properties["PolicyDocument"] != before["PolicyDocument"]:
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        for version in versions[:-1] if len(versions) > 1 else ():
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        document = as_text(properties["PolicyDocument"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)


def loosen(calls: Calls, made: Made) -> None:
    """Take a managed policy from those who have it, and its earlier versions away, before it can go."""
    iam, arn = calls("iam"), made.physical_resource_id
    found = iam.list_entities_for_policy(PolicyArn=arn)
    for owner, listed in (("role", "PolicyRoles"), ("user", "PolicyUsers"), ("group", "PolicyGroups")):
        by = OWNERS[owner][0]
        for each in found[listed]:
            getattr(iam, OWNERS[owner][4])(**{by: each[by]}, PolicyArn=arn)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


def apply_profile(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Put a role into an instance profile."""
    iam, name, known = calls("iam"), made.physical_resource_id, (before or {}).get("Roles", [])
    for role in known:
        if role not in properties["Roles"]:
            iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role)
    for role in properties["Roles"]:
        if role not in known:
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)


def empty_profile(calls: Calls, made: Made) -> None:
    """Take the roles out of an instance profile, before it can go."""
    iam, name = calls("iam"), made.physical_resource_id
    for role in iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])


def apply_user(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Give a user its policies and groups."""
    iam, name, known = calls("iam"), made.physical_resource_id, before or {}
    give_policies(calls, "user", name, properties, known)
    for group in known.get("Groups", []):
        if group not in properties.get("Groups", []):
            iam.remove_user_from_group(GroupName=group, UserName=name)
    for group in properties.get("Groups", []):
        if group not in known.get("Groups", []):
            iam.add_user_to_group(GroupName=group, UserName=name)


def bare_user(calls: Calls, made: Made) -> None:
    """Take a user's policies and groups away, before it can go."""
    iam, name = calls("iam"), made.physical_resource_id
    bare(calls, "user", made)
    for group in iam.list_groups_for_user(UserName=name)["Groups"]:
        iam.remove_user_from_group(GroupName=group["GroupName"], UserName=name)


def apply_group(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Give a group its policies."""
    give_policies(calls, "group", made.physical_resource_id, properties, before or {})


def bare_group(calls: Calls, made: Made) -> None:
    """Take a group's policies away, before it can go."""
    bare(calls, "group", made)


def apply_provider(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Change an OpenID Connect provider's clients and thumbprints."""
    if before is None:
        return
    iam, which = calls("iam"), {"OpenIDConnectProviderArn": made.physical_resource_id}
    known, wanted = before.get("ClientIdList", []), properties.get("ClientIdList", [])
    for client in known:
        if client not in wanted:
            iam.remove_client_id_from_open_id_connect_provider(**which, ClientID=client)
    for client in wanted:
        if client not in known:
            iam.add_client_id_to_open_id_connect_provider(**which, ClientID=client)
    if properties.get("ThumbprintList", []) != before.get("ThumbprintList", []):
        prints = properties.get("ThumbprintList", [])
        iam.update_open_id_connect_provider_thumbprint(**which, ThumbprintList=prints)


def provider_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a provider's properties for CreateOpenIDConnectProvider: AWS finds out the thumbprint that is missing."""
    return {"ThumbprintList": ["0" * 40], **properties}


POLICIES: Final = frozenset({"Policies", "ManagedPolicyArns"})
MEMBERS: Final = frozenset({"Roles", "Users", "Groups"})

ACCESS: Final = (
    Kind(
        "AWS::IAM::Role", "iam", "CreateRole", "DeleteRole", "RoleName", name="RoleName", apply=apply_role,
        applied=POLICIES, on_update=frozenset(
            {"AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "PermissionsBoundary"}),
        before_delete=bare_role, tags="list", retags=("TagRole", "UntagRole", "RoleName"),
        attributes={"Arn": "Role.Arn", "RoleId": "Role.RoleId"},
    ),
    InlinePolicy(),
    Kind(
        "AWS::IAM::ManagedPolicy", "iam", "CreatePolicy", "DeletePolicy", "PolicyArn", name="ManagedPolicyName",
        ident="Policy.Arn", given=managed_input, apply=apply_managed, applied=MEMBERS,
        on_update=frozenset({"PolicyDocument"}), before_delete=loosen,
        attributes={"PolicyArn": "{id}", "PolicyId": "Policy.PolicyId"},
    ),
    Kind(
        "AWS::IAM::InstanceProfile", "iam", "CreateInstanceProfile", "DeleteInstanceProfile", "InstanceProfileName",
        name="InstanceProfileName", apply=apply_profile, applied=frozenset({"Roles"}), before_delete=empty_profile,
        attributes={"Arn": "InstanceProfile.Arn"},
    ),
    Kind(
        "AWS::IAM::User", "iam", "CreateUser", "DeleteUser", "UserName", name="UserName", apply=apply_user,
        applied=POLICIES | {"Groups"}, before_delete=bare_user, tags="list",
        retags=("TagUser", "UntagUser", "UserName"), attributes={"Arn": "User.Arn"},
    ),
    Kind(
        "AWS::IAM::Group", "iam", "CreateGroup", "DeleteGroup", "GroupName", name="GroupName", apply=apply_group,
        applied=POLICIES, before_delete=bare_group, attributes={"Arn": "Group.Arn"},
    ),
    Kind(
        "AWS::IAM::ServiceLinkedRole", "iam", "CreateServiceLinkedRole", "DeleteServiceLinkedRole", "RoleName",
        ident="Role.RoleName", attributes={"RoleName": "Role.RoleName"},
    ),
    Kind(
        "AWS::IAM::OIDCProvider", "iam", "CreateOpenIDConnectProvider", "DeleteOpenIDConnectProvider",
        "OpenIDConnectProviderArn", ident="OpenIDConnectProviderArn", given=provider_input, apply=apply_provider,
        on_update=frozenset({"ClientIdList", "ThumbprintList"}), tags="list", attributes={"Arn": "{id}"},
        retags=("TagOpenIDConnectProvider", "UntagOpenIDConnectProvider", "OpenIDConnectProviderArn"),
    ),
)  # fmt: skip
