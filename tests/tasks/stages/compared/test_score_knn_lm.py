"""kNN-LM's scores from artifacts the pipeline's own stages built, against whole forward passes."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from pydantic import JsonValue

from memdec_core.search import neighbour_search
from storage.formats.position_columns import read_scores
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.build_embeddings import embed_shard, list_shards
from tasks.stages.build_index import index_shard
from tasks.stages.compared.score_knn_lm import score_shard
from tests.oracles.embeddings_oracle import slow_rows
from tests.oracles.knn_oracle import brute_neighbours, dictionary_distribution, everything
from tests.support.jobs import make_job
from tests.support.knn_runs import build, knn_job
from tests.support.scored_text import (
    LENGTHS,
    POSITIONS,
    VOCABULARY,
    WINDOWS,
    documents,
    make_model,
    publish_model,
    publish_tokens,
)

REF = ArtifactRef(stage="scores", fingerprint="5" * 32)
SEED = 3
K = 7
TAUS = (2.0, 30.0)


@dataclass(frozen=True)
class Scored:
    """A split's scores, their figures, and the fractions that were reported on the way."""

    scores_GN: np.ndarray
    figures: dict[str, JsonValue]
    fractions: list[float]


def score(
    store: Store,
    split: str,
    scope: str = "document",
    k: int = K,
    memory_gb: float = 2,
    further: dict[str, JsonValue] | None = None,
) -> Scored:
    """Builds a datastore of several shards and its index, and scores a split with them."""
    embedding: dict[str, JsonValue] = {
        "embeddings": {"shard_positions": 50},
        "windows": WINDOWS | {"scope": scope},
    }
    tokens, model = publish_tokens(store), publish_model(store, SEED)
    keys = knn_job("embeddings", embedding, {"tokens": tokens, "base_model": model})
    for shard in list_shards(keys, store):
        build(store, keys, shard, embed_shard)
    index = knn_job("index", {"index": {}}, {"embeddings": keys.ref})
    build(store, index, "all", index_shard)

    config = embedding | {"knn_lm": {"k": k, "taus": [*TAUS]}} | (further or {})
    inputs = {"tokens": tokens, "model": model, "embeddings": keys.ref, "index": index.ref}
    writer = store.writer(REF, split, "a" * 32)
    settings = RunSettings(device="cpu", memory_gb=memory_gb)
    fractions: list[float] = []
    figures = score_shard(
        ShardRun(
            make_job(REF, config, inputs),
            split,
            settings,
            store,
            writer,
            lambda fraction, _note: fractions.append(fraction),
        )
    )
    writer.commit(figures, seconds=1, peak_memory_bytes=1)
    return Scored(read_scores(store.readers(REF)[split]), figures, fractions)


def plain_knn_scores(
    split: str, scope: str = "document", k: int = K, vocabulary: int = VOCABULARY
) -> np.ndarray:
    """Scores (G, N) of a split by one window, one position and one distance at a time."""
    train, queries = (
        slow_rows(make_model(SEED), [text.tolist() for text in documents(name)], 16, 8, scope)
        for name in ("train", split)
    )
    keys_RD, keys_ND = (
        np.stack([row.key_D for row in rows]).astype(np.float16) for rows in (train, queries)
    )
    values = [row.next_token for row in train]
    found = [
        [(distance, row) for distance, row in pairs if values[row] < vocabulary]
        for pairs in brute_neighbours(keys_ND, keys_RD, k, everything)
    ]
    scores_GN = np.full((len(TAUS), len(queries)), -np.inf)
    for g, tau in enumerate(TAUS):
        for n, (pairs, row) in enumerate(zip(found, queries, strict=True)):
            masses = dictionary_distribution(pairs, values, tau) if pairs else {}
            if row.next_token in masses:
                scores_GN[g, n] = math.log(masses[row.next_token])
    return scores_GN


def check(scored: Scored, expected_GN: np.ndarray) -> None:
    # an entry of a key may round to the other float16 in a batch, which moves a distance by 1e-3
    np.testing.assert_allclose(scored.scores_GN, expected_GN, rtol=1e-5, atol=2e-3)
    found_N = np.isfinite(expected_GN[0])
    assert 0.1 < found_N.mean() < 0.9, "both kinds of positions"
    assert scored.figures["positions"] == expected_GN.shape[1]
    assert scored.figures["found"] == pytest.approx(found_N.mean())
    assert scored.fractions == sorted(scored.fractions)
    assert scored.fractions[-1] == 1.0


@pytest.mark.parametrize("split", list(LENGTHS))
@pytest.mark.parametrize("scope", ["document", "stream"])
def test_scores_are_those_of_whole_forward_passes(store: Store, split: str, scope: str) -> None:
    scored = score(store, split, scope)
    check(scored, plain_knn_scores(split, scope))
    expected = {"document": POSITIONS[split], "stream": sum(LENGTHS[split]) - 1}
    assert scored.figures["positions"] == expected[scope]


@pytest.mark.parametrize("scope", ["document", "stream"])
@pytest.mark.parametrize(("fewest", "searches"), [(10, 2), (2048, 1)])
def test_little_memory_changes_no_score_however_many_positions_are_searched_for_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, scope: str, fewest: int, searches: int
) -> None:
    monkeypatch.setattr(neighbour_search, "FAISS_BLOCK", fewest)
    scored = score(store, "valid", scope, memory_gb=0.0009)  # batches of one window, two groups
    assert min(len(scored.fractions), 2) == searches
    check(scored, plain_knn_scores("valid", scope))


def test_a_datastore_of_fewer_rows_than_neighbours_gives_all_of_them(store: Store) -> None:
    check(score(store, "valid", k=1000), plain_knn_scores("valid", k=1000))


def test_neighbours_with_tokens_that_not_all_models_have_do_not_count(store: Store) -> None:
    scored = score(store, "valid", further={"vocabulary": {"size": 350}})
    expected_GN = plain_knn_scores("valid", vocabulary=350)
    check(scored, expected_GN)
    assert (expected_GN != plain_knn_scores("valid")).any()
