"""Pretraining from a corpus artifact: a usable model, the same bytes after a kill."""

import time
from pathlib import Path

import polars as pl
import pytest
from pydantic import JsonValue
from transformers import AutoModelForCausalLM, AutoTokenizer

from memdec_core.errors import UserError
from storage.documents.document_records import Document
from storage.formats.corpus_parquet import CorpusWriter
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.build_base_model import pretrain_shard
from tests.support.artifacts import as_shard, contents, publish
from tests.support.jobs import make_job
from tests.support.tiny_models import TEXTS

pytestmark = pytest.mark.usefixtures("one_thread")
PRETRAIN: dict[str, JsonValue] = {
    "corpus": {"documents": ["general.txt"]},
    "layers": 1,
    "width": 32,
    "heads": 2,
    "vocab_size": 300,
    "context_length": 32,
    "tokens": 8000,
    "batch_tokens": 256,
    "learning_rate": 1e-2,
}


class Killed(Exception):
    """The process died here."""


def make_corpus(store: Store, splits: dict[str, list[str]]) -> ArtifactRef:
    def fill(folder: Path) -> None:
        with CorpusWriter(as_shard(folder), 10_000) as writer:
            for split, texts in splits.items():
                for n, text in enumerate(texts):
                    writer.add(split, Document("general.txt", n + 1, f"{split}-{n}", text, ""))

    return publish(store, "corpus", {"all": (fill, {})}, {"splits": sorted(splits)})


def make_run(store: Store, corpus: ArtifactRef, attempt: str, artifact: str = "a") -> ShardRun:
    ref = ArtifactRef(stage="base_model", fingerprint=artifact * 32)
    config: dict[str, JsonValue] = {"base_model": {"pretrain": PRETRAIN}}
    job = make_job(ref, config, {"corpus": corpus})
    settings = RunSettings(device="cpu")
    return ShardRun(job, "all", settings, store, store.writer(ref, "all", attempt), lambda *_: None)


def test_a_pretrained_model_is_a_usable_folder_and_has_learned(store: Store) -> None:
    corpus = make_corpus(store, {"train": TEXTS[:12], "valid": TEXTS[12:]})
    run = make_run(store, corpus, "one")
    meta = pretrain_shard(run)

    folder = run.writer.folder
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == model.config.vocab_size == meta["vocab_size"] == 300
    assert tokenizer.decode(tokenizer(TEXTS[3])["input_ids"]) == TEXTS[3]
    valid = [
        p["loss"]
        for p in pl.read_parquet(folder / "curves.parquet").to_dicts()
        if p["split"] == "valid"
    ]
    assert meta["valid_loss"] == min(valid) < 0.6 * valid[0]
    assert isinstance(meta["positions_trained"], int)
    assert 0.9 * 8000 < meta["positions_trained"] < 1.1 * 8000 + 256
    assert not (folder / "token-files").exists()


def test_a_killed_and_resumed_pretraining_has_the_bytes_of_an_uninterrupted_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(store, {"train": TEXTS[:12], "valid": TEXTS[12:]})
    whole = make_run(store, corpus, "whole", "a")
    meta = pretrain_shard(whole)

    seconds = iter(range(0, 10**9, 40))  # every look at the clock is 40 s later: save every step
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))

    def die(_fraction: float, note: str) -> None:
        if note.startswith("step 13/"):
            raise Killed

    killed = make_run(store, corpus, "killed", "b")
    with pytest.raises(Killed):
        pretrain_shard(
            ShardRun(killed.job, "all", killed.settings, store, killed.writer, die),
        )
    assert store.scratch(killed.job.ref).latest() is not None
    resumed = make_run(store, corpus, "resumed", "b")

    assert pretrain_shard(resumed) == meta
    assert contents(resumed.writer.folder) == contents(whole.writer.folder)


def test_a_corpus_without_a_valid_split_keeps_the_last_weights(store: Store) -> None:
    meta = pretrain_shard(make_run(store, make_corpus(store, {"train": TEXTS}), "one"))
    assert meta["best_step"] == meta["steps"]
    assert "valid_loss" not in meta


def test_a_corpus_without_training_text_is_refused(store: Store) -> None:
    with pytest.raises(UserError, match="no text in its train split"):
        pretrain_shard(make_run(store, make_corpus(store, {"valid": TEXTS}), "one"))
