"""From the scores of choices to predictions, and how good these are.

Two ways to judge a label by its strings s, both averaged over them, so that no label gains by
having more synonyms than another:

    lm     log of the mean of p(s | prompt)
    dcpmi  mean of log p(s | prompt) - log p(s | domain premise)

Legend: R records, L labels, S strings of all labels (or resamples), E tokens of all strings.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.models.mixture import mix_token_log_probs
from memdec_core.scoring.bootstrap import Bootstrap, cluster_draws

Method = Literal["dcpmi", "lm"]
METHODS: tuple[Method, ...] = ("dcpmi", "lm")
MEASURES = ("accuracy", "macro_f1")


class DatasetScores(NamedTuple):
    """What a system gives the choices of one dataset.

    Attributes:
        label_R: The right label of each record, int64.
        tuning_R: Whether weights are tuned on a record; if not, it is reported.
        label_S: The label each string stands for, int64, every label at least once.
        offsets_S1: Where each string's tokens start, and the end; int64.
        log_probs_RE: Log-probability of every token after each prompt, float64.
        domain_E: The same after the domain premise.
    """

    label_R: NDArray[np.int64]
    tuning_R: NDArray[np.bool_]
    label_S: NDArray[np.int64]
    offsets_S1: NDArray[np.int64]
    log_probs_RE: NDArray[np.float64]
    domain_E: NDArray[np.float64]

    @property
    def n_labels(self) -> int:
        """Labels of the dataset."""
        return int(self.label_S.max()) + 1

    def half(self, *, tuning: bool) -> "DatasetScores":
        """The records to tune on, or the others."""
        kept_R = self.tuning_R == tuning
        return self._replace(
            label_R=self.label_R[kept_R],
            tuning_R=self.tuning_R[kept_R],
            log_probs_RE=self.log_probs_RE[kept_R],
        )


ByDataset = Mapping[str, DatasetScores]


def label_scores(scores: DatasetScores, method: Method) -> NDArray[np.float64]:
    """The score of every label, float64 (R, L)."""
    strings_RS = np.add.reduceat(scores.log_probs_RE, scores.offsets_S1[:-1], axis=1)
    if method == "dcpmi":
        strings_RS -= np.add.reduceat(scores.domain_E, scores.offsets_S1[:-1])
    columns = [strings_RS[:, scores.label_S == label] for label in range(scores.n_labels)]
    if method == "dcpmi":
        return np.stack([column.mean(axis=1) for column in columns], axis=1)
    means = [np.logaddexp.reduce(column, axis=1) - np.log(column.shape[1]) for column in columns]
    return np.stack(means, axis=1)


def predict(scores: DatasetScores, method: Method) -> NDArray[np.int64]:
    """The label of the highest score, the first of equals; int64 (R,)."""
    predicted_R: NDArray[np.int64] = label_scores(scores, method).argmax(axis=1)
    return predicted_R


def mix_dataset(base: DatasetScores, part: DatasetScores, weight: float) -> DatasetScores:
    """A base with a memory (or another part) of this weight, mixed for every token.

    The domain premise is read by the mixture as well.
    """
    assert np.array_equal(base.offsets_S1, part.offsets_S1), "both have scored the same strings"
    assert np.array_equal(base.label_R, part.label_R), "after the same prompts"
    return base._replace(
        log_probs_RE=mix_token_log_probs(base.log_probs_RE, part.log_probs_RE, weight),
        domain_E=mix_token_log_probs(base.domain_E, part.domain_E, weight),
    )


def confusions(
    label_R: NDArray[np.int64], predicted_R: NDArray[np.int64], n_labels: int
) -> NDArray[np.int64]:
    """How often each label (first axis) was taken for each (second): int64 (L, L)."""
    counts = np.bincount(label_R * n_labels + predicted_R, minlength=n_labels**2)
    return counts.reshape(n_labels, n_labels)


def resampled_confusions(
    label_R: NDArray[np.int64],
    predicted_R: NDArray[np.int64],
    n_labels: int,
    bootstrap: Bootstrap,
) -> NDArray[np.int64]:
    """The same for every resample of the records, each a cluster: int64 (S, L, L)."""
    cells = n_labels**2
    cell_R = label_R * n_labels + predicted_R
    counts = []
    for draws_SR in cluster_draws(bootstrap):
        cell_SR = cell_R[draws_SR] + cells * np.arange(len(draws_SR))[:, None]
        counts.append(np.bincount(cell_SR.ravel(), minlength=cells * len(draws_SR)))
    return np.concatenate(counts).reshape(-1, n_labels, n_labels)


def accuracy(confusions_LL: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the records whose label is right; over the last two axes."""
    right = np.trace(confusions_LL, axis1=-2, axis2=-1)
    shares: NDArray[np.float64] = right / confusions_LL.sum(axis=(-2, -1))
    return shares


def macro_f1(confusions_LL: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of the labels' F1 over those that some record has; over the last two axes."""
    right_L = np.diagonal(confusions_LL, axis1=-2, axis2=-1)
    actual_L, predicted_L = confusions_LL.sum(axis=-1), confusions_LL.sum(axis=-2)
    f1_L = 2 * right_L / np.maximum(actual_L + predicted_L, 1)  # 0 of 0 is left out below
    means: NDArray[np.float64] = (f1_L * (actual_L > 0)).sum(axis=-1) / (actual_L > 0).sum(axis=-1)
    return means
