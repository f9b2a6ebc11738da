"""Runs the `memdec` command in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.services.command_forks import can_fork, run_fork

ENTRY = (sys.executable, "-c", "from flows.command_entry import main; main()")
ROOT = Path(__file__).parents[2]


def memdec(
    *arguments: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end and returns what it printed.

    It is forked from a process that has imported everything, unless its environment has what a
    process reads but once.
    """
    command = [*ENTRY, *map(str, arguments)]
    environment = os.environ if env is None else env
    if not can_fork(environment):
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip
    with TemporaryFile("w+") as out, TemporaryFile("w+") as errors:
        code = run_fork(command[len(ENTRY) :], environment, ROOT, (out.fileno(), errors.fileno()))
        printed = [stream.read() for stream in (out, errors) if not stream.seek(0)]
    return subprocess.CompletedProcess(command, code, *printed)


def memdec_json(
    *arguments: str | Path, env: Mapping[str, str] | None = None, status: int = 0
) -> dict[str, Any]:
    """Runs the command with `--json`, requires its exit status, and parses its one object."""
    done = memdec(*arguments, "--json", env=env)
    assert done.returncode == status, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
