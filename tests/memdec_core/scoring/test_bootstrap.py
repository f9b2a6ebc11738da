"""Intervals agree with a slow loop over the same resamples."""

import math

import numpy as np
import pytest

from memdec_core.scoring import bootstrap as bootstrap_module
from memdec_core.scoring.bootstrap import (
    Bootstrap,
    cluster_starts,
    mean_interval,
    perplexity_interval,
    perplexity_ratio_interval,
    resampled_means,
)
from tests.oracles.perplexity_oracle import bootstrap_means

STARTS = np.array([0, 5, 6, 20, 31, 50])
VALUES = np.random.default_rng(0).normal(-3, 1, size=64)


def settings(samples: int = 200, starts: np.ndarray = STARTS, seed: int = 7) -> Bootstrap:
    return Bootstrap(starts, samples=samples, confidence=0.9, seed=seed)


def test_resampled_means_equal_a_slow_loop_with_the_same_draws() -> None:
    means = resampled_means(VALUES, settings())
    np.testing.assert_allclose(means, bootstrap_means(VALUES, STARTS, 200, seed=7), rtol=1e-12)


def test_drawing_in_small_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    means = resampled_means(VALUES, settings())
    monkeypatch.setattr(bootstrap_module, "DRAWS_AT_ONCE", 18)
    np.testing.assert_array_equal(resampled_means(VALUES, settings()), means)


def test_the_perplexity_interval_holds_the_perplexity() -> None:
    value, low, high = perplexity_interval(VALUES, settings())
    means = bootstrap_means(VALUES, STARTS, 200, seed=7)
    assert value == pytest.approx(math.exp(-VALUES.mean()))
    assert low == pytest.approx(math.exp(-np.quantile(means, 0.95)))
    assert high == pytest.approx(math.exp(-np.quantile(means, 0.05)))
    assert low < value < high


def test_the_ratio_is_paired_so_a_constant_gain_has_no_uncertainty() -> None:
    value, low, high = perplexity_ratio_interval(VALUES + math.log(2), VALUES, settings())
    assert (value, low, high) == pytest.approx((0.5, 0.5, 0.5))


def test_resampling_documents_is_more_careful_than_resampling_tokens() -> None:
    topic = np.repeat(np.random.default_rng(1).normal(size=40), 25)
    by_document = mean_interval(topic, settings(starts=np.arange(0, 1000, 25)))
    by_token = mean_interval(topic, settings(starts=np.arange(1000)))
    assert by_document.high - by_document.low > 3 * (by_token.high - by_token.low)


def test_one_cluster_has_no_interval() -> None:
    value, low, high = perplexity_interval(VALUES, settings(starts=np.array([0])))
    assert value > 0
    assert math.isnan(low)
    assert math.isnan(high)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    starts = np.arange(0, 200, 5)
    hits = 0
    for trial in range(200):
        values = np.repeat(rng.normal(size=40), 5)
        _, low, high = mean_interval(values, settings(starts=starts, seed=trial))
        hits += low <= 0 <= high
    assert 0.82 <= hits / 200 <= 0.96


def test_clusters_are_documents_and_windows_where_there_is_one_document() -> None:
    windows = np.array([[0, 1, 8, 0], [4, 8, 12, 7], [12, 13, 20, 11]])
    assert cluster_starts(windows, np.array([0, 12, 20])).tolist() == [0, 11]
    assert cluster_starts(windows, None).tolist() == [0, 7, 11]
    assert cluster_starts(windows[:2], np.array([0, 12])).tolist() == [0, 7]
