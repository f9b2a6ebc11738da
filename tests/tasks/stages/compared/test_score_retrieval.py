"""Scores with retrieved passages, against a loop that retrieves for one token at a time."""

import numpy as np
import pytest
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.systems.retrieval_config import RetrievalConfig
from storage.formats.position_columns import read_scores
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.compared.score_retrieval import score_shard
from tests.oracles.retrieval_oracle import retrieval_log_prob
from tests.oracles.windows_oracle import sliding_windows
from tests.support.jobs import make_job
from tests.support.scored_text import (
    LENGTHS,
    TRAIN_LENGTHS,
    WINDOWS,
    documents,
    make_model,
    plain_scores,
    publish_model,
    publish_tokens,
)

REF = ArtifactRef(stage="scores", fingerprint="5" * 32)
SEED = 3
CONFIG = RetrievalConfig(query_tokens=6, stride=3, passage_tokens=12)


def scoring_of(
    store: Store,
    split: str,
    scope: str = "document",
    memory_gb: float = 2,
    config: RetrievalConfig = CONFIG,
) -> ShardRun:
    sections: dict[str, JsonValue] = {
        "scoring": {},
        "retrieval": config.model_dump(),
        "windows": WINDOWS | {"scope": scope},
    }
    inputs = {"tokens": publish_tokens(store), "model": publish_model(store, SEED)}
    writer = store.writer(REF, split, "a" * 32)
    settings = RunSettings(device="cpu", memory_gb=memory_gb)
    job = make_job(REF, sections, inputs)
    return ShardRun(job, split, settings, store, writer, lambda _fraction, _note: None)


def train_passages() -> list[np.ndarray]:
    size = CONFIG.passage_tokens
    return [
        text[start : start + size]
        for text in documents("train")
        for start in range(0, len(text), size)
    ]


def plain_retrieval_scores(split: str, scope: str) -> np.ndarray:
    """Scores (N,) of a split, window after window."""
    model, passages = make_model(SEED), train_passages()
    stream = np.concatenate(documents(split))
    scores = []
    for start, end, scored in sliding_windows(LENGTHS[split], 16, 8, scope):
        tokens = stream[start:end]
        places = [position - start for position in scored]
        scores += [
            retrieval_log_prob(model, passages, tokens, place, places[0], CONFIG)[tokens[place]]
            for place in places
        ]
    return np.array(scores)


@pytest.mark.parametrize("memory_gb", [2, 0.001])
@pytest.mark.parametrize("scope", ["document", "stream"])
@pytest.mark.parametrize("split", list(LENGTHS))
def test_scores_are_those_of_a_loop_over_single_tokens(
    store: Store, split: str, scope: str, memory_gb: float
) -> None:
    run = scoring_of(store, split, scope, memory_gb)
    figures = score_shard(run)
    run.writer.commit(figures, seconds=1, peak_memory_bytes=1)
    (scores_N,) = read_scores(store.readers(REF)[split])
    expected_N = plain_retrieval_scores(split, scope)
    np.testing.assert_allclose(scores_N, expected_N, rtol=1e-5, atol=1e-5)
    if scope == "document":
        without_N = plain_scores(SEED, 400, split)
        assert (abs(expected_N - without_N) > 1e-3).mean() > 0.1, "passages were read"
    assert figures["positions"] == len(expected_N)
    assert figures["passages"] == sum(-(-length // 12) for length in TRAIN_LENGTHS) == 18
    assert figures["perplexity"] == pytest.approx(np.exp(-expected_N.mean()), rel=1e-5)


def test_a_passage_too_long_for_the_model_is_the_users_to_mend(store: Store) -> None:
    config = CONFIG.model_copy(update={"passage_tokens": 250})
    with pytest.raises(UserError, match="set passage_tokens to 247 or less"):
        score_shard(scoring_of(store, "valid", config=config))
