import subprocess
import sys
from pathlib import Path

from tests.services.command_line import memdec

HEAVY = "{'torch', 'transformers', 'prefect', 'faiss', 'numba', 'matplotlib'}"


def test_commands_that_only_look_do_not_wait_for_the_heavy_libraries() -> None:
    code = (
        f"import sys, flows.commands.command; sys.exit(', '.join({HEAVY} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mistyped_store_is_named_and_not_made(tmp_path: Path) -> None:
    for command in (["ls"], ["verify"], ["gc"], ["show", "tokens/12"]):
        done = memdec("artifacts", *command, "--store", tmp_path / "stoer")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"error {tmp_path}/stoer: no such folder; give the --store of a finished run\n"
        )
    assert not list(tmp_path.iterdir())
