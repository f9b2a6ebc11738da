"""scores: the log-probability that a model gives every position of valid and test.

Every number of a comparison follows from such scores, so that one more base model, another grid of
α or more bootstrap samples cost no forward pass that was made before.
"""

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.models.language_model import LOGIT_BYTES, TransformerLM
from memdec_core.models.model_loading import load_model, resolve_device
from memdec_core.scoring.perplexity import perplexity, split_log_probs
from memdec_core.scoring.scoring_config import ScoringConfig
from memdec_core.text.tokenizer_compatibility import compare_tokenizers
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.formats.position_columns import write_scores
from storage.store.artifact_store import Store
from tasks.inputs.cut_vocabulary import check_split, vocabulary_of
from tasks.inputs.evaluated_splits import open_splits
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun, StageWork

MOST_BATCH_TOKENS = {"cpu": 8192, "cuda": 131_072}
"""Larger batches are no faster, and on a CPU they fall out of the caches."""


def list_splits(job: StageJob, store: Store) -> list[str]:
    """Name the shards: the splits that have positions to score."""
    return list(open_splits(job, store))


def score_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Score one split.

    Args:
        run: A shard named after its split; config sections `scoring` and `windows`, and
            `vocabulary` where the model's tokenizer is cut; inputs tokens and model.

    Returns:
        Positions, their perplexity, and how many were scored in a second.

    Raises:
        UserError: The model has another tokenizer than the tokens, the text spells out a token that
            not all models have, the context is shorter than the windows, or there is no validation
            text.
    """
    split = open_splits(run.job, run.store)[run.shard]
    _check_tokenizer(run)
    config = ScoringConfig.model_validate(run.job.config["scoring"])
    lm = open_model(run, "model", config)
    check_split(split, run.shard, lm.vocab_size)
    started = time.monotonic()
    log_probs_N = split_log_probs(
        lm,
        split.windows_W4,
        split.read_tokens,
        batch_tokens=batch_tokens(lm, run.settings),
        on_progress=lambda fraction: run.report(fraction, f"{run.shard} split"),
    )
    figures = write_split_scores(run.writer.folder, log_probs_N[np.newaxis], started)
    return figures | {"perplexity": perplexity(log_probs_N)}


def write_split_scores(
    folder: Path, log_probs_GN: NDArray[np.float64], started: float
) -> dict[str, JsonValue]:
    """Write a split's scores and count them.

    Args:
        folder: The shard's folder.
        log_probs_GN: Scores by setting and position.
        started: `time.monotonic()` when the scoring began.
    """
    write_scores(folder, log_probs_GN)
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
    folder = run.store.readers(run.job.inputs[role])["all"].folder()
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


def _check_tokenizer(run: ShardRun) -> None:
    """Check that the model's ids mean what they mean in the tokens."""
    made_by = run.store.require(run.job.inputs["tokens"]).inputs["base_model"]
    own, expected = (
        load_tokenizer(run.store.readers(ref)["all"].folder())
        for ref in (run.job.inputs["model"], made_by)
    )
    shared, difference, _ = compare_tokenizers(own, expected)
    if difference is not None:
        raise UserError(
            f"the tokenizers of {run.job.inputs['model']} and of {made_by}, which made the tokens, "
            f"differ: {difference} Use models of one family in config.evaluation.bases"
        )
    assert vocabulary_of(run, own) <= shared, "the plan cuts what the models do not share"


def _memory_bytes(settings: RunSettings) -> int:
    return int(settings.memory_gb * 1e9)


WORK = StageWork(score_shard, list_splits, by_split)
