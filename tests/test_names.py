"""A public name means one thing in a package; what several modules may all call alike is listed."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALIKE = {
    # what every module of a kind has: the parts of a stage's work, a page's note, a logger
    *("WORK", "list_shards", "score_shard", "summarise", "NOTE", "logger", "T"),
    # commands are called as they are typed, and their options as they are given
    *("compare", "explain", "Deployed", "Pipelines", "Prompt"),
    # the same thing, said where it is read and where it is made
    *("DATASTORE", "GROUP_ROWS"),
}


def public_names(module: Path) -> Iterator[str]:
    """Functions, classes and constants that a module defines."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("package", ["memdec_core", "storage", "tasks", "flows"])
def test_a_public_name_is_defined_in_one_module_of_a_package(package: str) -> None:
    modules = defaultdict(set)
    for module in (ROOT / package).rglob("*.py"):
        for name in public_names(module):
            modules[name].add(str(module.relative_to(ROOT)))
    twice = {
        name: sorted(found)
        for name, found in modules.items()
        if len(found) > 1 and not name.startswith("_") and name not in ALIKE
    }
    assert twice == {}
