"""Two splits of random documents, models over them and their scores, as small artifacts."""

from pathlib import Path

import numpy as np
from pydantic import JsonValue
from transformers import PreTrainedModel

from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from storage.score_parquet import write_scores
from storage.token_shards import write_token_shard
from tests.artifacts import Fill, publish
from tests.oracles_perplexity import sliding_window_log_probs
from tests.tiny_models import tiny_model, tiny_tokenizer

VOCABULARY = 400
LENGTHS = {"valid": [40, 1, 25, 33], "test": [28, 50]}
TOKENS = {
    split: np.random.default_rng(len(lengths)).integers(1, VOCABULARY, sum(lengths))
    for split, lengths in LENGTHS.items()
}
POSITIONS = {split: sum(length - 1 for length in LENGTHS[split]) for split in LENGTHS}
WINDOWS: dict[str, JsonValue] = {"length": 16, "stride": 8, "scope": "document"}


def publish_tokens(store: Store) -> ArtifactRef:
    """The tokens of both splits, made by a base model with the usual tokenizer."""
    inputs = {"base_model": publish_model(store, seed=0)}
    return publish(store, "tokens", {f"{s}-00000": (_fill(s), {}) for s in LENGTHS}, inputs=inputs)


def _fill(split: str) -> Fill:
    def fill(folder: Path) -> None:
        names = [f"{split} {number}" for number in range(len(LENGTHS[split]))]
        lengths = np.array(LENGTHS[split])
        write_token_shard(folder, names, TOKENS[split].astype(np.uint16), lengths)

    return fill


def publish_model(
    store: Store,
    seed: int,
    padded: int = VOCABULARY,
    tokenizer_size: int = VOCABULARY,
    stage: str = "base_model",
) -> ArtifactRef:
    """A model with random weights, its head padded to `padded` logits."""

    def fill(folder: Path) -> None:
        _model(seed, padded).save_pretrained(folder)
        tiny_tokenizer(tokenizer_size).save_pretrained(folder)

    return publish(store, stage, {"all": (fill, {})}, {"seed": seed, "padded": padded})


def publish_scores(store: Store, model: ArtifactRef, seed: int, padded: int) -> ArtifactRef:
    """A model's scores, computed by plain loops."""

    def fill_split(split: str) -> Fill:
        return lambda folder: write_scores(folder, plain_scores(seed, padded, split)[None])

    shards = {split: (fill_split(split), {}) for split in LENGTHS}
    return publish(store, "scores", shards, inputs={"model": model})


def plain_scores(seed: int, padded: int, split: str) -> np.ndarray:
    """Log-probabilities of a split's positions, window after window."""
    documents = np.split(TOKENS[split], np.cumsum(LENGTHS[split])[:-1])
    model = _model(seed, padded)
    scores = [sliding_window_log_probs(model, text, 16, 8, VOCABULARY) for text in documents]
    return np.concatenate(scores)


def _model(seed: int, padded: int) -> PreTrainedModel:
    return tiny_model("gpt2", seed=seed, vocab_size=padded, width=64)
