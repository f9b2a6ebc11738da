"""Finds the Python files of an installed package without importing it."""

import importlib.util
import sysconfig
from pathlib import Path

STANDARD_LIBRARY = "stdlib"
_NOT_DOCUMENTATION = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}
)


def find_package(package: str) -> Path | None:
    """Finds a package's folder, or the file of a module that is no package.

    Args:
        package: A name such as `torch` or `torch.nn`, or `stdlib`.

    Returns:
        Where it is, None when it is not installed or has no Python sources.
    """
    top, *inner = package.split(".")
    place = _find_top_level(top)
    for name in inner:
        if place is None or not name.isidentifier():
            return None
        folder, file = place / name, place / f"{name}.py"
        place = folder if folder.is_dir() else file if file.is_file() else None
    return place


def _find_top_level(name: str) -> Path | None:
    if name == STANDARD_LIBRARY:
        return Path(sysconfig.get_path("stdlib"))
    if not name.isidentifier():
        return None
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # `__main__` and the like
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def module_files(package: str) -> list[tuple[str, Path]]:
    """Lists the modules that may carry documentation: no tests, nothing installed beside it.

    Args:
        package: As for `find_package`, which must find it.

    Returns:
        Pairs of name (`torch/nn/functional.py`) and path, sorted by name.
    """
    root = find_package(package)
    assert root is not None, package
    prefix = package.replace(".", "/")
    if root.is_file():
        return [(f"{prefix}.py", root)]
    relative = [path.relative_to(root) for path in root.rglob("*.py")]
    return sorted(
        (f"{prefix}/{path.as_posix()}", root / path)
        for path in relative
        if _NOT_DOCUMENTATION.isdisjoint(path.parts)
    )
