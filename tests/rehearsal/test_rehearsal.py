"""Production, rehearsed: from an empty account to a running platform, by the page that tells people how."""

from pathlib import Path

import pytest
from tests.rehearsal.account import Account
from tests.rehearsal.page import read_steps
from tests.support.podman import needs_podman

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(2400), needs_podman[1]]
STEADY = {(1, 1, "COMPLETED"), (2, 2, "COMPLETED")}


def test_the_page_leads_from_an_empty_account_to_a_running_platform(account: Account, repository: Path) -> None:
    for step in read_steps(repository / "docs" / "infrastructure.md"):
        account.follow(step)
    assert len(account.services()) == 4
    assert set(account.services().values()) <= STEADY
