"""The plan of a comparison: what is shared, what is not, and what a change costs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config.config_file import load_config
from flows.planning.comparison_plan import ComparisonPlan, plan_comparison
from memdec_core.errors import UserError
from tasks.jobs.stage_job import StageJob
from tests.support.tiny_pipeline import write_documents

RESULTS = {"evaluation", "report", "comparison"}
DAPT = {"dapt_small_model", "dapt_small_scores"}
"""Where the student is the base model, its DAPT is the base's."""


def plan(path: Path, *overrides: str) -> ComparisonPlan:
    return plan_comparison(load_config(path, overrides))


def pretrained(path: Path, **changed: int) -> dict[str, Any]:
    """The pipeline's base model with some settings of its pretraining changed."""
    return {"pretrain": yaml.safe_load(path.read_text())["base_model"]["pretrain"] | changed}


def further_bases(path: Path, *widths: int) -> str:
    """An override: the pipeline's base model, and others of these widths."""
    bases = [pretrained(path), *(pretrained(path, width=width) for width in widths)]
    return f"evaluation.bases={json.dumps(bases)}"


def added(before: ComparisonPlan, after: ComparisonPlan) -> set[str]:
    """Names of the jobs that only the second plan has."""
    known = {job.ref for job in before.jobs()}
    return {job.name for job in after.jobs() if job.ref not in known}


def named(found: ComparisonPlan) -> dict[str, StageJob]:
    return {job.name: job for job in found.jobs()}


def test_jobs_are_planned_once_and_come_after_the_artifacts_they_read(tiny_pipeline: Path) -> None:
    seen = set()
    for job in plan(tiny_pipeline, further_bases(tiny_pipeline, 48, 64)).jobs():
        assert job.ref not in seen
        assert set(job.inputs.values()) <= seen
        seen.add(job.ref)


def test_no_two_jobs_of_a_comparison_share_a_name(tiny_pipeline: Path) -> None:
    jobs = plan(tiny_pipeline, further_bases(tiny_pipeline, 48, 64)).jobs()
    assert len({job.name for job in jobs}) == len(jobs)


def test_the_comparison_reads_every_system_of_every_base(tiny_pipeline: Path) -> None:
    found = plan(tiny_pipeline, further_bases(tiny_pipeline, 48))
    of_bases = {
        f"{stem}_{number}" for stem in ("base", "knn_lm", "rag", "dapt", "lora") for number in "01"
    }
    once = {"tokens", "memory", "memory_beta_0", "memory_beta_1", "dapt_small"}
    measured = {f"{stem}_{number}" for stem in ("latency", "audit") for number in "01"}
    checked = {"evaluation", "targets"}
    assert set(found.comparison.inputs) == of_bases | once | measured | checked
    models = {job.ref: job.inputs.get("model") for job in found.jobs()}
    for number, base in enumerate(found.pipeline.bases):
        for stem in ("base", "knn_lm", "rag"):
            assert models[found.comparison.inputs[f"{stem}_{number}"]] == base


def test_a_further_base_adds_its_own_jobs_and_the_tables(tiny_pipeline: Path) -> None:
    scores = {f"{system}_1_scores" for system in ("base", "knn_lm", "rag", "dapt", "lora")}
    built = {f"{name}_1_model" for name in ("dapt", "lora")}
    datastore = {"evaluated_1", "knn_lm_1_embeddings", "knn_lm_1_index"}
    one_base = plan(tiny_pipeline)
    assert added(one_base, plan(tiny_pipeline, further_bases(tiny_pipeline))) == set()
    two_bases = plan(tiny_pipeline, further_bases(tiny_pipeline, 48))
    measured = {"latency_1", "audit_1"}
    assert added(one_base, two_bases) == scores | built | datastore | measured | RESULTS


def test_the_datastore_of_the_pipelines_own_base_is_the_pipelines(tiny_pipeline: Path) -> None:
    found = plan(tiny_pipeline, further_bases(tiny_pipeline, 48))
    own, other = (
        job for job in found.beside if "knn_lm" in job.config and job.ref.stage == "scores"
    )
    assert own.inputs["embeddings"] == found.pipeline.embeddings.ref
    assert own.inputs["index"] == found.pipeline.index.ref
    jobs = {job.ref: job for job in found.jobs()}
    for scores, base in zip((own, other), found.pipeline.bases, strict=True):
        assert jobs[scores.inputs["embeddings"]].inputs["base_model"] == base
        assert jobs[scores.inputs["index"]].inputs == {"embeddings": scores.inputs["embeddings"]}


