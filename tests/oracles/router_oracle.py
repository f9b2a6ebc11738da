"""Routers in float64 NumPy, position by position."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def features(base_V: Array, memory_V: Array) -> Array:
    """The features of one position, from log-probabilities."""
    p, q = np.exp(base_V), np.exp(memory_V)
    base_top, memory_top = int(np.argmax(p)), int(np.argmax(q))
    kl_memory_base = sum(b * np.log(b / a) for a, b in zip(p, q, strict=True) if b > 0)
    kl_base_memory = sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)
    return np.array(
        [
            -sum(a * np.log(a) for a in p if a > 0),
            -sum(b * np.log(b) for b in q if b > 0),
            np.log(p.max()),
            np.log(q.max()),
            float(base_top == memory_top),
            np.log(p[memory_top]),
            np.log(q[base_top]),
            kl_memory_base,
            kl_base_memory,
        ]
    )


def alpha(weights: Weights, features_F: Array) -> float:
    """The memory's weight at one position."""
    x = np.clip((features_F - weights["means_F"]) / weights["scales_F"], -5, 5)
    hidden = np.tanh(x @ weights["inner_FH"] + weights["inner_H"])
    logit = weights["bias"] + x @ weights["linear_F"] + hidden @ weights["outer_H"]
    return float(1 / (1 + np.exp(-logit)))


def objective(
    weights: Weights, features_NF: Array, base_N: Array, memory_N: Array, penalty: float
) -> float:
    """Mean negative log-probability and the penalty."""
    alphas_N = np.array([alpha(weights, row_F) for row_F in features_NF])
    mixed_N = alphas_N * np.exp(memory_N) + (1 - alphas_N) * np.exp(base_N)
    squares = sum((weights[name] ** 2).sum() for name in ("linear_F", "inner_FH", "outer_H"))
    return float(-np.log(mixed_N).mean() + penalty * squares)
