"""Scores of small models, against plain loops."""

import numpy as np
import pytest

from memdec_core.errors import UserError
from storage.formats.position_columns import read_scores
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.score_model import list_splits, score_shard
from tests.support.artifacts import publish
from tests.support.jobs import make_job
from tests.support.scored_text import (
    LENGTHS,
    POSITIONS,
    WINDOWS,
    plain_scores,
    publish_model,
    publish_tokens,
)

REF = ArtifactRef(stage="scores", fingerprint="5" * 32)


def scoring_of(store: Store, model: ArtifactRef, split: str, memory_gb: float = 2) -> ShardRun:
    inputs = {"tokens": publish_tokens(store), "model": model}
    job = make_job(REF, {"scoring": {}, "windows": WINDOWS}, inputs)
    writer = store.writer(REF, split, "a" * 32)
    settings = RunSettings(device="cpu", memory_gb=memory_gb)
    return ShardRun(job, split, settings, store, writer, lambda _fraction, _note: None)


@pytest.mark.parametrize("split", list(LENGTHS))
@pytest.mark.parametrize("padded", [400, 448])
def test_scores_are_those_of_a_plain_loop(store: Store, split: str, padded: int) -> None:
    run = scoring_of(store, publish_model(store, 3, padded), split)
    figures = score_shard(run)
    run.writer.commit(figures, seconds=1, peak_memory_bytes=1)
    (scores_N,) = read_scores(store.readers(REF)[split])
    expected_N = plain_scores(3, padded, split)
    np.testing.assert_allclose(scores_N, expected_N, rtol=1e-5, atol=1e-6)
    assert figures["positions"] == len(expected_N) == POSITIONS[split]
    assert figures["perplexity"] == pytest.approx(np.exp(-expected_N.mean()), rel=1e-5)


def test_every_split_with_text_is_a_shard(store: Store) -> None:
    run = scoring_of(store, publish_model(store, 3), "valid")
    assert list_splits(run.job, store) == ["valid", "test"]


def test_without_validation_text_nothing_can_be_tuned(store: Store) -> None:
    run = scoring_of(store, publish_model(store, 3), "test")
    only_train = publish(store, "tokens", {})
    job = run.job.model_copy(update={"inputs": {"tokens": only_train}})
    with pytest.raises(UserError, match=r"no text in its valid split.*config\.corpus"):
        list_splits(job, store)


def test_a_model_with_another_tokenizer_is_the_users_mistake(store: Store) -> None:
    run = scoring_of(store, publish_model(store, 3, tokenizer_size=380), "valid")
    with pytest.raises(UserError, match=r"differ: .*vocabularies differ.*evaluation\.bases"):
        score_shard(run)
