import shutil
from pathlib import Path

import pytest

from flows.config_file import load_config
from flows.plan import Plan, plan_pipeline

AFTER_MEMORY = {"scores", "evaluation", "report"}
AFTER_TOKENS = {"embeddings", "index", "targets", "memory", *AFTER_MEMORY}


def plan(path: Path, *overrides: str) -> Plan:
    return plan_pipeline(load_config(path, overrides))


def changed_stages(before: Plan, after: Plan) -> set[str]:
    known = {job.ref for job in before.jobs()}
    return {job.ref.stage for job in after.jobs() if job.ref not in known}


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("training.beta=0.25", {"memory", *AFTER_MEMORY}),
        ("targets.k=16", {"targets", "memory", *AFTER_MEMORY}),
        ("windows.stride=32", AFTER_TOKENS),
        ("evaluation.bootstrap_samples=100", {"evaluation", "report"}),
        ("evaluation.precision=bfloat16", AFTER_MEMORY),
        ("index.seed=3", {"index", "targets", "memory", *AFTER_MEMORY}),
        ("base_model.pretrain.seed=3", {"base_model", "tokens", *AFTER_TOKENS}),
        ("name=other", set()),
    ],
)
def test_a_changed_value_changes_its_stage_and_what_follows(
    tiny_pipeline: Path, override: str, stages: set[str]
) -> None:
    assert changed_stages(plan(tiny_pipeline), plan(tiny_pipeline, override)) == stages


def test_one_changed_document_leaves_only_the_base_model(tiny_pipeline: Path) -> None:
    before = plan(tiny_pipeline)
    documents = tiny_pipeline.parent / "domain.jsonl"
    documents.write_text(documents.read_text().replace("court", "tribunal", 1))
    assert changed_stages(before, plan(tiny_pipeline)) == {"corpus", "tokens", *AFTER_TOKENS}


def test_the_same_documents_in_another_folder_make_the_same_artifacts(
    tiny_pipeline: Path, tmp_path: Path
) -> None:
    before = plan(tiny_pipeline)
    moved = tmp_path / "elsewhere"
    shutil.move(tiny_pipeline.parent, moved)
    config = moved / "tiny.yaml"
    config.write_text(config.read_text().replace(str(tiny_pipeline.parent), str(moved)))
    assert changed_stages(before, plan(config)) == set()


def test_jobs_come_after_the_artifacts_they_read(tiny_pipeline: Path) -> None:
    seen = set()
    for job in plan(tiny_pipeline).jobs():
        assert set(job.inputs.values()) <= seen
        seen.add(job.ref)


def test_a_student_that_is_the_base_model_is_planned_once(tiny_pipeline: Path) -> None:
    jobs = plan(tiny_pipeline).jobs()
    assert sum(job.ref.stage == "base_model" for job in jobs) == 1
    assert len({job.ref for job in jobs}) == len(jobs)


def test_a_run_until_tokens_stops_there(tiny_pipeline: Path) -> None:
    stages = [job.ref.stage for job in plan(tiny_pipeline).until("tokens")]
    assert stages == ["corpus", "corpus", "base_model", "tokens"]


def test_no_two_jobs_of_a_pipeline_share_a_name(tiny_pipeline: Path) -> None:
    names = [job.name for job in plan(tiny_pipeline).jobs()]
    assert names[:3] == ["corpus", "base_model_corpus", "base_model"]
    assert len(set(names)) == len(names) == 12
