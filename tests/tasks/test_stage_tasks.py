"""What every stage's task promises: work that can be found, and a flow's process without it."""

import inspect
import subprocess
import sys

import pytest
from prefect.tasks import Task

from tasks import stage_tasks
from tasks.jobs.stage_work import work_of
from tasks.running.stage_run import StageTask
from tests.services.command_line import ROOT

STAGE_TASKS = [each for each in vars(stage_tasks).values() if isinstance(each, Task)]


@pytest.mark.parametrize("stage_task", STAGE_TASKS, ids=lambda stage_task: str(stage_task.name))
def test_a_stages_module_has_its_work_and_lists_shards_where_it_says_so(
    stage_task: StageTask,
) -> None:
    bound = inspect.getclosurevars(stage_task.fn).nonlocals
    work = work_of(bound["module"])
    assert bound["sharded"] == (work.list_shards is not None) == (work.summarise is not None)


def printed_by(program: str) -> str:
    """What a program prints in an interpreter of its own."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_flows_own_process_loads_no_model_library() -> None:
    flows = "flows.build_memory, flows.compare_systems, flows.compare_domains, flows.watch_corpus"
    libraries = {"torch", "transformers", "faiss", "numba"}
    said = printed_by(f"import sys, {flows}; print({libraries} & sys.modules.keys())")
    assert said == "set()\n"


def test_its_workers_find_them_loaded() -> None:
    said = printed_by(
        "import flows.build_memory\n"
        "from tasks.running.supervised_process import supervise\n"
        "from tests.support.loaded_libraries import HEAVY, loaded_libraries\n"
        "print(HEAVY - supervise(loaded_libraries, (), lambda done, note: None, None))\n"
    )
    assert said == "set()\n"
