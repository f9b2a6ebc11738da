"""The rows of the downstream tasks in a comparison's table.

A weight is tuned for each task and way of scoring on one half of the task's records, by accuracy;
every system is reported on the other half. `average` is the mean over the tasks.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.downstream.downstream import (
    MEASURES,
    METHODS,
    ByTask,
    Method,
    TaskScores,
    accuracy,
    confusions,
    macro_f1,
    mix_task,
    predict,
    resampled_confusions,
)
from memdec_core.downstream.downstream_prompts import TASK_PROMPTS
from memdec_core.scoring.bootstrap import Bootstrap, Interval, percentile_interval
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.scoring.system_comparison import interval_row

AVERAGE = "average"


class MeasuredTask(NamedTuple):
    """A system on the reported half of a task: by measure, its value and its resamples (S,)."""

    n: int
    values: Mapping[str, float]
    resamples: Mapping[str, NDArray[np.float64]]


class Tuned(NamedTuple):
    """What did best on the half of a task that is for tuning: which setting, which weight."""

    setting: int
    weight: float


def downstream_rows(
    system: str, base_name: str, scores: ByTask, config: EvaluationConfig
) -> list[ResultRow]:
    """Rows of a system that stands by itself.

    Args:
        system: Name of the system in the table.
        base_name: Name of the base in the table.
        scores: Its scores by task.
        config: Resamples, confidence and seed.

    Returns:
        Rows whose split is the task (or `average`) and whose metric is `accuracy_dcpmi`,
        `macro_f1_dcpmi`, `accuracy_lm` or `macro_f1_lm`.
    """
    rows: list[ResultRow] = []
    for method in METHODS:
        rows += _measure_rows(system, base_name, scores, method, config)
    return rows


def mixed_downstream_rows(
    system: str, base_name: str, base: ByTask, part: ByTask, config: EvaluationConfig
) -> list[ResultRow]:
    """Rows of a base with a memory (or any other part), its α tuned for each task and method.

    Args:
        system: Name of the mixture in the table.
        base_name: Name of the base in the table.
        base: The base's scores by task.
        part: The other part's, of the same choices after the same prompts.
        config: Values of α to try; resamples, confidence and seed.

    Returns:
        As `downstream_rows`, and rows whose metric is `alpha_dcpmi` or `alpha_lm`.
    """
    rows: list[ResultRow] = []
    for method in METHODS:
        tuned = {
            task: tune(scores, [part[task]], config.alphas, method) for task, scores in base.items()
        }
        mixed = {task: mix_task(base[task], part[task], tuned[task].weight) for task in base}
        for task, choice in tuned.items():
            rows.append(_tuned_row(system, base_name, base, task, f"alpha_{method}", choice.weight))
        rows += _measure_rows(system, base_name, mixed, method, config)
    return rows


def knn_downstream_rows(
    base_name: str,
    base: ByTask,
    knn: Sequence[ByTask],
    taus: Sequence[float],
    config: EvaluationConfig,
) -> list[ResultRow]:
    """Rows of kNN-LM, its λ and τ tuned for each task and method.

    Args:
        base_name: Name of the base in the table.
        base: The base's scores by task.
        knn: The neighbours' scores under each temperature.
        taus: The temperatures.
        config: Values of λ to try, of which those below 1 are; resamples, confidence and seed.

    Returns:
        As `downstream_rows`, and rows whose metric is `lambda_…` or `tau_…` with the method.
    """
    weights = [weight for weight in config.alphas if weight < 1] or [0.0]  # p_kNN lacks most tokens
    rows: list[ResultRow] = []
    for method in METHODS:
        mixed: dict[str, TaskScores] = {}
        for task, scores in base.items():
            parts = [by_task[task] for by_task in knn]
            choice = tune(scores, parts, weights, method)
            mixed[task] = mix_task(scores, parts[choice.setting], choice.weight)
            knobs = (("lambda", choice.weight), ("tau", taus[choice.setting]))
            rows += [
                _tuned_row("knn_lm", base_name, base, task, f"{name}_{method}", value)
                for name, value in knobs
            ]
        rows += _measure_rows("knn_lm", base_name, mixed, method, config)
    return rows


def tune(
    base: TaskScores, parts: Sequence[TaskScores], weights: Sequence[float], method: Method
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
            predicted_R = predict(mix_task(base, part, weight), method)
            share = float((predicted_R == base.label_R).mean())
            if share > reached:
                best, reached = Tuned(setting, weight), share
    return best


def measure(
    task: str, scores: TaskScores, method: Method, config: EvaluationConfig
) -> MeasuredTask:
    """A system's accuracy and macro-F1 on the reported half of a task, and of its resamples.

    All systems have the same resamples of a task, and tasks have different ones.
    """
    reported = scores.half(tuning=False)
    predicted_R = predict(reported, method)
    n = len(predicted_R)
    seed = config.seed + 1 + list(map(str, TASK_PROMPTS)).index(task)
    bootstrap = Bootstrap(np.arange(n), config.bootstrap_samples, config.confidence, seed)
    whole = confusions(reported.label_R, predicted_R, scores.n_labels)
    resampled = resampled_confusions(reported.label_R, predicted_R, scores.n_labels, bootstrap)
    return MeasuredTask(
        n,
        {"accuracy": float(accuracy(whole)), "macro_f1": float(macro_f1(whole))},
        {"accuracy": accuracy(resampled), "macro_f1": macro_f1(resampled)},
    )


def _measure_rows(
    system: str, base_name: str, scores: ByTask, method: Method, config: EvaluationConfig
) -> list[ResultRow]:
    """Rows of every task, and of their mean, for one way of scoring."""
    measured = {task: measure(task, each, method, config) for task, each in scores.items()}
    rows = []
    for name in MEASURES:
        metric = f"{name}_{method}"
        for task, one in measured.items():
            interval = _interval(one.values[name], one.resamples[name], config.confidence, one.n)
            rows.append(interval_row(system, base_name, task, metric, interval, one.n))
        value = float(np.mean([one.values[name] for one in measured.values()]))
        resamples_S = np.mean([one.resamples[name] for one in measured.values()], axis=0)
        least = min(one.n for one in measured.values())
        interval = _interval(value, resamples_S, config.confidence, least)
        total = sum(one.n for one in measured.values())
        rows.append(interval_row(system, base_name, AVERAGE, metric, interval, total))
    return rows


def _interval(
    value: float, resamples_S: NDArray[np.float64], confidence: float, n: int
) -> Interval:
    """The interval of the resamples, unknown where a single record is all there is."""
    if n < 2:
        return Interval(value, float("nan"), float("nan"))
    return percentile_interval(value, resamples_S, confidence)


def _tuned_row(
    system: str, base_name: str, base: ByTask, task: str, metric: str, value: float
) -> ResultRow:
    """A row for what was tuned, with the number of records it was tuned on."""
    n = int(base[task].tuning_R.sum())
    return ResultRow(system, base_name, task, metric, value, None, None, n)
