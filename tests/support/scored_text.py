"""Splits of random documents, models over them and their scores, as small artifacts."""

from pathlib import Path

import numpy as np
from pydantic import JsonValue
from transformers import PreTrainedModel

from storage.formats.position_columns import write_scores
from storage.formats.token_shards import write_token_shard
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tests.oracles.perplexity_oracle import sliding_window_log_probs
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.tiny_models import tiny_model, tiny_tokenizer

VOCABULARY = 400
LENGTHS = {"valid": [40, 1, 25, 33], "test": [28, 50]}
TOKENS = {
    split: np.random.default_rng(len(lengths)).integers(1, VOCABULARY, sum(lengths))
    for split, lengths in LENGTHS.items()
}
POSITIONS = {split: sum(length - 1 for length in LENGTHS[split]) for split in LENGTHS}
TRAIN_LENGTHS = [40, 0, 1, 77, 2, 60]
_UNLIKE_BOTH = np.random.default_rng(9).integers(1, VOCABULARY, 80)
_TRAIN_TOKENS = np.concatenate([TOKENS["valid"][20:80], _UNLIKE_BOTH, TOKENS["test"][15:55]])
"""Some of both splits' text, so that there is something to retrieve."""
WINDOWS: dict[str, JsonValue] = {"length": 16, "stride": 8, "scope": "document"}


def publish_tokens(store: Store) -> ArtifactRef:
    """The tokens of all splits, made by a base model with the usual tokenizer."""
    inputs = {"base_model": publish_model(store, seed=0)}
    shards = {f"{split}-00000": (_fill(split), {}) for split in ("train", *LENGTHS)}
    lengths = LENGTHS | {"train": TRAIN_LENGTHS}
    figures: dict[str, JsonValue] = {split: _counts(of) for split, of in lengths.items()}
    return publish(store, "tokens", shards, inputs=inputs, figures=figures)


def _counts(lengths: list[int]) -> JsonValue:
    positions = sum(max(length - 1, 0) for length in lengths)
    counts = {"documents": len(lengths), "tokens": sum(lengths), "positions": positions}
    return {**counts, "characters": 5 * sum(lengths)}


def _fill(split: str) -> Fill:
    def fill(folder: Path) -> None:
        texts = documents(split)
        names = [f"{split} {number}" for number in range(len(texts))]
        lengths = np.array([len(text) for text in texts])
        write_token_shard(as_shard(folder), names, np.concatenate(texts).astype(np.uint16), lengths)

    return fill


def documents(split: str) -> list[np.ndarray]:
    """The tokens of each document of a split: train, valid or test."""
    if split == "train":
        return np.split(_TRAIN_TOKENS, np.cumsum(TRAIN_LENGTHS)[:-1])
    return np.split(TOKENS[split], np.cumsum(LENGTHS[split])[:-1])


def publish_model(
    store: Store,
    seed: int,
    padded: int = VOCABULARY,
    tokenizer_size: int = VOCABULARY,
    stage: str = "base_model",
) -> ArtifactRef:
    """A model with random weights, its head padded to `padded` logits."""

    def fill(folder: Path) -> None:
        make_model(seed, padded).save_pretrained(folder)
        tiny_tokenizer(tokenizer_size).save_pretrained(folder)

    return publish(store, stage, {"all": (fill, {})}, {"seed": seed, "padded": padded})


def publish_scores(store: Store, model: ArtifactRef, seed: int, padded: int) -> ArtifactRef:
    """A model's scores, computed by plain loops."""

    def fill_split(split: str) -> Fill:
        return lambda folder: write_scores(
            as_shard(folder), plain_scores(seed, padded, split)[None]
        )

    shards = {split: (fill_split(split), {}) for split in LENGTHS}
    return publish(store, "scores", shards, inputs={"model": model})


def plain_scores(seed: int, padded: int, split: str) -> np.ndarray:
    """Log-probabilities of a split's positions, window after window."""
    model = make_model(seed, padded)
    scores = [sliding_window_log_probs(model, text, 16, 8, VOCABULARY) for text in documents(split)]
    return np.concatenate(scores)


def make_model(seed: int, padded: int = VOCABULARY) -> PreTrainedModel:
    """The model that `publish_model` publishes."""
    return tiny_model("gpt2", seed=seed, vocab_size=padded, width=64)
