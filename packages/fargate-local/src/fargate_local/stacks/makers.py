"""Kinds of resources as moto's parser of templates sees them: its classes of resources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fargate_local.stacks.kinds import Calls, Made, Properties, tag_map


class Unmade:
    """A type that is nothing beyond its template, as CloudFormation's own handles and CDK's metadata are."""

    tags: Final = ""
    name: Final = ""
    attributes: Mapping[str, str]

    def __init__(self, name: str) -> None:
        self.type = name
        self.attributes = {}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Return it."""
        return Made(name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Change nothing."""

    def delete(self, calls: Calls, made: Made) -> None:
        """Delete nothing."""


@dataclass(frozen=True, slots=True)
class Maker:
    """A kind as moto's parser of templates sees it: one of its classes of resources."""

    kind: Any
    client: Callable[[str, str], Any]

    @property
    def renewed(self) -> bool:
        """Whether a change makes another resource beside it, of the same name."""
        return bool(getattr(self.kind, "renewed", False))

    def calls(self, account_id: str, region_name: str) -> Calls:
        """Return the calls of one region."""
        return Calls(region_name, account_id, self.client)

    def has_cfn_attr(self, attribute: str) -> bool:
        """Return whether `Fn::GetAtt` knows an attribute."""
        return attribute in self.kind.attributes

    def create_from_cloudformation_json(
        self, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Made:
        """Make one."""
        made: Made = self.kind.create(
            self.calls(account_id, region_name), resource_name, cloudformation_json.get("Properties", {})
        )
        return made

    def update_from_cloudformation_json(
        self, original_resource: Made, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Made:  # fmt: skip
        """Change one."""
        before = original_resource.of_stack.document["Properties"]
        self.kind.update(
            self.calls(account_id, region_name), original_resource, cloudformation_json["Properties"], before
        )
        return original_resource

    def delete(self, made: Made, document: Any, account_id: str, region_name: str) -> None:
        """Delete one; where its policy says so it leaves a snapshot."""
        calls = self.calls(account_id, region_name)
        if document.get("DeletionPolicy") == "Snapshot" and hasattr(self.kind, "delete_with_snapshot"):
            self.kind.delete_with_snapshot(calls, made)
        else:
            self.kind.delete(calls, made)


def with_stack_tags(maker: Any, properties: Properties, tags: Mapping[str, str]) -> Properties:
    """Return a resource's properties with the tags of its stack, where its type takes any; its own go before."""
    form = maker.kind.tags if isinstance(maker, Maker) else ""
    if not form or not tags:
        return properties
    both = {**tags, **tag_map(properties.get("Tags"))}
    return {**properties, "Tags": both if form == "map" else [{"Key": k, "Value": v} for k, v in both.items()]}
