"""Runs the real `memdec` command in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENTRY = (sys.executable, "-c", "from flows.command_entry import main; main()")
ROOT = Path(__file__).parents[2]


def memdec(
    *arguments: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end and returns what it printed."""
    command = [*ENTRY, *map(str, arguments)]
    return subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )


def memdec_json(*arguments: str | Path, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs the command with `--json`, requires that it succeeds, and parses its one object."""
    done = memdec(*arguments, "--json", env=env)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
