"""The latency stage over artifacts that the pipeline's own stages built; no time is judged."""

import os
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import pytest
import torch
from pydantic import JsonValue

from memdec_core.decoding.latency import joint_flops_ratio
from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from memdec_core.systems.knn_lm import KnnLM
from memdec_core.systems.passage_retrieval import PassageIndex, cut_passages
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.systems.retrieval_lm import RetrievalLM
from storage.formats.embedding_zarr import EmbeddingReader
from storage.formats.row_tables import LATENCIES
from storage.formats.token_shards import TokenReader
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.comparison.timed_systems import TAU, WEIGHT, TimedSystem, open_systems
from tasks.inputs.open_datastore import open_datastore
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.build_embeddings import embed_shard, list_shards
from tasks.stages.build_index import index_shard
from tasks.stages.compared.measure_latency import measure_shard
from tests.support.jobs import make_job
from tests.support.knn_runs import build, knn_job
from tests.support.scored_text import (
    LENGTHS,
    TOKENS,
    TRAIN_LENGTHS,
    VOCABULARY,
    WINDOWS,
    make_model,
    publish_model,
    publish_tokens,
)

REF = ArtifactRef(stage="latency", fingerprint="7" * 32)
BASE, MEMORY = 3, 4
OWN_ROWS = sum(max(length - 1, 0) for length in TRAIN_LENGTHS)
RETRIEVAL = RetrievalConfig(query_tokens=6, stride=3, passage_tokens=12)
LATENCY: dict[str, JsonValue] = {
    "contexts": [8, 20, 5000],
    "datastore_rows": [60, 500],
    "new_tokens": 4,
    "repeats": 2,
}
CONFIG: dict[str, JsonValue] = {
    "latency": LATENCY,
    "scoring": {},
    "index": {"recall_k": 8},
    "knn_lm": {"k": 7},
    "retrieval": RETRIEVAL.model_dump(),
}
LONGEST = sum(LENGTHS["test"])
"""As long as the text is; the model reads 256 tokens."""


def latency_of(
    store: Store, without: Iterable[str] = (), config: dict[str, JsonValue] = CONFIG
) -> ShardRun:
    """A job with what all systems need, except inputs and sections that are left out."""
    base = publish_model(store, BASE)
    tokens = publish_tokens(store)
    inputs = {"tokens": tokens, "base": base, "memory": publish_model(store, MEMORY)}
    if "embeddings" not in without:
        sections: dict[str, JsonValue] = {
            "embeddings": {"shard_positions": 50},
            "windows": WINDOWS,
        }
        keys = knn_job("embeddings", sections, {"tokens": tokens, "base_model": base})
        for shard in list_shards(keys, store):
            build(store, keys, shard, embed_shard)
        index = knn_job("index", {"index": {}}, {"embeddings": keys.ref})
        build(store, index, "all", index_shard)
        inputs |= {"embeddings": keys.ref, "index": index.ref}
    kept = {name: section for name, section in config.items() if name not in without}
    return ShardRun(
        make_job(REF, kept, {name: ref for name, ref in inputs.items() if name not in without}),
        "all",
        RunSettings(device="cpu"),
        store,
        store.writer(REF, "all", "a" * 32),
        lambda _fraction, _note: None,
    )


Rows = list[dict[str, JsonValue]]


def measured(run: ShardRun) -> tuple[Rows, dict[str, JsonValue]]:
    figures = measure_shard(run)
    run.writer.commit(figures, seconds=1, peak_memory_bytes=1)
    return LATENCIES.read(run.store.only(REF)), figures


class Everything(NamedTuple):
    """A job with what all systems need, and what was measured by it."""

    run: ShardRun
    rows: Rows
    figures: dict[str, JsonValue]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    """For all who only read it."""
    run = latency_of(Store.open(str(tmp_path_factory.mktemp("measured"))))
    return Everything(run, *measured(run))


def opened(run: ShardRun) -> dict[tuple[str, int | None], TimedSystem]:
    base, memory = (TransformerLM(make_model(seed), VOCABULARY) for seed in (BASE, MEMORY))
    systems = open_systems(run, base, memory)
    return {(system.name, system.datastore_rows): system for system in systems}


def test_the_table_has_every_system_for_every_context_and_size(everything: Everything) -> None:
    _, rows, figures = everything
    sizes = [("base", None), ("memory", None), ("rag", None)]
    sizes += [("knn_lm", n_rows) for n_rows in (60, OWN_ROWS, 500)]
    expected = [(context, *size) for context in (8, 20, LONGEST) for size in sizes]
    assert [(r["context"], r["system"], r["datastore_rows"]) for r in rows] == expected
    for row in rows:
        assert min(row[c] for c in ("first_token_ms", "ms_per_token", "ratio_low")) > 0
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
        assert row["tokens_per_second"] == pytest.approx(1000 / row["ms_per_token"])
        assert row["device"] == "CPU"
        assert (row["cores"], row["threads"]) == (os.cpu_count(), torch.get_num_threads())
    assert {row["base"] for row in rows} == {"gpt2-142k"}
    ratios = {row["datastore_rows"] or row["system"]: row["ratio"] for row in rows[-6:]}
    assert figures == {
        "context": LONGEST,
        "memory_flops_ratio": joint_flops_ratio(make_model(BASE), make_model(MEMORY), LONGEST),
        "memory_ratio": ratios["memory"],
        "rag_ratio": ratios["rag"],
        "knn_lm_60_ratio": ratios[60],
        f"knn_lm_{OWN_ROWS}_ratio": ratios[OWN_ROWS],
        "knn_lm_500_ratio": ratios[500],
    }


