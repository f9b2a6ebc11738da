"""Figures in words: what a person calls them; sizes and times with a space that does not break."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from memdec_core.text.document_split import SPLITS

_WORDS = {
    "records": "records read",
    "kept": "records kept",
    "rejected": "records rejected",
    "duplicates": "exact duplicates dropped",
    "tokens_read": "tokens read by the model",
    "positions": "positions (tokens predicted)",
    "vocab_size": "entries of the vocabulary",
    "dtype": "type of a stored token",
    "rows": "rows (positions)",
    "width": "width of a key",
    "kind": "kind of index",
    "lists": "inverted lists",
    "nprobe": "lists probed per query",
    "exact_distances": "distances are exact",
    "recall": "recall against exact search",
    "recall_k": "recall measured at k",
    "recall_sample": "recall measured on positions",
    "entries": "probabilities stored",
    "short_rows": "positions with fewer than k neighbours",
    "sample": "positions compared with exact p_kNN",
    "kl": "KL from exact p_kNN (nats)",
    "total_variation": "total variation from exact p_kNN",
    "tail_mass": "probability dropped by truncation",
    "steps": "optimiser steps",
    "best_step": "step of the kept weights",
    "stopped_early": "stopped early",
    "positions_trained": "positions trained on, all epochs",
    "parameters": "parameters",
    "parameters_trained": "parameters trained",
    "last_train_loss": "training loss at the end (nats)",
    "last_train_kl": "training KL at the end (nats)",
    "last_train_ce": "training cross-entropy at the end (nats)",
    "valid_loss": "validation loss of the kept weights (nats)",
    "valid_kl": "validation KL of the kept weights (nats)",
    "valid_ce": "validation cross-entropy of the kept weights (nats)",
    "lora_rank": "rank of LoRA",
    "penalty": "penalty on leaving the constant α",
    "fitted_positions": "positions fitted on",
    "held_out_positions": "positions held out",
    "held_out_ratio": "perplexity on them / with constant α",
    "constant_alpha": "constant α that it starts from",
    "alpha_mean": "mean α",
    "alpha_low": "10 % of positions have a lower α",
    "alpha_high": "10 % of positions have a higher α",
    "context": "tokens of context",
    "memory_ratio": "time of base + memory / base",
    "memory_flops_ratio": "operations of base + memory / base",
    "rag_ratio": "time of in-context retrieval / base",
}


def split_figures(
    figures: Mapping[str, JsonValue],
) -> tuple[dict[str, dict[str, JsonValue]], dict[str, JsonValue]]:
    """Sorts figures into those that several splits have and all others.

    Returns:
        By words: the value by split; by words: the value. Lists are left out.
    """
    by_split: dict[str, dict[str, JsonValue]] = {}
    single: dict[str, JsonValue] = {}
    for path, value in _leaves(figures, ()):
        split = next((name for name in SPLITS if name in path), None)
        if split is None:
            single["_".join(path)] = value
        else:
            rest = "_".join(part for part in path if part != split)
            by_split.setdefault(rest, {})[split] = value
    for name in list(by_split):
        if len(by_split[name]) == 1:  # `valid_loss` belongs to no table of splits
            ((split, value),) = by_split.pop(name).items()
            single[f"{split}_{name}"] = value
    return (
        {in_words(name): values for name, values in by_split.items()},
        {in_words(name): value for name, value in single.items()},
    )


def in_words(name: str) -> str:
    """What a person calls a figure."""
    return _WORDS.get(name, name.replace("_", " "))


def size_of(count: int) -> str:
    """Bytes as people read them."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f}\u00a0{unit}"
    return f"{count}\u00a0bytes"


def seconds_of(seconds: float) -> str:
    """A time as people read it."""
    if seconds >= 120:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes:,}\u00a0min\u00a0{rest:02d}\u00a0s"
    return f"{seconds:.1f}\u00a0s"


def _leaves(
    figures: Mapping[str, JsonValue], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], JsonValue]]:
    """Values with their paths; a split that begins a name is a part of the path."""
    for name, value in figures.items():
        split, _, rest = name.partition("_")
        path = (*above, split, rest) if split in SPLITS and rest else (*above, name)
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        elif value is not None and not isinstance(value, list):
            yield path, value
