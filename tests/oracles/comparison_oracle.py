"""What a comparison of random scores should say: NumPy over every pair of a grid."""

from collections.abc import Iterable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tests.support.scored_text import POSITIONS

ALPHAS = 0.0, 0.25, 0.5, 0.75, 1.0
TAUS = 1.0, 10.0
BASES = (1, 400), (2, 448)
"""Seed and vocabulary of each base."""
PARTS = "memory", "memory_beta_0", "memory_beta_0.25", "memory_student_wide", "dapt_small"
STEMS = "base", "knn_lm", "rag", "dapt", "lora"


def log_probs(role: str, split: str) -> NDArray[np.float64]:
    """Random scores (G, N): easier on test for the bases, so that tuning there shows."""
    rng = np.random.default_rng([*f"{role}/{split}".encode()])
    role = role.removeprefix("general:")
    settings = len(TAUS) if role.startswith("knn_lm") else 1
    scores = np.log(rng.uniform(0.01, 1, (settings, POSITIONS[split]))) * rng.uniform(1, 2)
    if role.startswith("knn_lm"):
        scores[1] /= 2
        scores[:, rng.uniform(size=POSITIONS[split]) < 0.1] = -np.inf
    if role.startswith("base") and split == "test":
        scores *= 0.2
    return scores.astype(np.float32).astype(np.float64)


def perplexity(p_N: NDArray[np.float64]) -> float:
    with np.errstate(divide="ignore"):
        return float(np.exp(-np.log(p_N).mean()))


def tuned_pair(number: int, role: str, split: str = "valid") -> tuple[int, float]:
    """The setting and the weight whose mixture with a base is best on a split."""
    return min(
        product(range(len(log_probs(role, split))), ALPHAS),
        key=lambda pair: perplexity(mixture(number, role, split, *pair)),
    )


def mixture(number: int, role: str, split: str, g: int, alpha: float) -> NDArray[np.float64]:
    base, part = (np.exp(log_probs(r, split)) for r in (f"base_{number}", role))
    return (1 - alpha) * base[0] + alpha * part[g]


def plain_systems(number: int, split: str) -> dict[str, NDArray[np.float64]]:
    """Probabilities of a split's positions by system."""
    systems = {s: np.exp(log_probs(f"{s}_{number}", split)[0]) for s in STEMS if s != "knn_lm"}
    mixed = {"knn_lm": f"knn_lm_{number}"} | {part: part for part in PARTS}
    for system, role in mixed.items():
        systems[system] = mixture(number, role, split, *tuned_pair(number, role))
    return systems


def plain_table(splits: Iterable[str] = POSITIONS) -> dict[tuple[str, int, str, str], float]:
    """What the whole table should say, by system, base, split and metric."""
    table = {}
    for number, split in product(range(len(BASES)), splits):
        for system, p_N in plain_systems(number, split).items():
            base = np.exp(log_probs(f"base_{number}", split)[0])
            table[system, number, split, "perplexity"] = perplexity(p_N)
            if system != "base":
                ratio = perplexity(p_N) / perplexity(base)
                table[system, number, split, "perplexity_ratio"] = ratio
    for number in range(len(BASES)):
        setting, weight = tuned_pair(number, f"knn_lm_{number}")
        table["knn_lm", number, "valid", "lambda"] = weight
        table["knn_lm", number, "valid", "tau"] = TAUS[setting]
        for part in PARTS:
            table[part, number, "valid", "alpha"] = tuned_pair(number, part)[1]
    return table
