"""What `make rehearsal` holds against the roles of infra/, as far as it shows without one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rehearsal.roles import listed, read_reasons
from tests.support.templates import read_template


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every statement of the policies in a template."""
    if isinstance(value, dict):
        if "Sid" in value and value.get("Effect") == "Allow" and "Action" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from statements(each)


def test_each_permission_that_the_rehearsal_does_not_use_is_still_granted(repository: Path) -> None:
    templates = [read_template(path) for path in (repository / "infra").glob("*.yaml")]
    found = [each for template in templates for each in statements(template["Resources"])]
    granted = {f"{each['Sid']} {action}" for each in found for action in listed(each["Action"])}
    named = {each["Sid"] for each in found}
    reasons = {what: reason for given in read_reasons().values() for what, reason in given.items()}
    resources = {what for what in reasons if "/" in what or "-" in what.partition(" ")[2]}
    assert [what for what in reasons if what not in resources | granted] == []
    assert [what for what in resources if what.partition(" ")[0] not in named] == []
    assert min(len(reason) for reason in reasons.values()) > 5
