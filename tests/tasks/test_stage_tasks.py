"""What every stage's task promises: work that can be found, and a flow's process without it."""

import subprocess
import sys
from typing import get_args

import pytest

from tasks.jobs.stage_catalogue import STAGES, AnyStage, StageName
from tasks.jobs.stage_record import Work
from tasks.jobs.stage_work import work_of
from tests.services.command_line import ROOT

OWN = get_args(AnyStage)  # a test that has stages of its own may have added them
WORKS = [work for name in OWN for work in STAGES[name].works()]

SECTIONS = {
    "windows": "tasks.stages.score_model",
    "knn_lm": "tasks.stages.compared.score_knn_lm",
    "retrieval": "tasks.stages.compared.score_retrieval",
}


@pytest.mark.parametrize("work", WORKS, ids=lambda work: str(work.module))
def test_a_stages_module_has_its_work_and_lists_shards_where_it_says_so(work: Work) -> None:
    found = work_of(work.module)
    assert work.sharded == (found.list_shards is not None) == (found.summarise is not None)


def test_the_stages_that_a_user_may_name_are_those_of_the_catalogue_in_its_order() -> None:
    assert tuple(STAGES)[: len(OWN)] == OWN
    assert " ".join(get_args(StageName)) == (
        "corpus base_model student tokens embeddings index targets memory scores evaluation report"
    )
    assert OWN[: len(get_args(StageName))] == get_args(StageName)
    assert " ".join(OWN[len(get_args(StageName)) :]) == (
        "adapted_model choice_scores latency memorisation_audit router_features alpha_router "
        "comparison domains promotion_gate"
    )


def test_a_section_of_a_job_asks_for_the_work_that_it_configures() -> None:
    scores = STAGES["scores"]
    asked = {section: scores.work_for({"scoring", section}).module for section in SECTIONS}
    assert asked == SECTIONS


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
