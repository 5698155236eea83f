"""Roles of a CloudFormation template with everything that it gives them.

moto 5.2 attaches no managed policy that a template names for a role, and an update of the stack changes neither its
policies nor who may assume it: what a strict server evaluates would not be what the template says.
"""

import json
from typing import Any

from fargate_local.cloud.templates import plain


def hand_on_roles() -> None:
    """Make moto's CloudFormation keep a role's policies, attached ones included, and its trust as in the template."""
    from moto.iam import models

    create = models.Role.__dict__.get("_create_of_moto") or models.Role.__dict__["create_from_cloudformation_json"]
    update = models.Role.__dict__.get("_update_of_moto") or models.Role.__dict__["update_from_cloudformation_json"]

    def make_role(
        cls: Any, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **more: Any
    ) -> Any:
        role = create.__func__(cls, resource_name, cloudformation_json, account_id, region_name, **more)
        attach(role, cloudformation_json["Properties"])
        return role

    def change_role(
        cls: Any, /, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        role = update.__func__(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name)
        properties = cloudformation_json["Properties"]
        trust = properties["AssumeRolePolicyDocument"]
        role.assume_role_policy_document = trust if isinstance(trust, str) else json.dumps(trust)
        role.policies = {policy["PolicyName"]: policy["PolicyDocument"] for policy in properties.get("Policies", [])}
        attach(role, properties)
        return role

    for name, value in (
        ("_create_of_moto", create),
        ("_update_of_moto", update),
        ("create_from_cloudformation_json", classmethod(make_role)),
        ("update_from_cloudformation_json", classmethod(change_role)),
    ):
        setattr(models.Role, name, value)


def attach(role: Any, properties: dict[str, Any]) -> None:
    """Attach the managed policies that the properties name, and no others."""
    from moto.iam.models import iam_backends

    backend = iam_backends[role.account_id]["aws"]
    wanted = plain(properties.get("ManagedPolicyArns", []))
    for arn in set(role.managed_policies) - set(wanted):
        backend.detach_role_policy(arn, role.name)
    for arn in wanted:
        if arn not in role.managed_policies:
            backend.attach_role_policy(arn, role.name)
