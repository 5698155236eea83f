"""The rooms of the package: imports run one way, from the server down to the words of the protocol."""

import ast
from pathlib import Path

import pytest

import fargate_local

PACKAGE = Path(fargate_local.__file__).parent
ROOMS = ("strict", "ecs", "engine", "runtimes", "faults", "cloud", "protocol")
"""From the top: a room imports itself, the rooms after it, and the modules that stand on no room."""


def imported(path: Path) -> set[str]:
    """The modules of this package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fargate_local."):
            found.add(node.module.split(".")[1])
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room):
    above = set(ROOMS[: ROOMS.index(room)])
    upwards = {path.name: imported(path) & above for path in (PACKAGE / room).glob("*.py")}
    assert {name: rooms for name, rooms in upwards.items() if rooms} == {}


def test_the_protocol_imports_no_other_room():
    assert {path.name: imported(path) - {"protocol"} for path in (PACKAGE / "protocol").glob("*.py")} == {
        path.name: set() for path in (PACKAGE / "protocol").glob("*.py")
    }


def test_every_folder_with_code_has_its_place_in_the_order():
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders - {"cli"} == set(ROOMS)