def test_the_control_trains_the_student_and_lora_is_as_large_as_it(tiny_pipeline: Path) -> None:
    student = f"memory.init={json.dumps(pretrained(tiny_pipeline, width=48))}"
    found = plan(tiny_pipeline, student)
    jobs = named(found)
    assert jobs["dapt_small_model"].inputs["base_model"] == jobs["student"].ref
    assert jobs["dapt_0_model"].inputs["base_model"] == jobs["base_model"].ref
    assert jobs["lora_0_model"].inputs["student"] == jobs["student"].ref
    assert "student" not in jobs["dapt_0_model"].inputs
    ranked = named(plan(tiny_pipeline, student, "comparison.lora={method: lora, lora_rank: 4}"))
    assert "student" not in ranked["lora_0_model"].inputs


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("comparison.taus=[2.0]", {"knn_lm_0_scores"}),
        ("comparison.retrieval.stride=8", {"rag_0_scores", "latency_0"}),
        ("comparison.lora={method: lora, epochs: 1}", {"lora_0_model", "lora_0_scores"}),
        ("comparison.dapt={method: dapt, epochs: 1}", DAPT),
        ("comparison.betas=[0, 1, 0.25]", {"memory_beta_0.25", "memory_beta_0.25_scores"}),
        ("comparison.baselines=[rag]", {"latency_0"}),
        ("comparison.latency.repeats=2", {"latency_0"}),
        ("comparison.audit.spans=2", {"audit_0"}),
        ("comparison.audit=null", set()),
        ("comparison.router={}", {"router_features_0", "router_0"}),
        (
            "training.beta=0.25",
            {"memory", "memory_scores", "evaluation", "report", "latency_0", "audit_0"},
        ),
        ("evaluation.bootstrap_samples=100", {"evaluation", "report"}),
    ],
)
def test_a_changed_value_changes_its_systems_and_the_comparison(
    tiny_pipeline: Path, override: str, names: set[str]
) -> None:
    changed = added(plan(tiny_pipeline), plan(tiny_pipeline, override))
    assert changed == names | {"comparison"}


def test_a_beta_that_is_the_pipelines_own_is_not_trained_twice(tiny_pipeline: Path) -> None:
    found = plan(tiny_pipeline, "training.beta=0")
    memories = [job.name for job in found.beside if job.ref.stage == "memory"]
    assert memories == ["memory_beta_1"]
    assert "memory_beta_0" not in found.comparison.inputs
    assert found.pipeline.memory.ref == named(plan(tiny_pipeline))["memory_beta_0"].ref


def test_corpora_elsewhere_know_nothing_of_each_other(tiny_pipeline: Path) -> None:
    corpora = {}
    for seed, name in enumerate(("one", "two")):
        documents = tiny_pipeline.parent / f"{name}.jsonl"
        write_documents(documents, 20, seed)
        corpora[name] = {"documents": [str(documents)], "test_fraction": 0.2}
    backwards = dict(reversed(corpora.items()))
    both, again = (
        plan(tiny_pipeline, f"comparison.elsewhere={json.dumps(found)}")
        for found in (corpora, backwards)
    )
    assert not [role for role in both.comparison.inputs if role.count(":") > 1]
    assert both.comparison.ref == again.comparison.ref


def test_a_corpus_elsewhere_is_not_called_like_a_split(tiny_pipeline: Path) -> None:
    with pytest.raises(UserError, match=r"comparison.*`test`, which is a split's or"):
        plan(tiny_pipeline, "comparison.elsewhere={test: {documents: [x.jsonl]}}")


def test_a_router_of_another_size_reads_the_same_features(tiny_pipeline: Path) -> None:
    routed = plan(tiny_pipeline, "comparison.router={}")
    wider = plan(tiny_pipeline, "comparison.router={hidden_units: 32}")
    assert added(routed, wider) == {"router_0", "comparison"}


