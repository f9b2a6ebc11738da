import subprocess
import sys

HEAVY = "{'torch', 'transformers', 'prefect', 'faiss', 'numba', 'matplotlib'}"


def test_commands_that_only_look_do_not_wait_for_the_heavy_libraries() -> None:
    code = f"import sys, flows.command; sys.exit(', '.join({HEAVY} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
