"""The capabilities that a caller has to acknowledge before a template is taken.

API reference, CreateStack, UpdateStack and CreateChangeSet, parameter Capabilities (read November 2026): templates with
resources of IAM, with such of a name of their own, and with macros, which CreateChangeSet does not ask about.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fargate_local.cloud.replaced import original

ACCESS_TYPES: Final = {
    "AWS::IAM::AccessKey": "",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": "",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": "",
}
"""The types of IAM that have to be acknowledged, and the property that gives one a name of its own."""


def required(template: Mapping[str, Any]) -> str:
    """Return the capability about IAM that a template needs, or nothing."""
    found = [each for each in template.get("Resources", {}).values() if each.get("Type") in ACCESS_TYPES]
    if any(ACCESS_TYPES[each["Type"]] in each.get("Properties", {}) for each in found):
        return "CAPABILITY_NAMED_IAM"
    return "CAPABILITY_IAM" if found else ""


def missing(template: Mapping[str, Any], given: list[str], *, macros: bool) -> list[str]:
    """Return the capabilities that a template needs and that are not given; `macros` says whether those count."""
    about_access = required(template)
    enough = {"CAPABILITY_IAM": {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}}.get(about_access, {about_access})
    lacking = [about_access] if about_access and enough.isdisjoint(given) else []
    if macros and template.get("Transform") and "CAPABILITY_AUTO_EXPAND" not in given:
        lacking.append("CAPABILITY_AUTO_EXPAND")
    return lacking


def name_capabilities() -> None:
    """Let GetTemplateSummary name the capability that a template needs, and for which resources."""
    from moto.cloudformation import responses

    summary = original(responses, "get_template_summary_response_from_template")

    def summary_with_capabilities(body: str) -> dict[str, Any]:
        found: dict[str, Any] = summary(body)
        if capability := required(found):
            kinds = dict.fromkeys(kind for kind in found["ResourceTypes"] if kind in ACCESS_TYPES)
            found["Capabilities"] = [capability]
            found["CapabilitiesReason"] = f"The following resource(s) require capabilities: [{', '.join(kinds)}]"
        return found

    setattr(responses, "get_template_summary_response_from_template", summary_with_capabilities)  # noqa: B010 - mypy


def asking(answer: Callable[[Any], Any], *, macros: bool) -> Callable[[Any], Any]:
    """Return an action of CloudFormation's that asks for capabilities first; `macros` says whether for theirs too."""

    def asked(self: Any) -> Any:
        given = [str(each) for each in self._get_param("Capabilities", [])]
        if lacking := missing(template_of(self), given, macros=macros):
            raise insufficient(lacking)
        answered = answer(self)
        made, backend = answered.result, self.cloudformation_backend
        about = backend.describe_change_set(made["Id"]) if "Id" in made else backend.get_stack(made["StackId"])
        about.capabilities = given
        return answered

    return asked


def template_of(request: Any) -> Mapping[str, Any]:
    """Return the template that a request brings; one that cannot be read needs nothing, and is refused later."""
    from moto.cloudformation.models import Stack

    body, url = request._get_param("TemplateBody"), request._get_param("TemplateURL")
    if request._get_bool_param("UsePreviousTemplate", False):
        body = request.cloudformation_backend.get_stack(request._get_param("StackName")).template
    elif url and not body:
        body = request._get_stack_from_s3_url(url)
    try:
        found = Stack.parse_template(body or "")
        required(found)
    except Exception:  # noqa: BLE001 - what is wrong with it is told where it is read
        return {}
    return dict(found)


def insufficient(lacking: list[str]) -> Exception:
    """Return CloudFormation's refusal."""
    from moto.cloudformation.exceptions import CloudFormationError

    class InsufficientCapabilitiesError(CloudFormationError):
        code = "InsufficientCapabilitiesException"

    return InsufficientCapabilitiesError(f"Requires capabilities : [{', '.join(lacking)}]")