def test_a_further_base_adds_its_own_router(tiny_pipeline: Path) -> None:
    bases = further_bases(tiny_pipeline, 48)
    router = "comparison.router={}"
    two, routed = plan(tiny_pipeline, bases), plan(tiny_pipeline, bases, router)
    jobs = named(routed)
    assert added(two, routed) == {
        *(f"router{stem}_{number}" for stem in ("", "_features") for number in "01"),
        "comparison",
    }
    assert jobs["router_0"].ref == named(plan(tiny_pipeline, router))["router_0"].ref
    for number, base in enumerate(routed.pipeline.bases):
        features, fit = jobs[f"router_features_{number}"], jobs[f"router_{number}"]
        assert features.inputs == {
            "tokens": routed.pipeline.tokens.ref,
            "base": base,
            "memory": routed.pipeline.memory.ref,
        }
        assert fit.inputs["features"] == features.ref
        assert fit.inputs["base_scores"] == routed.comparison.inputs[f"base_{number}"]
        assert fit.inputs["memory_scores"] == routed.comparison.inputs["memory"]


def test_elsewhere_a_router_needs_features_but_is_not_fitted_again(tiny_pipeline: Path) -> None:
    documents = tiny_pipeline.parent / "general.jsonl"
    write_documents(documents, 20, 1)
    corpus = {"documents": [str(documents)], "test_fraction": 0.2}
    elsewhere = f"comparison.elsewhere={json.dumps({'general': corpus})}"
    router = "comparison.router={}"
    found = plan(tiny_pipeline, elsewhere, router)
    features = "general_router_features_0"
    own = {"router_features_0", "router_0"}
    assert added(plan(tiny_pipeline, elsewhere), found) == {*own, features, "comparison"}
    assert named(found)[features].inputs["tokens"] == named(found)["general_tokens"].ref
    assert found.comparison.inputs["general:router_features_0"] == named(found)[features].ref


def test_another_student_changes_the_memory_alone(tiny_pipeline: Path) -> None:
    wide = json.dumps({"wide": pretrained(tiny_pipeline, width=48)})
    found = plan(tiny_pipeline, f"comparison.students={wide}")
    assert added(plan(tiny_pipeline), found) == {
        *("student_wide", "memory_student_wide", "memory_student_wide_scores", "comparison")
    }
    assert [job.name for job in found.models] == ["student_wide"]
    own, other = (named(found)[name].inputs for name in ("memory", "memory_student_wide"))
    assert {role for role in own if own[role] != other[role]} == {"student"}


def test_another_datastore_changes_the_targets_alone(tiny_pipeline: Path) -> None:
    wide = json.dumps({"wide": pretrained(tiny_pipeline, width=48)})
    found = plan(tiny_pipeline, f"comparison.datastores={wide}")
    built = {f"datastore_wide{suffix}" for suffix in ("", "_embeddings", "_index", "_targets")}
    memory = {"memory_datastore_wide", "memory_datastore_wide_scores"}
    assert added(plan(tiny_pipeline), found) == built | memory | {"comparison"}
    own, other = (named(found)[name].inputs for name in ("memory", "memory_datastore_wide"))
    assert {role for role in own if own[role] != other[role]} == {"targets"}
    keys = named(found)["datastore_wide_embeddings"]
    assert keys.inputs["base_model"] == named(found)["datastore_wide"].ref


def test_downstream_tasks_are_put_to_the_models_of_the_systems(tiny_pipeline: Path) -> None:
    task = tiny_pipeline.parent / "cb.jsonl"
    task.write_text('{"premise": "a", "hypothesis": "b", "label": 0}\n')
    asked = f"comparison.downstream.tasks.cb={task}"
    found = plan(tiny_pipeline, asked)
    systems = ("base_0", "knn_lm_0", "dapt_0", "lora_0", "memory", "dapt_small")
    choices = {f"choices_{role}": role for role in systems}
    assert {role for role in found.comparison.inputs if role.startswith("choices")} == set(choices)
    jobs = {job.ref: job for job in found.jobs()}
    for role, system in choices.items():
        scored, asked_job = (jobs[found.comparison.inputs[name]] for name in (system, role))
        assert asked_job.inputs == {k: v for k, v in scored.inputs.items() if k != "tokens"}
    moved = task.rename(tiny_pipeline.parent / "moved.jsonl")
    again = plan(tiny_pipeline, f"comparison.downstream.tasks.cb={moved}")
    assert again.comparison.ref == found.comparison.ref
    moved.write_text(moved.read_text().replace("0", "1"))
    changed = plan(tiny_pipeline, f"comparison.downstream.tasks.cb={moved}")
    own = {system for system in systems if system != "dapt_0"}  # whose model is dapt_small's
    assert added(found, changed) == {f"{role}_choices" for role in own} | {"comparison"}
