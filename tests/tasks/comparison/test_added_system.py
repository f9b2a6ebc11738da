"""A kind of system is a model and a record: shared code scores it, compares it and names it."""

import pytest
from pydantic import JsonValue

from memdec_core.models.language_model import LanguageModel
from memdec_core.scoring.perplexity import split_log_probs
from memdec_core.scoring.system_name import KINDS, SystemName
from storage.formats.position_columns import write_scores
from storage.formats.row_tables import RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.inputs.evaluated_splits import open_splits
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_words import page_title, run_title
from tasks.jobs.stage_work import ShardRun
from tasks.stages.compared.compare_scores import compare_shard
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.jobs import make_job
from tests.support.scored_text import (
    LENGTHS,
    VOCABULARY,
    WINDOWS,
    publish_model,
    publish_scores,
    publish_tokens,
)
from tests.support.toy_system import RECORD, TOY, ToyLM

CONFIG: dict[str, JsonValue] = {"evaluation": {"bootstrap_samples": 20}, "windows": WINDOWS}


@pytest.fixture(autouse=True)
def _toy_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, TOY, RECORD)


def publish_scores_of(store: Store, lm: LanguageModel, tokens: ArtifactRef) -> ArtifactRef:
    """A system's scores, by the code that scores every system."""
    job = make_job(ArtifactRef(stage="scores", fingerprint="5" * 32), CONFIG, {"tokens": tokens})
    splits = open_splits(job, store)

    def fill_split(name: str) -> Fill:
        split = splits[name]
        scores_N = split_log_probs(lm, split.windows_W4, split.read_tokens, batch_tokens=64)
        return lambda folder: write_scores(as_shard(folder), scores_N[None])

    shards = {name: (fill_split(name), {}) for name in LENGTHS}
    return publish(store, "scores", shards, {"lm": type(lm).__name__})


def comparison_of(store: Store) -> ShardRun:
    """A base, a memory and the toy."""
    base, memory = publish_model(store, 1), publish_model(store, 9, stage="memory")
    tokens = publish_tokens(store)
    inputs = {
        "tokens": tokens,
        SystemName("base", 0).role: publish_scores(store, base, 1, VOCABULARY),
        SystemName("memory").role: publish_scores(store, memory, 9, VOCABULARY),
        SystemName(TOY, 0).role: publish_scores_of(store, ToyLM(VOCABULARY), tokens),
    }
    ref = ArtifactRef(stage="comparison", fingerprint="c" * 32)
    writer = store.writer(ref, "all", "a" * 32)
    job, settings = make_job(ref, CONFIG, inputs), RunSettings(device="cpu")
    return ShardRun(job, "all", settings, store, writer, lambda _fraction, _note: None)


def test_an_added_system_stands_in_the_table_beside_the_others(store: Store) -> None:
    run = comparison_of(store)
    run.writer.commit(compare_shard(run), seconds=1, peak_memory_bytes=1)
    reader = run.store.readers(run.job.ref)["all"]
    found = {(row["system"], row["metric"]): row for row in RESULTS.read(reader)}
    assert {system for system, _ in found} == {"base", "memory", "toy"}
    assert found["toy", "perplexity"]["value"] == pytest.approx(VOCABULARY, rel=1e-6)
    _, _, after = reader.read("report.md").decode().partition("## Perplexity, test")
    lines = [line.split("|")[1].strip() for line in after.splitlines() if line.startswith("|")]
    assert lines[:5] == ["system", "---", "base", "+ memory", "a toy"]


def test_an_added_system_is_named_where_its_runs_and_pages_are() -> None:
    assert run_title("scores", "toy_0_scores", "law") == "Score the toy on base 1"
    assert page_title("scores", "general_toy_1_scores", "law").endswith(
        ": the toy on base 2 on general"
    )
    assert SystemName.parse("general:toy_0") == SystemName(TOY, 0, corpus="general")
