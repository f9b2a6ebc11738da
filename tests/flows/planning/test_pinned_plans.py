"""Fingerprints and names of all jobs that the shipped pipelines plan, as stores hold them.

What depends on the machine is stood in for by something fixed: the content of documents, of
downstream files and of models (their identities are made from the configuration here), and what
the models' tokenizers share. So the fingerprints here are nobody's own, but they change whenever
a stage's name, format version, configuration, inputs or their roles do, and then every store is
built anew: if that is meant, raise the format version, delete the file and run this module's
tests: the first one writes it anew, and fails.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel, JsonValue

from flows.config.config_file import load_config
from flows.planning.comparison_plan import plan_comparison
from flows.planning.plan import plan_pipeline
from memdec_core.models.models_config import BaseModelConfig
from memdec_core.text.text_config import CorpusConfig
from tasks.identity.tokenizer_sharing import SharedVocabulary
from tasks.jobs.stage_job import StageJob
from tests.services.command_line import ROOT

PIPELINES = sorted((ROOT / "deploy" / "pipelines").glob("*.yaml"))
PINNED = Path(__file__).with_name("pinned_plans.json")
Plans = dict[str, dict[str, str]]


def stand_in(config: BaseModel) -> dict[str, JsonValue]:
    """What is hashed in place of content that is not the same everywhere."""
    corpus = {"max_rejected", "damaged"}  # no content by default
    exclude = corpus if isinstance(config, CorpusConfig) else None
    dumped = config.model_dump(mode="json", exclude=exclude)
    if isinstance(config, BaseModelConfig) and config.pretrain is not None:
        dumped["pretrain"]["corpus"] = config.pretrain.corpus.model_dump(
            mode="json", exclude=corpus
        )
    return {"stand_in": dumped}


def shared(models: Sequence[StageJob]) -> SharedVocabulary | None:
    """As if every model but the first had a longer tokenizer."""
    longer = tuple(job.ref for job in models[1:])
    return SharedVocabulary(size=1000, longer=longer) if longer else None


def plans_of(pipeline: Path) -> Plans:
    """The jobs of a pipeline and of its comparison: `stage/fingerprint` by name."""
    config = load_config(pipeline, [])
    jobs = {"plan": plan_pipeline(config).jobs(), "comparison": plan_comparison(config).jobs()}
    return {
        plan: {job.name: f"{job.ref.stage}/{job.ref.fingerprint}" for job in planned}
        for plan, planned in jobs.items()
    }


@pytest.fixture
def same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    planning = "flows.planning"
    monkeypatch.setattr(f"{planning}.planned_jobs.corpus_identity", stand_in)
    monkeypatch.setattr(f"{planning}.planned_jobs.base_model_identity", stand_in)
    monkeypatch.setattr(f"{planning}.planned_jobs.plan_vocabulary", shared)
    monkeypatch.setattr(f"{planning}.planned_measures.downstream_identity", stand_in)


@pytest.mark.usefixtures("same_everywhere")
def test_every_shipped_pipeline_is_pinned() -> None:
    if not PINNED.exists():
        plans = {path.stem: plans_of(path) for path in PIPELINES}
        PINNED.write_text(json.dumps(plans, indent=1) + "\n")
        pytest.fail(f"{PINNED} is new: compare it with the one before")
    assert sorted(json.loads(PINNED.read_text())) == [path.stem for path in PIPELINES]


@pytest.mark.usefixtures("same_everywhere")
@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda path: path.stem)
def test_a_shipped_pipeline_plans_what_stores_hold(pipeline: Path) -> None:
    planned, pinned = plans_of(pipeline), json.loads(PINNED.read_text())[pipeline.stem]
    assert planned == pinned
    for plan, jobs in planned.items():  # equal dictionaries may be in another order
        assert [*jobs] == [*pinned[plan]]


@pytest.mark.usefixtures("same_everywhere")
def test_a_changed_setting_changes_a_pinned_fingerprint() -> None:
    quickstart = ROOT / "deploy" / "pipelines" / "quickstart.yaml"
    changed = plan_pipeline(load_config(quickstart, ["windows.stride=5"]))
    pinned = json.loads(PINNED.read_text())["quickstart"]["plan"]
    assert f"tokens/{changed.tokens.ref.fingerprint}" == pinned["tokens"]
    assert f"embeddings/{changed.embeddings.ref.fingerprint}" != pinned["embeddings"]
