from pathlib import Path

import pytest

from flows.config.config_file import load_config
from flows.planning.comparison_plan import plan_comparison
from flows.planning.plan import Plan, plan_pipeline
from flows.planning.plan_explanation import PlannedStage, explain_plan, what_changed
from storage.objects.manifest import ManifestDraft
from storage.store.artifact_store import Store
from storage.store.claims import claim
from storage.store.run_history import record_run
from tasks.jobs.stage_job import StageJob
from tests.support.artifacts import remove


def build(store: Store, job: StageJob) -> None:
    """Publishes an artifact under the job's own reference, as a run would."""
    with claim(store, job.ref) as attempt:
        assert attempt is not None
        writer = store.writer(job.ref, "all", attempt)
        (writer.folder / "data").write_bytes(b"12345678")
        entry = writer.commit({}, seconds=2.0, peak_memory_bytes=1)
        draft = ManifestDraft(
            format_version=job.format_version,
            config=job.identity,
            inputs=job.inputs,
            shards=[entry],
            figures={},
            software={},
        )
        store.seal(job.ref, draft)


@pytest.fixture
def built(store: Store, tiny_pipeline: Path) -> Plan:
    plan = plan_pipeline(load_config(tiny_pipeline))
    for job in plan.jobs():
        build(store, job)
    record_run(store, "tiny", None, [job.ref for job in plan.jobs()])
    return plan


def explain(store: Store, path: Path, *overrides: str) -> list[PlannedStage]:
    return explain_plan(plan_pipeline(load_config(path, overrides)).jobs(), store, "tiny")


def test_in_an_empty_store_everything_is_to_be_built(store: Store, tiny_pipeline: Path) -> None:
    rows = explain(store, tiny_pipeline)
    assert {(row["action"], row["why"]) for row in rows} == {("build", "never built")}
    assert all(row["estimated_seconds"] is None for row in rows)


def test_what_exists_is_reused(store: Store, tiny_pipeline: Path, built: Plan) -> None:
    rows = explain(store, tiny_pipeline)
    assert {row["action"] for row in rows} == {"reuse"}


def test_a_changed_value_is_named_with_what_the_last_build_took(
    store: Store, tiny_pipeline: Path, built: Plan
) -> None:
    rows = explain(store, tiny_pipeline, "targets.k=16")
    to_build = {row["stage"]: row for row in rows if row["action"] == "build"}
    assert {stage: row["why"] for stage, row in to_build.items()} == {
        "targets": "targets.k: 32 → 16",
        "memory": "other targets",
        "scores": "other model",
        "evaluation": "other memory; other targets; other memory scores",
        "report": "other targets; other memory; other evaluation",
    }
    assert to_build["targets"]["estimated_seconds"] == 2.0
    assert to_build["targets"]["estimated_bytes"] == 8


def test_an_unfinished_stage_says_how_much_of_it_is_done(store: Store, tiny_pipeline: Path) -> None:
    plan = plan_pipeline(load_config(tiny_pipeline))
    with claim(store, plan.tokens.ref) as attempt:
        assert attempt is not None
        writer = store.writer(plan.tokens.ref, "train-00000", attempt)
        (writer.folder / "data").write_bytes(b"1")
        writer.commit({}, seconds=1.0, peak_memory_bytes=1)
    why = {row["stage"]: row["why"] for row in explain(store, tiny_pipeline)}
    assert why["tokens"] == "unfinished: 1 shards are done and will be kept"


def test_a_deleted_artifact_is_said_to_be_gone(
    store: Store, tiny_pipeline: Path, built: Plan
) -> None:
    remove(store, built.index.ref)
    why = {row["stage"]: row["why"] for row in explain(store, tiny_pipeline)}
    assert why["index"] == "its artifact is gone from the store"
    assert why["targets"] == "it exists"


def test_a_comparison_is_explained_by_the_artifacts_most_alike(
    store: Store, tiny_pipeline: Path
) -> None:
    before = plan_comparison(load_config(tiny_pipeline)).jobs()
    for job in before:
        build(store, job)
    record_run(store, "tiny-comparison", None, [job.ref for job in before])
    changed = plan_comparison(load_config(tiny_pipeline, ["comparison.retrieval.stride=8"])).jobs()
    rows = explain_plan(changed, store, "tiny-comparison")
    why = {row["stage"]: row["why"] for row in rows if row["action"] == "build"}
    assert why == {
        "scores": "retrieval.stride: 4 → 8",
        "latency": "retrieval.stride: 4 → 8",
        "comparison": "other rag 0; other latency 0",
    }


def test_a_run_is_named_after_what_changed(store: Store, tiny_pipeline: Path, built: Plan) -> None:
    def named(*overrides: str) -> str:
        config = load_config(tiny_pipeline, overrides)
        return what_changed(plan_pipeline(config).jobs(), store, "tiny")

    assert named() == "nothing changed"
    assert named("training.beta=0.7") == "training.beta: 0.5 → 0.7"
    documents = next(tiny_pipeline.parent.glob("domain.jsonl"))
    documents.write_text(documents.read_text().replace("court", "judge", 1))
    assert named("targets.k=3") == "other documents, targets.k: 32 → 3"
    config = load_config(tiny_pipeline)
    assert what_changed(plan_pipeline(config).jobs(), store, "new") == "for the first time"
