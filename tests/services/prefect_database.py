"""An empty database for new Prefect servers, made once: each would be ten seconds about its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.shared_services import shared_service


def with_database(home: Path) -> Path:
    """Gives a new `PREFECT_HOME` the database that a server would make there; returns it."""
    home.mkdir(parents=True, exist_ok=True)
    for file in Path(shared_service("prefect-database", _make)).glob("prefect.db*"):
        shutil.copy(file, home)
    return home


def _make(folder: Path) -> tuple[str, None]:
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    made = subprocess.run(
        command, env=os.environ | {"PREFECT_HOME": str(folder)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(made.stdout + made.stderr)
    return str(folder), None
