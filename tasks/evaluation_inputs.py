"""What the evaluation reads: the splits to score, and the systems that score them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from memdec_core.bootstrap import Bootstrap, cluster_starts
from memdec_core.errors import UserError
from memdec_core.evaluation_config import EvaluationConfig
from memdec_core.language_model import LOGIT_BYTES, TransformerLM
from memdec_core.model_loading import (
    describe_model,
    load_model,
    load_tokenizer,
    resolve_device,
)
from memdec_core.perplexity import ReadTokens, split_log_probs
from memdec_core.system_comparison import TUNING_SPLIT
from memdec_core.tokenizer_match import explain_difference, real_vocab_size
from memdec_core.windows import WindowConfig, make_windows
from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from storage.token_shards import TokenReader
from tasks.run_settings import RunSettings
from tasks.shard_run import ShardRun

SPLITS = (TUNING_SPLIT, "test")
MOST_BATCH_TOKENS = {"cpu": 8192, "cuda": 131_072}
"""Larger batches are no faster, and on a CPU they fall out of the caches."""


@dataclass(frozen=True)
class EvaluatedSplit:
    """The positions of a split: what is read, and how it is resampled."""

    windows_W4: NDArray[np.int64]
    offsets_D1: NDArray[np.int64] | None
    read_tokens: ReadTokens
    bootstrap: Bootstrap


def open_splits(run: ShardRun, config: EvaluationConfig) -> dict[str, EvaluatedSplit]:
    """The validation split and, where the corpus has one, the test split.

    Raises:
        UserError: There is no validation token to tune α on.
    """
    windows = WindowConfig.model_validate(run.job.config["windows"])
    readers = run.store.readers(run.job.inputs["tokens"])
    splits = {}
    for name in SPLITS:
        if not any(shard.rpartition("-")[0] == name for shard in readers):
            continue
        tokens = TokenReader(readers, name)
        windows_W4 = make_windows(tokens.offsets_D1, windows)
        if len(windows_W4):
            offsets_D1 = tokens.offsets_D1 if windows.scope == "document" else None
            bootstrap = bootstrap_of(windows_W4, offsets_D1, config)
            splits[name] = EvaluatedSplit(windows_W4, offsets_D1, tokens.read, bootstrap)
    if TUNING_SPLIT not in splits:
        raise UserError(
            f"the corpus has no text in its {TUNING_SPLIT} split, on which α is tuned: give "
            "validation documents, or a larger share of the corpus to it, in config.corpus"
        )
    return splits


def bootstrap_of(
    windows_W4: NDArray[np.int64], offsets_D1: NDArray[np.int64] | None, config: EvaluationConfig
) -> Bootstrap:
    """How the positions of these windows are resampled."""
    starts_C = cluster_starts(windows_W4, offsets_D1)
    return Bootstrap(starts_C, config.bootstrap_samples, config.confidence, config.seed)


def base_roles(inputs: Mapping[str, ArtifactRef]) -> list[str]:
    """The inputs base_0, base_1, …, in the order of the configuration."""
    roles = [role for role in inputs if re.fullmatch(r"base_\d+", role)]
    return sorted(roles, key=lambda role: int(role.removeprefix("base_")))


def name_bases(store: Store, refs: Mapping[str, ArtifactRef]) -> dict[str, str]:
    """Names that a person recognises: a hub id, or kind and size; never two the same.

    Args:
        store: Where the models are.
        refs: Base models by role.

    Returns:
        Names by role.
    """
    names: dict[str, str] = {}
    for role, ref in refs.items():
        hub_model = store.require(ref).config.get("hub_model")
        model = describe_model(store.readers(ref)["all"].folder())
        name = str(hub_model or f"{model['architecture']}-{_size(model['parameters'])}")
        names[role] = f"{name}-{ref.fingerprint[:6]}" if name in names.values() else name
    return names


def _size(parameters: object) -> str:
    assert isinstance(parameters, int)
    for unit, factor in (("B", 10**9), ("M", 10**6)):
        if parameters >= factor:
            return f"{parameters / factor:.3g}{unit}"
    return f"{parameters / 1000:.3g}k"


def check_bases(run: ShardRun, names: Mapping[str, str]) -> None:
    """Check before anything is scored that the bases' ids mean what the memory's mean.

    Args:
        run: The evaluation.
        names: Names of the bases by role.

    Raises:
        UserError: A base has another tokenizer; the message says how it differs.
    """
    memory = load_tokenizer(_folder(run, "memory"))
    for role, name in names.items():
        difference = explain_difference(load_tokenizer(_folder(run, role)), memory)
        if difference is not None:
            raise UserError(
                f"the base model {name} (the first) and the memory (the second) have different "
                f"tokenizers, so their probabilities cannot be mixed: {difference}. Use bases of "
                "the memory's own family in config.evaluation.bases"
            )


def open_system(run: ShardRun, role: str, config: EvaluationConfig) -> TransformerLM:
    """A model as a system over its tokenizer's vocabulary."""
    folder = _folder(run, role)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.precision]
    model = load_model(folder, resolve_device(run.settings.device), dtype)
    logit_bytes = min(LOGIT_BYTES, _memory_bytes(run.settings) // 8)
    vocab_size = real_vocab_size(load_tokenizer(folder))
    return TransformerLM(model, vocab_size, logit_bytes=logit_bytes)


def score_splits(
    lm: TransformerLM,
    splits: Mapping[str, EvaluatedSplit],
    settings: RunSettings,
    report: Callable[[float, str], None],
) -> dict[str, NDArray[np.float64]]:
    """Log-probability of every position by split, float64 (N,) in row order.

    Args:
        lm: The system.
        splits: What to score; the same for every system.
        settings: Half of the worker's memory goes to activations.
        report: Takes the finished fraction of all splits and the name of the one at work.
    """
    most = MOST_BATCH_TOKENS[lm.device.type]
    batch_tokens = min(most, _memory_bytes(settings) // 2 // lm.bytes_per_token)
    sizes = {name: len(split.windows_W4) for name, split in splits.items()}
    scores: dict[str, NDArray[np.float64]] = {}
    for name, split in splits.items():
        before, share = sum(sizes[done] for done in scores), sizes[name]

        def advance(
            fraction: float, before: int = before, share: int = share, name: str = name
        ) -> None:
            report((before + fraction * share) / sum(sizes.values()), name)

        scores[name] = split_log_probs(
            lm, split.windows_W4, split.read_tokens, batch_tokens=batch_tokens, on_progress=advance
        )
    return scores


def _folder(run: ShardRun, role: str) -> Path:
    return run.store.readers(run.job.inputs[role])["all"].folder()


def _memory_bytes(settings: RunSettings) -> int:
    return int(settings.memory_gb * 1e9)
