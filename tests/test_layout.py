"""The floor plan holds: small rooms with a door, files that fit a screen or four, names once."""

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.services.command_line import ROOT
from tests.support.kinds_of_tests import DEPLOYING_FILES, SLOW_FILES, STARTING_MODULES

PRODUCT = ("memdec_core", "storage", "tasks", "flows")
MOST_MODULES, MOST_LINES = 20, 300


def modules(*tops: str) -> list[Path]:
    """All Python files below folders of the project, without their doors."""
    found = [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]
    return [path for path in found if path.name != "__init__.py"]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_room_is_crowded() -> None:
    counts = Counter(shown(path.parent) for path in modules(*PRODUCT, "deploy", "tests"))
    assert {room: count for room, count in counts.items() if count > MOST_MODULES} == {}


def test_no_name_is_given_twice() -> None:
    named = [path for path in modules(*PRODUCT, "deploy", "tests") if path.name != "conftest.py"]
    counts = Counter(path.name for path in named)
    twice = [shown(path) for path in named if counts[path.name] > 1]
    assert twice == []


@pytest.mark.parametrize("top", PRODUCT)
def test_no_file_is_long(top: str) -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for path in modules(top)}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize("top", PRODUCT)
def test_every_room_has_a_door_that_says_what_is_in_it(top: str) -> None:
    for room in sorted({path.parent for path in modules(top)}):
        door = room / "__init__.py"
        assert door.exists(), f"{shown(room)} has no door"
        assert door.read_text().startswith('"""'), f"{shown(door)} has no docstring"


def test_what_the_kinds_of_tests_name_is_there() -> None:
    files = {path.name for path in modules("tests")}
    assert {*SLOW_FILES, *DEPLOYING_FILES} - files == set()
    assert [name for name in STARTING_MODULES if find_spec(name) is None] == []
