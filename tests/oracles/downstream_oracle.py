"""Zero-shot classification the slow way: plain loops over records, labels and strings."""

import math
from collections.abc import Sequence

import numpy as np

from memdec_core.downstream.downstream import DatasetScores


def random_task(
    seed: int, n_records: int = 40, strings: Sequence[tuple[int, int]] = ((0, 1), (0, 2), (1, 1))
) -> DatasetScores:
    """Random scores of strings that are given as (label, tokens)."""
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(n_records)
    label_S, lengths_S = (np.array(values) for values in zip(*strings, strict=True))
    n_tokens = int(lengths_S.sum())
    return DatasetScores(
        label_R=common.integers(0, label_S.max() + 1, n_records),
        tuning_R=common.random(n_records) < 0.5,
        label_S=label_S,
        offsets_S1=np.concatenate([[0], np.cumsum(lengths_S)]),
        log_probs_RE=np.log(rng.uniform(0.001, 1, (n_records, n_tokens))),
        domain_E=np.log(rng.uniform(0.001, 1, n_tokens)),
    )


def slow_label_scores(scores: DatasetScores, method: str) -> list[list[float]]:
    """Scores by record and label, from probabilities of whole strings."""
    table = []
    for row in scores.log_probs_RE:
        by_label: dict[int, list[float]] = {}
        for string, label in enumerate(scores.label_S.tolist()):
            span = slice(scores.offsets_S1[string], scores.offsets_S1[string + 1])
            p = math.prod(math.exp(value) for value in row[span])
            domain = math.prod(math.exp(value) for value in scores.domain_E[span])
            score = p if method == "lm" else math.log(p / domain)
            by_label.setdefault(label, []).append(score)
        means = [sum(by_label[label]) / len(by_label[label]) for label in sorted(by_label)]
        table.append([math.log(mean) for mean in means] if method == "lm" else means)
    return table


def slow_mixture(base: DatasetScores, part: DatasetScores, weight: float) -> DatasetScores:
    """A mixture of probabilities, token by token."""
    mixed = [
        np.log(weight * np.exp(theirs) + (1 - weight) * np.exp(own))
        for own, theirs in (
            (base.log_probs_RE, part.log_probs_RE),
            (base.domain_E, part.domain_E),
        )
    ]
    return base._replace(log_probs_RE=mixed[0], domain_E=mixed[1])


def slow_predictions(scores: DatasetScores, method: str) -> list[int]:
    return [row.index(max(row)) for row in slow_label_scores(scores, method)]


def slow_accuracy(labels: Sequence[int], predicted: Sequence[int]) -> float:
    return sum(a == b for a, b in zip(labels, predicted, strict=True)) / len(labels)


def slow_macro_f1(labels: Sequence[int], predicted: Sequence[int]) -> float:
    """From precision and recall of every label that occurs."""
    pairs = list(zip(labels, predicted, strict=True))
    scores = []
    for label in sorted(set(labels)):
        right = sum(pair == (label, label) for pair in pairs)
        if not right:
            scores.append(0.0)
            continue
        precision = right / sum(b == label for _, b in pairs)
        recall = right / sum(a == label for a, _ in pairs)
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / len(scores)
