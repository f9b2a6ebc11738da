"""What kind of test each is, which `make quick`, `make test` and `make test-long` choose by.

- `service`: with a server, a command or another process of its own. Nobody writes this marker: a
  test has it for the fixtures it asks for, or for what its module imports.
- `slow`: takes more than some ten seconds, by itself or with its file.
- `long`: proves what another test proves in part, in minutes; `make test-long` alone runs it.

What is none of these is quick, and is held to that: it may start no process.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import util
from types import ModuleType

import pytest
from xdist.scheduler import LoadScopeScheduling

SLOW_FILES = {
    "test_adapt_base_model.py", "test_audit_memorisation.py", "test_build_targets.py",
    "test_compare_scores.py", "test_completions.py", "test_engine.py", "test_explain_token.py",
    "test_generation.py", "test_index_files.py", "test_join_comparisons.py",
    "test_measure_latency.py", "test_memorisation.py", "test_page.py", "test_score_choices.py",
    "test_score_knn_lm.py", "test_score_retrieval.py", "test_train_alpha_router.py",
    "test_train_memory.py", "test_trainer.py",
}  # fmt: skip
"""Whose tests take more than some twenty seconds together."""
DEPLOYING_FILES = {
    "test_automations.py", "test_deploy_command.py", "test_operation.py",
    "test_pages_in_browser.py",
}  # fmt: skip
"""Whose tests change what the shared Prefect server has of deployments and automations."""
_DATABASE = re.compile(r"\b(sqlite|postgresql)\]")
"""Whose services a test of `deploy/` is with."""
_STARTING_FIXTURES = {
    "bucket", "prefect_environment", "prefect_server", "served_hub", "services", "tiny_run",
}  # fmt: skip
STARTING_MODULES = {
    "tasks.running.supervised_process", "tests.benchmarks.interleaved",
    "tests.services.browser_pages", "tests.services.command_line", "tests.services.deployed",
    "tests.services.own_server", "tests.services.running_services", "tests.services.s3_server",
}  # fmt: skip


def mark_by_kind(item: pytest.Item) -> None:
    """Marks a test that starts processes or is slow."""
    assert isinstance(item, pytest.Function)
    if _STARTING_FIXTURES & {*item.fixturenames} or _imports_a_start(item.module):
        item.add_marker("service")
    if item.path.name in SLOW_FILES:
        item.add_marker("slow")


class ByNeed(LoadScopeScheduling):
    """Gives a worker a file's tests together, and those of the same services or deployments.

    In place of `--dist loadgroup`, whose marks pytest 9.2 no longer hands on.
    """

    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        if path.startswith("tests/deploy/") and (found := _DATABASE.search(test)):
            return f"services-{found[1]}"
        return "deployments" if path.rpartition("/")[2] in DEPLOYING_FILES else path


def _imports_a_start(module: ModuleType) -> bool:
    """Whether a module of tests has something at hand that starts processes."""
    return any(
        value is subprocess or getattr(value, "__module__", None) in STARTING_MODULES
        for value in vars(module).values()
    )


def is_quick(item: pytest.Item) -> bool:
    """Whether `make quick` runs it."""
    return not any(map(item.get_closest_marker, ("service", "slow", "long")))


@contextmanager
def no_process() -> Iterator[None]:
    """Fails a test that has started an interpreter while this lasted."""
    started: list[str] = []
    patch = pytest.MonkeyPatch()
    spawn, execute = util.spawnv_passfds, subprocess.Popen._execute_child

    def noting_spawn(path: bytes, arguments: list[str], descriptors: list[int]) -> int:
        code = str(arguments[-1])  # the tracker of what processes share costs nothing
        started.extend([] if "multiprocessing.resource_tracker" in code else [code])
        return spawn(path, arguments, descriptors)

    def noting_execute(self: object, arguments: object, *others: object) -> None:
        started.extend([str(arguments)] if sys.executable in str(arguments) else [])
        execute(self, arguments, *others)

    patch.setattr(util, "spawnv_passfds", noting_spawn)
    patch.setattr(subprocess.Popen, "_execute_child", noting_execute)
    try:
        yield
    finally:
        patch.undo()
    if started:
        pytest.fail(f"mark this test `service`; it starts {started}")
