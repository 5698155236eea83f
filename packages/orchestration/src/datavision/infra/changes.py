"""What CloudFormation says that an update would do to a stack's resources, in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Fate = Literal["create", "change", "replace", "may be replaced", "delete", "let go", "import", "not known yet"]
"""`let go`: it leaves the stack and stays in the account. `not known yet`: only the deploy itself will tell."""

_MODIFICATIONS: Mapping[str, Fate] = {"True": "replace", "Conditional": "may be replaced"}
_OTHERS: Mapping[str, Fate] = {"Add": "create", "Import": "import"}
_HARMLESS = frozenset({"create", "change", "import"})


@dataclass(frozen=True)
class Change:
    """What would happen to one resource."""

    resource: str
    """Its name in the template."""
    kind: str
    """Its type, e.g. `AWS::S3::Bucket`."""
    fate: Fate
    causes: tuple[str, ...] = ()
    """Properties that change; of a replacement only those that force it."""

    @property
    def asked_for(self) -> bool:
        """Whether somebody has to agree first: something is replaced or deleted, or nobody knows."""
        return self.fate not in _HARMLESS

    def __str__(self) -> str:
        because = f" ({', '.join(self.causes)})" if self.causes else ""
        return f"{self.fate} {self.resource} [{self.kind}]{because}"


def read_changes(answers: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Return the changes in the pages of DescribeChangeSet."""
    return [
        _change(item["ResourceChange"])
        for answer in answers
        for item in answer.get("Changes", [])
        if item.get("Type", "Resource") == "Resource"
    ]


def _change(found: Mapping[str, Any]) -> Change:
    fate = _fate(found)
    forced = fate in ("replace", "may be replaced")
    targets = [detail["Target"] for detail in found.get("Details", []) if "Target" in detail]
    causes = {
        target.get("Name") or target.get("Attribute", "")
        for target in targets
        if not forced or target.get("RequiresRecreation", "Never") != "Never"
    }
    return Change(found["LogicalResourceId"], found["ResourceType"], fate, tuple(sorted(causes - {""})))


def _fate(found: Mapping[str, Any]) -> Fate:
    if found["Action"] == "Remove":
        return "let go" if found.get("PolicyAction") == "Retain" else "delete"
    if found["Action"] == "Modify":
        return _MODIFICATIONS.get(found.get("Replacement", "False"), "change")
    return _OTHERS.get(found["Action"], "not known yet")
