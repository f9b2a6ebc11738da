"""The tokens stage: one shard per corpus part, the same bytes again, honest figures."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue

from memdec_core.errors import UserError
from storage.documents.document_records import Document
from storage.formats.corpus_parquet import CorpusWriter
from storage.formats.token_shards import TokenReader
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun
from tasks.stages.build_tokens import list_shards, summarise, tokenize_shard
from tests.support.artifacts import as_shard, publish
from tests.support.jobs import make_job
from tests.support.tiny_models import TEXTS, tiny_model_folder, tiny_tokenizer

DOCUMENTS = {
    "train": [f"{text} {i}" for i, text in enumerate(TEXTS)],
    "valid": ["a memory", "x", "<|endoftext|> is text"],
    "test": ["what is read is predicted"],
}
ATTEMPTS = ("1" * 32, "2" * 32)
REF = ArtifactRef(stage="tokens", fingerprint="0" * 32)


def publish_corpus(store: Store, documents: dict[str, list[str]]) -> ArtifactRef:
    def fill(folder: Path) -> None:
        with CorpusWriter(as_shard(folder), part_characters=400) as writer:
            for split, texts in documents.items():
                for i, text in enumerate(texts):
                    writer.add(
                        split, Document("file.jsonl", i + 1, f"{split}-{i}", text, f"{split}-{i}")
                    )

    characters: dict[str, JsonValue] = {s: sum(map(len, t)) for s, t in documents.items()}
    return publish(store, "corpus", {"all": (fill, {"characters": characters})})


def publish_model(store: Store, tmp_path: Path) -> ArtifactRef:
    source = tiny_model_folder(tmp_path)

    def fill(folder: Path) -> None:
        for path in source.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())

    return publish(store, "base_model", {"all": (fill, {})})


@pytest.fixture
def job(store: Store, tmp_path: Path) -> StageJob:
    return make_job(
        REF,
        {"tokens": {"separator": "eos"}},
        {
            "corpus": publish_corpus(store, DOCUMENTS),
            "base_model": publish_model(store, tmp_path),
        },
    )


def build(job: StageJob, store: Store, shard: str) -> dict[str, JsonValue]:
    """Runs one shard and commits it, as a worker does."""
    writer = store.writer(job.ref, shard, ATTEMPTS[0])
    progress: list[float] = []
    settings = RunSettings(store=store.url)
    run = ShardRun(job, shard, settings, store, writer, lambda f, _: progress.append(f))
    meta = tokenize_shard(run)
    assert progress == sorted(progress)
    assert progress[-1] <= 1
    writer.commit(meta, 0.1, 1)
    return meta


def test_every_part_of_the_corpus_is_a_shard(job: StageJob, store: Store) -> None:
    shards = list_shards(job, store)
    assert [name for name in shards if not name.startswith("train-")] == [
        "valid-00000",
        "test-00000",
    ]
    assert sum(name.startswith("train-") for name in shards) > 2


def test_the_stream_is_every_document_in_order_with_its_separator(
    job: StageJob, store: Store
) -> None:
    for shard in list_shards(job, store):
        build(job, store, shard)
    tokenizer = tiny_tokenizer()
    tokenizer.split_special_tokens = True
    for split, texts in DOCUMENTS.items():
        reader = TokenReader(store.readers(REF), split)
        expected = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts]
        offsets = reader.offsets_D1
        found = [reader.read(int(start), int(stop)).tolist() for start, stop in pairwise(offsets)]
        assert found == expected


def test_a_second_attempt_writes_the_same_bytes(job: StageJob, store: Store) -> None:
    folders = []
    for attempt in ATTEMPTS:
        writer = store.writer(REF, "train-00001", attempt)
        settings = RunSettings(store=store.url, threads=1)
        tokenize_shard(ShardRun(job, "train-00001", settings, store, writer, lambda *_: None))
        folders.append({path.name: path.read_bytes() for path in writer.folder.iterdir()})
    assert folders[0] == folders[1]
    assert sorted(folders[0]) == ["documents.parquet", "lengths.npy", "tokens.npy"]


def test_figures_add_up_over_the_shards_of_a_split(job: StageJob, store: Store) -> None:
    metas = {shard: build(job, store, shard) for shard in list_shards(job, store)}
    figures = summarise(metas)
    for split, texts in DOCUMENTS.items():
        lengths = np.diff(TokenReader(store.readers(REF), split).offsets_D1)
        characters = sum(map(len, texts))
        assert figures[split] == {
            "documents": len(texts),
            "characters": characters,
            "tokens": lengths.sum(),
            "positions": (lengths - 1).sum(),
            "characters_per_token": round(characters / int(lengths.sum()), 3),
        }
    assert (figures["vocab_size"], figures["dtype"]) == (400, "uint16")


def test_a_split_with_nothing_to_predict_is_the_user_s_to_mend() -> None:
    stored: dict[str, JsonValue] = {"vocab_size": 400, "dtype": "uint16"}
    full = {"documents": 2, "characters": 9, "tokens": 4, "positions": 2} | stored
    none = {"documents": 2, "characters": 2, "tokens": 2, "positions": 0} | stored
    with pytest.raises(UserError, match="the valid split has 2 documents and not one"):
        summarise({"train-00000": full, "valid-00000": none, "test-00000": full})
    with pytest.raises(UserError, match="the test split has 0 documents"):
        summarise({"train-00000": full, "valid-00000": full})
