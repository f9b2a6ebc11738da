"""What stages that score text share: their shards, the model as a system, the scores' files."""

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue

from memdec_core.models.language_model import LOGIT_BYTES, TransformerLM
from memdec_core.models.model_loading import load_model, resolve_device
from memdec_core.scoring.scoring_config import ScoringConfig
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.formats.data_file import ShardFolder
from storage.formats.position_columns import write_scores
from storage.store.artifact_store import Store
from tasks.inputs.cut_vocabulary import vocabulary_of
from tasks.inputs.evaluated_splits import open_splits
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun

MOST_BATCH_TOKENS = {"cpu": 8192, "cuda": 131_072}
"""Larger batches are no faster, and on a CPU they fall out of the caches."""


def list_splits(job: StageJob, store: Store) -> list[str]:
    """Name the shards: the splits that have positions to score."""
    return list(open_splits(job, store))


def write_split_scores(
    shard: ShardFolder, log_probs_GN: NDArray[np.float64], started: float
) -> dict[str, JsonValue]:
    """Write a split's scores and count them.

    Args:
        shard: Where.
        log_probs_GN: Scores by setting and position.
        started: `time.monotonic()` when the scoring began.
    """
    write_scores(shard, log_probs_GN)
    n = log_probs_GN.shape[1]
    return {
        "positions": n,
        "positions_per_second": round(n / (time.monotonic() - started), 1),
    }


def by_split(metas: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The figures of the splits, each under its name."""
    return dict(metas)


def open_model(run: ShardRun, role: str, config: ScoringConfig) -> TransformerLM:
    """A model as a system over its tokenizer's vocabulary, or over what the run's models share."""
    folder = run.only(role).folder()
    vocab_size = vocabulary_of(run, load_tokenizer(folder))
    return open_scored(folder, vocab_size, config, run.settings)


def open_scored(
    folder: Path, vocab_size: int, config: ScoringConfig, settings: RunSettings
) -> TransformerLM:
    """The model of a folder, as it is scored.

    Args:
        folder: In Hugging Face format.
        vocab_size: Ids that have a probability.
        config: Precision.
        settings: Device and memory.
    """
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.precision]
    model = load_model(folder, resolve_device(settings.device), dtype)
    logit_bytes = min(LOGIT_BYTES, _memory_bytes(settings) // 8)
    return TransformerLM(model, vocab_size, logit_bytes=logit_bytes)


def batch_tokens(lm: TransformerLM, settings: RunSettings) -> int:
    """Tokens of a batch: half of the worker's memory goes to activations."""
    fitting = _memory_bytes(settings) // 2 // lm.bytes_per_token
    return min(MOST_BATCH_TOKENS[lm.device.type], fitting)


def _memory_bytes(settings: RunSettings) -> int:
    return int(settings.memory_gb * 1e9)
