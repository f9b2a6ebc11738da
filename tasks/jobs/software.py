"""Which software made an artifact: for the manifest, never for the fingerprint."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    "memdec",
    "torch",
    "transformers",
    "tokenizers",
    "faiss-cpu",
    "numpy",
    "zarr",
    "pyarrow",
    "polars",
    "prefect",
)


@cache
def software_versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


@cache
def git_commit() -> str | None:
    """The commit of memdec's own checkout; None where it is installed without one."""
    folder = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
