"""The rows of the downstream datasets in a comparison's table.

A weight is tuned for each dataset and way of scoring on one half of the dataset's records, by
accuracy; every system is reported on the other half. `average` is the mean over the datasets.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.downstream.downstream import (
    MEASURES,
    METHODS,
    ByDataset,
    DatasetScores,
    Method,
    accuracy,
    confusions,
    macro_f1,
    mix_dataset,
    predict,
    resampled_confusions,
)
from memdec_core.downstream.downstream_prompts import DATASET_PROMPTS
from memdec_core.scoring.bootstrap import Bootstrap, percentile_interval
from memdec_core.scoring.result_row import ResultRow, value_rows
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.scoring.system_comparison import interval_row

AVERAGE = "average"


class MeasuredDataset(NamedTuple):
    """A system on the reported half of a dataset: by measure, its value and its resamples (S,)."""

    n: int
    values: Mapping[str, float]
    resamples: Mapping[str, NDArray[np.float64]]


class Tuned(NamedTuple):
    """What did best on the half of a dataset that is for tuning: which setting, which weight."""

    setting: int
    weight: float


def downstream_rows(
    system: str, base_name: str, scores: ByDataset, config: EvaluationConfig
) -> list[ResultRow]:
    """Rows of a system that stands by itself.

    Args:
        system: Name of the system in the table.
        base_name: Name of the base in the table.
        scores: Its scores by dataset.
        config: Resamples, confidence and seed.

    Returns:
        Rows whose split is the dataset (or `average`) and whose metric is `accuracy_dcpmi`,
        `macro_f1_dcpmi`, `accuracy_lm` or `macro_f1_lm`.
    """
    rows: list[ResultRow] = []
    for method in METHODS:
        rows += _measure_rows(system, base_name, scores, method, config)
    return rows


def mixed_downstream_rows(
    system: str,
    base_name: str,
    base: ByDataset,
    parts: Sequence[ByDataset],
    config: EvaluationConfig,
    taus: Sequence[float] = (),
) -> list[ResultRow]:
    """Rows of a base with a memory or another part, its weight tuned for each dataset and method.

    Args:
        system: Name of the mixture in the table.
        base_name: Name of the base in the table.
        base: The base's scores by dataset.
        parts: The part's scores under each of its settings, of the same choices and prompts.
        config: Weights to try; resamples, confidence and seed.
        taus: The settings of kNN-LM, temperatures. Its weight is called λ and stays below 1, as
            p_kNN lacks most tokens.

    Returns:
        As `downstream_rows`, and rows whose metric is `alpha_…`, or `lambda_…` and `tau_…`, with
        the method.
    """
    weights = [weight for weight in config.alphas if not taus or weight < 1] or [0.0]
    rows: list[ResultRow] = []
    for method in METHODS:
        mixed: dict[str, DatasetScores] = {}
        for dataset, scores in base.items():
            settings = [by_dataset[dataset] for by_dataset in parts]
            setting, weight = tune(scores, settings, weights, method)
            mixed[dataset] = mix_dataset(scores, settings[setting], weight)
            knobs = {"lambda": weight, "tau": taus[setting]} if taus else {"alpha": weight}
            tuned = {f"{name}_{method}": value for name, value in knobs.items()}
            rows += value_rows(system, base_name, dataset, tuned, int(scores.tuning_R.sum()))
        rows += _measure_rows(system, base_name, mixed, method, config)
    return rows


def tune(
    base: DatasetScores, parts: Sequence[DatasetScores], weights: Sequence[float], method: Method
) -> Tuned:
    """The mixture of highest accuracy on the half that is for tuning.

    Args:
        base: The base's scores.
        parts: Of what is mixed with it, under each setting.
        weights: Of the part, to try.
        method: How labels are scored.

    Returns:
        The best; of equals the smallest weight, then the first setting.
    """
    base = base.half(tuning=True)
    halves = [part.half(tuning=True) for part in parts]
    best, reached = Tuned(0, 0.0), -1.0
    for weight in sorted(set(weights)):
        for setting, part in enumerate(halves):
            predicted_R = predict(mix_dataset(base, part, weight), method)
            share = float((predicted_R == base.label_R).mean())
            if share > reached:
                best, reached = Tuned(setting, weight), share
    return best


def measure_dataset(
    dataset: str, scores: DatasetScores, method: Method, config: EvaluationConfig
) -> MeasuredDataset:
    """A system's accuracy and macro-F1 on the reported half of a dataset, and of its resamples.

    All systems have the same resamples of a dataset, and datasets have different ones.
    """
    reported = scores.half(tuning=False)
    predicted_R = predict(reported, method)
    n = len(predicted_R)
    seed = config.seed + 1 + list(map(str, DATASET_PROMPTS)).index(dataset)
    bootstrap = Bootstrap(np.arange(n), config.bootstrap_samples, config.confidence, seed)
    whole = confusions(reported.label_R, predicted_R, scores.n_labels)
    resampled = resampled_confusions(reported.label_R, predicted_R, scores.n_labels, bootstrap)
    return MeasuredDataset(
        n,
        {"accuracy": float(accuracy(whole)), "macro_f1": float(macro_f1(whole))},
        {"accuracy": accuracy(resampled), "macro_f1": macro_f1(resampled)},
    )


def _measure_rows(
    system: str, base_name: str, scores: ByDataset, method: Method, config: EvaluationConfig
) -> list[ResultRow]:
    """Rows of every dataset, and of their mean, for one way of scoring."""
    measured = {
        dataset: measure_dataset(dataset, each, method, config) for dataset, each in scores.items()
    }
    rows = []
    for name in MEASURES:
        metric = f"{name}_{method}"
        for dataset, one in measured.items():
            interval = percentile_interval(
                one.values[name], one.resamples[name], config.confidence, one.n
            )
            rows.append(interval_row(system, base_name, dataset, metric, interval, one.n))
        value = float(np.mean([one.values[name] for one in measured.values()]))
        resamples_S = np.mean([one.resamples[name] for one in measured.values()], axis=0)
        least = min(one.n for one in measured.values())
        interval = percentile_interval(value, resamples_S, config.confidence, least)
        total = sum(one.n for one in measured.values())
        rows.append(interval_row(system, base_name, AVERAGE, metric, interval, total))
    return rows
