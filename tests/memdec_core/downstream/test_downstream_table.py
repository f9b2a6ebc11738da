"""The downstream rows, against loops over every weight; the reported half never tunes."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.downstream.downstream import METHODS, DatasetScores, Method
from memdec_core.downstream.downstream_table import (
    downstream_rows,
    mixed_downstream_rows,
    tune,
)
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from tests.oracles.downstream_oracle import (
    random_task,
    slow_accuracy,
    slow_macro_f1,
    slow_mixture,
    slow_predictions,
)

ALPHAS = (0.75, 0.0, 0.25, 0.5, 1.0)
CONFIG = EvaluationConfig(alphas=ALPHAS, bootstrap_samples=40, confidence=0.9, seed=3)
TAUS = (1.0, 10.0)
BASE = {"mr": random_task(1, 60), "cb": random_task(2, 45, ((0, 1), (1, 2), (2, 1)))}
PART = {"mr": random_task(3, 60), "cb": random_task(4, 45, ((0, 1), (1, 2), (2, 1)))}
KNN = [PART, {"mr": random_task(5, 60), "cb": random_task(6, 45, ((0, 1), (1, 2), (2, 1)))}]

Key = tuple[str, str]


def by_key(rows: list[ResultRow]) -> dict[Key, ResultRow]:
    table = {(row.split, row.metric): row for row in rows}
    assert len(table) == len(rows)
    return table


def slow_best(
    base: DatasetScores, parts: list[DatasetScores], weights: list[float], method: Method
) -> tuple[float, int]:
    """The best (weight, setting) on the half that is for tuning, the smallest of equals."""
    places = np.flatnonzero(base.tuning_R)

    def wrong(pair: tuple[float, int]) -> float:
        mixed = slow_mixture(base, parts[pair[1]], pair[0])
        predicted = np.array(slow_predictions(mixed, method))[places]
        return 1 - slow_accuracy(base.label_R[places].tolist(), predicted.tolist())

    pairs = [(weight, setting) for weight in weights for setting in range(len(parts))]
    return min(pairs, key=lambda pair: (round(wrong(pair), 9), *pair))


def check_measures(
    table: Mapping[Key, ResultRow], systems: dict[Method, dict[str, DatasetScores]]
) -> None:
    """Compares accuracy and macro-F1 with those of the records that do not tune."""
    for method in METHODS:
        values: dict[str, list[float]] = {"accuracy": [], "macro_f1": []}
        for task, scores in systems[method].items():
            places = np.flatnonzero(~scores.tuning_R)
            labels = scores.label_R[places].tolist()
            predicted = np.array(slow_predictions(scores, method))[places].tolist()
            values["accuracy"].append(slow_accuracy(labels, predicted))
            values["macro_f1"].append(slow_macro_f1(labels, predicted))
            for measure, found in values.items():
                row = table[task, f"{measure}_{method}"]
                assert row.value == pytest.approx(found[-1])
                assert row.n == len(places)
        for measure, found in values.items():
            row = table["average", f"{measure}_{method}"]
            assert row.value == pytest.approx(sum(found) / len(found))


def test_a_system_by_itself_is_measured_on_the_half_that_does_not_tune() -> None:
    rows = downstream_rows("dapt", "gpt2", BASE, CONFIG)
    check_measures(by_key(rows), dict.fromkeys(METHODS, BASE))
    assert {(row.system, row.base) for row in rows} == {("dapt", "gpt2")}
    assert len(rows) == len(METHODS) * 2 * 3


def test_a_memory_is_mixed_with_the_alpha_that_is_best_for_each_task_and_method() -> None:
    table = by_key(mixed_downstream_rows("memory", "gpt2", BASE, [PART], CONFIG))
    systems: dict[Method, dict[str, DatasetScores]] = {}
    for method in METHODS:
        systems[method] = {}
        for task in BASE:
            alpha, _ = slow_best(BASE[task], [PART[task]], sorted(ALPHAS), method)
            row = table[task, f"alpha_{method}"]
            assert (row.value, row.n) == (alpha, int(BASE[task].tuning_R.sum()))
            systems[method][task] = slow_mixture(BASE[task], PART[task], alpha)
    check_measures(table, systems)
    assert len({row.value for key, row in table.items() if "alpha" in key[1]}) > 1


def test_knn_lm_tunes_weight_and_temperature_together_and_never_gives_all_to_neighbours() -> None:
    knn = [
        {task: scores._replace(log_probs_RE=_rare(scores)) for task, scores in by_task.items()}
        for by_task in KNN
    ]
    table = by_key(mixed_downstream_rows("knn_lm", "gpt2", BASE, knn, CONFIG, TAUS))
    weights = [weight for weight in sorted(ALPHAS) if weight < 1]
    systems: dict[Method, dict[str, DatasetScores]] = {}
    for method in METHODS:
        systems[method] = {}
        for task in BASE:
            parts = [by_task[task] for by_task in knn]
            weight, setting = slow_best(BASE[task], parts, weights, method)
            assert table[task, f"lambda_{method}"].value == weight
            assert table[task, f"tau_{method}"].value == TAUS[setting]
            systems[method][task] = slow_mixture(BASE[task], parts[setting], weight)
    check_measures(table, systems)
    assert len({row.value for key, row in table.items() if key[1].startswith("tau")}) > 1


def _rare(scores: DatasetScores) -> np.ndarray:
    """Scores of which some are of tokens that no neighbour has."""
    drawn = np.random.default_rng(0).random(scores.log_probs_RE.shape)
    return np.where(drawn < 0.3, -np.inf, scores.log_probs_RE)


@given(seed=st.integers(0, 10_000))
def test_the_reported_half_has_no_part_in_tuning(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base, part = BASE["mr"], PART["mr"]
    reported_R = ~base.tuning_R
    labels = np.where(reported_R, rng.integers(0, 2, len(reported_R)), base.label_R)
    noise = np.where(reported_R[:, None], rng.normal(0, 5, base.log_probs_RE.shape), 0)
    others = [
        each._replace(label_R=labels, log_probs_RE=each.log_probs_RE + noise * sign)
        for each, sign in ((base, 1), (part, -1))
    ]
    for method in METHODS:
        before = tune(base, [part], ALPHAS, method)
        assert tune(others[0], [others[1]], ALPHAS, method) == before


def test_intervals_are_quantiles_of_resampled_records_and_of_their_mean_over_tasks() -> None:
    table = by_key(downstream_rows("base", "gpt2", BASE, CONFIG))
    resamples = []
    for task, place in (("mr", 1), ("cb", 5)):  # places in the paper's table, from 0
        scores = BASE[task].half(tuning=False)
        right = np.array(slow_predictions(scores, "dcpmi")) == scores.label_R
        rng = np.random.default_rng(CONFIG.seed + 1 + place)
        n = len(right)
        resamples.append([right[rng.integers(n, size=n)].mean() for _ in range(40)])
        row = table[task, "accuracy_dcpmi"]
        assert (row.ci_low, row.ci_high) == pytest.approx(np.quantile(resamples[-1], [0.05, 0.95]))
    row = table["average", "accuracy_dcpmi"]
    means = np.mean(resamples, axis=0)
    assert (row.ci_low, row.ci_high) == pytest.approx(np.quantile(means, [0.05, 0.95]))


def test_a_single_reported_record_has_no_interval() -> None:
    scores = random_task(1, 5)._replace(tuning_R=np.array([True] * 4 + [False]))
    rows = downstream_rows("base", "gpt2", {"mr": scores}, CONFIG)
    assert {(row.ci_low, row.ci_high) for row in rows} == {(None, None)}
