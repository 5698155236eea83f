"""What RDS says of an instance is decided when work on it begins, not by how far its files are."""

import threading
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support.balancer import until

from fargate_local.databases.authority import Authority
from fargate_local.databases.cluster import Cluster
from fargate_local.databases.keeper import Keeper, Kept
from fargate_local.databases.wanted import Wanted

WANTED = Wanted("db-1", "one", "boss", "a-password", "tienda", stopped=False, reboots=0, port=None)


class Slow:
    """A PostgreSQL whose files are whole before it is as wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running, self.may_go_on = folder, False, threading.Event()

    def start(self, _: Wanted) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "ready").touch()
        assert self.may_go_on.wait(30)
        self.running = True

    def stop(self) -> None:
        self.running = False


@pytest.mark.parametrize(("there_before", "way"), [(False, "creating"), (True, "starting")])
def test_a_new_instance_is_being_created_until_it_is_available(
    there_before: bool, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(tmp_path / WANTED.resource_id)
    if there_before:
        slow.folder.mkdir()
        (slow.folder / "ready").touch()
    keeper = Keeper(tmp_path, cast("Authority", None))
    monkeypatch.setattr(keeper, "_new", lambda _: Kept(cast("Cluster", slow)))
    wanted: dict[str, Any] = {WANTED.resource_id: WANTED}
    assert keeper.status(WANTED) == way
    keeper._attend_to(wanted)
    until((slow.folder / "ready").exists)
    assert keeper.status(WANTED) == way
    slow.may_go_on.set()
    until(lambda: keeper.status(WANTED) != way)
    assert keeper.status(WANTED) == "available"
    keeper.close()
