import shutil
from pathlib import Path

import pytest

from flows.config.config_file import load_config
from flows.planning.comparison_plan import plan_comparison
from flows.planning.plan import Plan, plan_pipeline
from memdec_core.errors import UserError
from storage.models.model_folder import ModelFolderError
from tasks.identity.tokenizer_sharing import SharedVocabulary
from tests.support.tiny_models import tiny_model_folder, tiny_tokenizer
from tests.support.tokenizer_family import longer_tokenizer

AFTER_MEMORY = {"scores", "evaluation", "report"}
STUDENT = {"student", "memory", *AFTER_MEMORY}
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
        ("watch.quiet_seconds=5", set()),
        ("corpus.license=mit", set()),
        ("corpus.language=en", set()),
        ("base_model.license=mit", set()),
        ("base_model.pretrain.corpus.license=mit", set()),
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


@pytest.fixture
def other_memory(tmp_path: Path) -> Path:
    """A memory of another tokenizer family."""
    return tiny_model_folder(tmp_path, "llama")


def test_a_student_from_another_memory_is_a_stage_of_its_own(
    tiny_pipeline: Path, other_memory: Path
) -> None:
    before = plan(tiny_pipeline)
    after = plan(tiny_pipeline, f"memory.from_memory.name={other_memory}")
    assert changed_stages(before, after) == {"base_model", *STUDENT}
    (student,) = after.stages["student"]
    _, source = after.stages["base_model"]
    assert source.name == "other_memory"
    assert student.inputs == {"memory": source.ref, "base_model": after.base_models[0].ref}
    assert after.memory.inputs["student"] == student.ref
    assert after.report.inputs["student"] == student.ref
    assert source not in after.base_models, "its tokenizer is not compared with the others'"
    names = [job.name for job in after.jobs()]
    assert names[2:6] == ["base_model", "other_memory", "student", "tokens"]
    assert len(set(names)) == len(names)
    seen = set()
    for job in after.jobs():
        assert set(job.inputs.values()) <= seen
        seen.add(job.ref)


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("memory.from_memory.embeddings=random", STUDENT),
        ("memory.from_memory.seed=1", STUDENT),
        ("windows.length=60", AFTER_TOKENS),
        ("training.beta=0.25", {"memory", *AFTER_MEMORY}),
    ],
)
def test_what_decides_a_student_is_its_memory_its_tokenizer_and_its_settings(
    tiny_pipeline: Path, other_memory: Path, override: str, stages: set[str]
) -> None:
    start = f"memory.from_memory.name={other_memory}"
    before = plan(tiny_pipeline, start)
    assert changed_stages(before, plan(tiny_pipeline, start, override)) == stages


def test_a_memory_in_another_folder_makes_the_same_student(
    tiny_pipeline: Path, other_memory: Path
) -> None:
    before = plan(tiny_pipeline, f"memory.from_memory.name={other_memory}")
    moved = other_memory.rename(other_memory.parent / "moved")
    assert changed_stages(before, plan(tiny_pipeline, f"memory.from_memory.name={moved}")) == set()


def test_a_run_until_the_student_stops_there(tiny_pipeline: Path, other_memory: Path) -> None:
    start = f"memory.from_memory.name={other_memory}"
    stages = [job.ref.stage for job in plan(tiny_pipeline, start).until("student")]
    assert stages == ["corpus", "corpus", "base_model", "base_model", "student"]
    with pytest.raises(UserError, match=r"--until student: .*config\.memory\.from_memory"):
        plan(tiny_pipeline).until("student")


def test_a_folder_that_is_no_memory_is_refused_when_planning(
    tiny_pipeline: Path, other_memory: Path
) -> None:
    start = f"memory.from_memory.name={other_memory}"
    (other_memory / "tokenizer.json").unlink()
    with pytest.raises(ModelFolderError, match="the tokenizer is missing"):
        plan(tiny_pipeline, start)
    (other_memory / "config.json").unlink()
    with pytest.raises(ModelFolderError, match=r"config\.json is missing.*give a folder"):
        plan(tiny_pipeline, start)
    shutil.rmtree(other_memory)
    with pytest.raises(ModelFolderError, match="no such folder; check the `name`"):
        plan(tiny_pipeline, start)


def test_a_comparison_starts_all_its_memories_from_the_same_student(
    tiny_pipeline: Path, other_memory: Path
) -> None:
    start = f"memory.from_memory.name={other_memory}"
    found = plan_comparison(load_config(tiny_pipeline, [start]))
    (student,) = found.pipeline.stages["student"]
    made = [job for job in found.jobs() if job.ref.stage == "memory"]
    assert len(made) > 1
    assert {job.inputs["student"] for job in made} == {student.ref}


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """Models of one family: `short`, `padded` and, with ten more added tokens, `long`."""
    folder = tmp_path / "family"
    tiny_model_folder(folder, "qwen2", name="short")
    tiny_model_folder(folder, "qwen2", name="padded", vocab_size=448, tokenizer=tiny_tokenizer())
    tiny_model_folder(folder, "qwen2", name="long", vocab_size=512, tokenizer=longer_tokenizer())
    return folder


def of_family(path: Path, family: Path, base: str, *bases: str) -> Plan:
    evaluated = ", ".join(f"{{name: {family / name}}}" for name in bases)
    return plan(
        path, "base_model.pretrain=null", f"base_model.name={family / base}",
        f"evaluation.bases=[{evaluated}]",
    )  # fmt: skip


def cut(planned: Plan) -> dict[str, object]:
    return {job.name: job.config.get("vocabulary") for job in planned.stages["scores"]}


def test_a_longer_base_is_cut_and_leaves_the_others_as_they_were(
    tiny_pipeline: Path, family: Path
) -> None:
    before = of_family(tiny_pipeline, family, "short", "short", "padded")
    assert cut(before) == {"memory_scores": None, "base_0_scores": None, "base_1_scores": None}
    after = of_family(tiny_pipeline, family, "short", "short", "padded", "long")
    assert cut(after) == cut(before) | {"base_2_scores": {"size": 400}}
    assert changed_stages(before, after) == {"base_model", "scores", "evaluation", "report"}
    assert after.stages["scores"][:3] == before.stages["scores"]


def test_a_shorter_base_beside_a_longer_memory_cuts_the_memory_and_its_like(
    tiny_pipeline: Path, family: Path
) -> None:
    alone = of_family(tiny_pipeline, family, "long", "long")
    assert cut(alone) == {"memory_scores": None, "base_0_scores": None}
    mixed = of_family(tiny_pipeline, family, "long", "long", "short")
    assert mixed.vocabulary == SharedVocabulary(size=400, longer=(mixed.bases[0],))
    assert cut(mixed) == {
        "memory_scores": {"size": 400}, "base_0_scores": {"size": 400}, "base_1_scores": None,
    }  # fmt: skip
    assert mixed.memory == alone.memory, "what is trained does not depend on it"


def test_a_comparison_cuts_every_system_of_a_longer_base(tiny_pipeline: Path, family: Path) -> None:
    bases = f"evaluation.bases=[{{name: {family / 'short'}}}, {{name: {family / 'long'}}}]"
    options = ["base_model.pretrain=null", f"base_model.name={family / 'short'}", bases]
    found = plan_comparison(load_config(tiny_pipeline, options))
    named = {job.name for job in found.jobs() if job.config.get("vocabulary") == {"size": 400}}
    systems = ("base", "knn_lm", "rag", "dapt", "lora")
    assert named == {*(f"{system}_1_scores" for system in systems), "latency_1", "audit_1"}
    assert [job.ref.stage for job in found.base_models] == ["base_model", "base_model"]
