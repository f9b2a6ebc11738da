import numpy as np
import pytest

from memdec_core.errors import UserError
from memdec_core.search.neighbours import Neighbours
from memdec_core.targets.knn_distribution import knn_targets
from memdec_core.targets.target_quality import TargetQuality, check_targets, measure_targets
from memdec_core.targets.targets_config import TargetsConfig
from memdec_core.training.sparse_targets import SparseTargets

EXACT = Neighbours(np.array([[0, 1, 2]]), np.array([[0, 0, 0]], np.float32))
VALUES = np.array([5, 6, 6], np.uint32)  # p(6) = 2/3, p(5) = 1/3


def _stored(tokens: list[int], probs: list[float]) -> SparseTargets:
    halves = np.array(probs, np.float16)
    tail = np.array([1 - halves.astype(np.float64).sum()], np.float32)
    ids = np.array(tokens, np.int32)
    return SparseTargets(np.array([0, len(tokens)]), ids, halves, np.zeros(1, np.int64), tail)


def test_targets_of_the_exact_neighbours_are_exact_up_to_rounding() -> None:
    rng = np.random.default_rng(0)
    ids = np.stack([rng.permutation(500)[:64] for _ in range(20)])
    distances = np.sort(rng.random((20, 64)) * 40, axis=1).astype(np.float32)
    exact = Neighbours(ids, distances)
    values = rng.integers(0, 40, 500).astype(np.uint32)
    stored = knn_targets(exact, values, np.zeros(20, np.int64), TargetsConfig())
    quality = measure_targets(stored, exact, values, 16.0)
    assert 0 <= quality.total_variation < 5e-3
    assert 0 <= quality.kl < 5e-4
    assert quality.positions == 20


def test_figures_equal_a_calculation_by_hand() -> None:
    quality = measure_targets(_stored([6, 5], [0.5, 0.5]), EXACT, VALUES, 1.0)
    assert quality.total_variation == pytest.approx(1 / 6)
    assert quality.kl == pytest.approx(2 / 3 * np.log(4 / 3) + 1 / 3 * np.log(2 / 3))
    assert quality.tail_mass == 0


def test_what_truncation_dropped_is_reported_as_the_tail_not_as_an_error() -> None:
    quality = measure_targets(_stored([6], [2 / 3]), EXACT, VALUES, 1.0)
    assert quality.total_variation < 1e-3
    assert quality.kl < 1e-3
    assert quality.tail_mass == pytest.approx(1 / 3, abs=1e-3)


def test_tokens_that_exact_search_does_not_know_count_in_full() -> None:
    quality = measure_targets(_stored([9], [1.0]), EXACT, VALUES, 1.0)
    assert quality.total_variation == pytest.approx(1)
    assert np.isfinite(quality.kl)
    assert quality.kl > 10


def test_targets_beyond_the_limit_are_refused_with_figures_and_remedy() -> None:
    config = TargetsConfig(max_total_variation=0.02)
    check_targets(TargetQuality(0.1, 0.02, 0.0, 9), config, "train-00001")
    with pytest.raises(UserError, match=r"train-00001 .* 0\.0300 .*config\.index\.nprobe"):
        check_targets(TargetQuality(0.1, 0.03, 0.0, 9), config, "train-00001")
    with pytest.raises(UserError, match="by nan on average"):
        check_targets(TargetQuality(0.1, float("nan"), 0.0, 9), config, "train-00001")
