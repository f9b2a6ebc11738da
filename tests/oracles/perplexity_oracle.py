"""Slow and plain computations that the scoring of `memdec_core` is judged against."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel


def sliding_window_log_probs(
    model: PreTrainedModel, tokens: NDArray[np.int64], length: int, stride: int, vocab_size: int
) -> NDArray[np.float64]:
    """The usual evaluation loop over one text: window after window, only new tokens are scored.

    Returns:
        float64, the log-probability of every token of the text but the first.
    """
    scores: list[float] = []
    previous_end = 1
    for begin in range(0, len(tokens), stride):
        end = min(begin + length, len(tokens))
        window = torch.from_numpy(tokens[begin:end]).unsqueeze(0)
        with torch.no_grad():
            logits = model(input_ids=window).logits[0, :, :vocab_size].double()
        log_probs = torch.log_softmax(logits, dim=-1)
        scores.extend(
            float(log_probs[position - begin - 1, tokens[position]])
            for position in range(previous_end, end)
        )
        previous_end = end
        if end == len(tokens):
            break
    return np.array(scores)


def mixture_log_prob(base: float, memory: float, alpha: float) -> float:
    """log(α e^memory + (1-α) e^base) in plain probabilities, float64."""
    return math.log(alpha * math.exp(memory) + (1 - alpha) * math.exp(base))


def bootstrap_means(
    values: NDArray[np.float64], starts: NDArray[np.int64], samples: int, seed: int
) -> list[float]:
    """Resample clusters one at a time and average the positions of those that were drawn."""
    clusters = np.split(values, starts[1:])
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(samples):
        drawn = [clusters[i] for i in rng.integers(len(clusters), size=len(clusters))]
        means.append(float(np.concatenate(drawn).mean()))
    return means


def dense_divergences(
    p: NDArray[np.float64], q: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """KL(p ‖ q) and total variation of dense rows (R, V)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / q), 0.0)
    return terms.sum(axis=1), np.abs(p - q).sum(axis=1) / 2
