"""Features of small models over the splits of a corpus, against plain loops."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from memdec_core.router.router_features import FEATURES
from storage.formats.position_columns import read_features
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.compared.extract_router_features import extract_shard
from tests.oracles import router_oracle
from tests.support.jobs import make_job
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

REF = ArtifactRef(stage="router_features", fingerprint="5" * 32)


def extract(store: Store, split: str) -> dict[str, object]:
    inputs = {
        "tokens": publish_tokens(store),
        "base": publish_model(store, 1, padded=448),
        "memory": publish_model(store, 2, stage="memory"),
    }
    writer = store.writer(REF, split, "a" * 32)
    job = make_job(REF, {"scoring": {}, "windows": WINDOWS}, inputs)
    settings = RunSettings(device="cpu", memory_gb=2)
    run = ShardRun(job, split, settings, store, writer, lambda _fraction, _note: None)
    figures = extract_shard(run)
    writer.commit(figures, seconds=1, peak_memory_bytes=1)
    return {**figures}


def distributions(model: PreTrainedModel, text: np.ndarray) -> list[np.ndarray]:
    """Of every token of a document but the first; windows of 16 tokens advance by 8."""
    found: list[np.ndarray] = []
    for start in range(0, max(len(text) - 8, 1), 8):
        window = torch.from_numpy(text[start : start + 16].astype(np.int64))[None]
        with torch.no_grad():
            logits_TV = model(input_ids=window).logits[0, :-1, :VOCABULARY].double()
        new = logits_TV if start == 0 else logits_TV[7:]
        found += [*torch.log_softmax(new, dim=-1).numpy()]
    return found[: max(len(text) - 1, 0)]


@pytest.mark.parametrize("split", list(LENGTHS))
def test_features_are_those_of_a_plain_loop(store: Store, split: str) -> None:
    figures = extract(store, split)
    found_NF = read_features(store.readers(REF)[split], FEATURES)
    base, memory = make_model(1, 448), make_model(2)
    expected = [
        router_oracle.features(*pair)
        for text in documents(split)
        for pair in zip(distributions(base, text), distributions(memory, text), strict=True)
    ]
    assert figures["positions"] == len(expected) == POSITIONS[split]
    np.testing.assert_allclose(found_NF, np.stack(expected), rtol=1e-4, atol=1e-4)
