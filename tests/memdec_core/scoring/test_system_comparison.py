"""The table says of a base and a mixture what their token scores say."""

import numpy as np
import pytest

from memdec_core.scoring.bootstrap import Bootstrap
from memdec_core.scoring.fidelity import Fidelity
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.scoring.system_comparison import (
    base_rows,
    fidelity_rows,
    knn_lm_rows,
    mixture_rows,
)

RNG = np.random.default_rng(8)
BASE = {"valid": np.log(RNG.uniform(size=300)), "test": np.log(RNG.uniform(size=400))}
MEMORY = {"valid": np.log(RNG.uniform(size=300)), "test": np.log(RNG.uniform(size=400))}
BOOTSTRAPS = {
    split: Bootstrap(np.arange(0, len(scores), 20), samples=100, confidence=0.9, seed=1)
    for split, scores in BASE.items()
}
GRID = EvaluationConfig(alphas=(0.0, 0.25, 0.5, 0.75, 1.0))


def rows_of(base: dict[str, np.ndarray], memory: dict[str, np.ndarray]) -> dict[tuple, ResultRow]:
    mixed, _curve = mixture_rows("memory", "gpt2", base, memory, BOOTSTRAPS, GRID)
    rows = base_rows("gpt2", base, BOOTSTRAPS) + mixed
    return {(row.system, row.split, row.metric): row for row in rows}


def test_every_system_has_its_perplexity_on_every_split() -> None:
    rows = rows_of(BASE, MEMORY)
    alpha = rows["memory", "valid", "alpha"].value
    for split in ("valid", "test"):
        base = rows["base", split, "perplexity"]
        mixed = rows["memory", split, "perplexity"]
        p = alpha * np.exp(MEMORY[split]) + (1 - alpha) * np.exp(BASE[split])
        assert base.value == pytest.approx(np.exp(-BASE[split].mean()))
        assert mixed.value == pytest.approx(np.exp(-np.log(p).mean()))
        assert base.n == mixed.n == len(BASE[split])
        assert mixed.ci_low < mixed.value < mixed.ci_high
        ratio = rows["memory", split, "perplexity_ratio"]
        assert ratio.value == pytest.approx(mixed.value / base.value)


def test_alpha_does_not_see_the_test_split() -> None:
    other = MEMORY | {"test": MEMORY["test"] - 20}
    assert (
        rows_of(BASE, other)["memory", "valid", "alpha"]
        == (rows_of(BASE, MEMORY)["memory", "valid", "alpha"])
    )


def test_fidelity_belongs_to_the_memory_and_to_no_base() -> None:
    measures = Fidelity(np.ones(300), np.full(300, 0.5), np.zeros(300))
    rows = fidelity_rows(measures, BOOTSTRAPS["valid"])
    assert [(row.metric, row.value) for row in rows] == [
        ("kl", 1.0),
        ("total_variation", 0.5),
        ("top1_agreement", 0.0),
    ]
    assert {(row.system, row.base, row.split) for row in rows} == {("memory_alone", None, "valid")}


def test_an_unknown_interval_is_left_empty() -> None:
    one_cluster = Bootstrap(np.array([0]), samples=100, confidence=0.9, seed=1)
    rows = fidelity_rows(Fidelity(np.ones(3), np.ones(3), np.ones(3)), one_cluster)
    assert rows[0].ci_low is None
    assert rows[0].ci_high is None


def test_knn_lm_takes_its_temperature_and_weight_from_validation() -> None:
    taus = (1.0, 10.0)
    knn = {split: np.stack([BASE[split] - 3, MEMORY[split]]) for split in BASE}
    rows = knn_lm_rows("gpt2", BASE, knn, BOOTSTRAPS, taus, GRID)
    table = {(row.split, row.metric): row.value for row in rows}
    assert table["valid", "tau"] == 10.0
    mixed = rows_of(BASE, MEMORY)
    assert table["valid", "lambda"] == mixed["memory", "valid", "alpha"].value
    for split in ("valid", "test"):
        assert table[split, "perplexity"] == mixed["memory", split, "perplexity"].value
