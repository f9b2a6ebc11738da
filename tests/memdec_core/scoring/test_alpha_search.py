"""α is found where a plain loop over mixtures finds it."""

import numpy as np
import pytest

from memdec_core.scoring.alpha_search import search_alpha
from tests.oracles.perplexity_oracle import mixture_log_prob

RNG = np.random.default_rng(4)
BASE = np.log(RNG.uniform(0.001, 1, size=500))
MEMORY = np.log(RNG.uniform(0.001, 1, size=500))
GRID = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def slow_perplexity(alpha: float) -> float:
    pairs = zip(BASE, MEMORY, strict=True)
    return float(np.exp(-np.mean([mixture_log_prob(b, m, alpha) for b, m in pairs])))


def test_the_curve_holds_the_perplexity_of_every_grid_point() -> None:
    curve = search_alpha(BASE, MEMORY, GRID, refine=False)
    assert list(curve.perplexities) == GRID
    assert curve.perplexities == pytest.approx({a: slow_perplexity(a) for a in GRID}, rel=1e-7)
    assert curve.alpha == min(GRID, key=curve.perplexities.__getitem__)
    assert curve.perplexity == min(curve.perplexities.values())


def test_refinement_finds_the_minimum_between_grid_points() -> None:
    curve = search_alpha(BASE, MEMORY, GRID, refine=True)
    fine = np.linspace(0, 1, 1001)
    best = fine[int(np.argmin([slow_perplexity(a) for a in fine]))]
    assert curve.alpha == pytest.approx(best, abs=0.0021)
    assert curve.alpha in curve.perplexities


def test_a_useless_memory_gets_no_weight() -> None:
    curve = search_alpha(BASE, BASE - 5, GRID, refine=True)
    assert curve.alpha == pytest.approx(0, abs=1e-3)
    assert curve.perplexity <= slow_perplexity(0.0)


def test_a_memory_that_is_always_better_gets_all_the_weight() -> None:
    assert search_alpha(BASE - 5, MEMORY * 0.01, GRID, refine=False).alpha == 1.0


def test_of_equal_perplexities_the_smallest_alpha_wins() -> None:
    assert search_alpha(BASE, BASE, [0.5, 0.0, 1.0], refine=False).alpha == 0.0