def test_operations_are_known_of_base_and_memory_alone(everything: Everything) -> None:
    base, memory = make_model(BASE), make_model(MEMORY)
    for row in everything.rows:
        joint = joint_flops_ratio(base, memory, row["context"])
        assert row["flops_ratio"] == {"base": 1.0, "memory": joint}.get(row["system"])


def test_the_picture_is_written_beside_the_table(everything: Everything) -> None:
    reader = everything.run.store.only(REF)
    assert set(reader.names()) == {"latency.parquet", "latency.png"}
    assert reader.read("latency.png").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("without", "left"),
    [
        (["retrieval"], {"base", "memory", "knn_lm"}),
        (["embeddings", "index"], {"base", "memory", "rag"}),
        (["index"], {"base", "memory", "rag"}),
    ],
)
def test_systems_that_lack_what_they_need_are_left_out(
    store: Store, without: list[str], left: set[str]
) -> None:
    rows, _ = measured(latency_of(store, without))
    assert {row["system"] for row in rows} == left


def plain_systems(run: ShardRun) -> dict[tuple[str, int | None], LanguageModel]:
    """The same systems without caches, on the base's own datastore."""
    base, memory = (TransformerLM(make_model(seed), VOCABULARY) for seed in (BASE, MEMORY))
    train = TokenReader(run.store.readers(run.job.inputs["tokens"]), "train")
    passages = [train.read(*span) for span in cut_passages(train.offsets_D1, 12).tolist()]
    index = PassageIndex.build(passages, RETRIEVAL)
    embeddings = EmbeddingReader(run.store.readers(run.job.inputs["embeddings"]), "train")
    datastore = open_datastore(run.store.readers(run.job.inputs["index"])["all"], embeddings)
    values = embeddings.next_tokens()
    return {
        ("base", None): base,
        ("memory", None): MixtureLM(base, memory, 0.5),
        ("rag", None): RetrievalLM(base, index, passages.__getitem__, RETRIEVAL, batch_tokens=4096),
        ("knn_lm", OWN_ROWS): KnnLM(base, datastore, values, k=7, tau=TAU, weight=WEIGHT),
    }


def test_what_is_timed_predicts_what_the_systems_say(everything: Everything) -> None:
    run = everything.run
    systems = opened(run)
    tokens = TOKENS["test"][:40].tolist()
    last = []
    for key, lm in plain_systems(run).items():
        expected_TV = lm.log_probs(torch.tensor([tokens]))[0]
        decoder = systems[key].new_decoder()
        fed = [decoder.feed(tokens[:30]), *(decoder.feed([token]) for token in tokens[30:])]
        torch.testing.assert_close(torch.stack(fed), expected_TV[29:], atol=2e-3, rtol=0)
        last.append(fed[-1])
    for one, other in combinations(last, 2):
        assert float((one - other).abs().max()) > 0.1, "a mix-up would not show"


def test_bytes_are_those_of_weights_index_and_values(
    everything: Everything, tmp_path: Path
) -> None:
    run = everything.run
    systems = opened(run)
    weights, files = {}, {}
    for seed in (BASE, MEMORY):
        model = make_model(seed)
        model.save_pretrained(tmp_path / str(seed))
        weights[seed] = 4 * model.num_parameters()
        files[seed] = (tmp_path / str(seed) / "model.safetensors").stat().st_size
    base, memory = systems["base", None], systems["memory", None]
    assert (base.memory_bytes, base.disk_bytes) == (weights[BASE], files[BASE])
    assert memory.memory_bytes == sum(weights.values())
    assert memory.disk_bytes == sum(files.values())
    for n_rows in (60, OWN_ROWS, 500):
        flat = faiss.serialize_index(filled_flat(n_rows)).nbytes
        system = systems["knn_lm", n_rows]
        assert system.memory_bytes - base.memory_bytes == flat + 4 * n_rows
        assert system.disk_bytes - base.disk_bytes == flat + 4 * n_rows
    train = TokenReader(run.store.readers(run.job.inputs["tokens"]), "train")
    passages = cut_passages(train.offsets_D1, 12)
    index = PassageIndex.build([train.read(*span) for span in passages.tolist()], RETRIEVAL)
    arrays = [index._retriever.scores[name] for name in ("data", "indices", "indptr")]
    added = sum(array.nbytes for array in [*arrays, passages]) + 2 * sum(TRAIN_LENGTHS)
    assert systems["rag", None].memory_bytes - base.memory_bytes == added
    assert systems["rag", None].disk_bytes - base.disk_bytes == added


def filled_flat(n_rows: int) -> faiss.Index:
    index = faiss.IndexFlatL2(64)
    index.add(np.zeros((n_rows, 64), np.float32))
    return index


def test_too_many_new_tokens_are_the_users_to_mend(store: Store) -> None:
    config = CONFIG | {"latency": LATENCY | {"new_tokens": 256}}
    with pytest.raises(UserError, match=r"at most 256: set it to 255 or less"):
        measure_shard(latency_of(store, ["embeddings", "index"], config))


def test_prompts_leave_room_for_the_new_tokens(store: Store) -> None:
    config = CONFIG | {"latency": LATENCY | {"new_tokens": 240, "repeats": 1}}
    rows, _ = measured(latency_of(store, ["embeddings", "index", "retrieval"], config))
    assert {row["context"] for row in rows} == {8, 16}
