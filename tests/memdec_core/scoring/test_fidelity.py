"""Sparse divergences agree with dense ones in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.models.language_model import TransformerLM
from memdec_core.scoring.fidelity import fidelity, measure_fidelity, sample_windows
from memdec_core.training.sparse_targets import SparseTargets
from memdec_core.windows.windows import WindowConfig, make_windows
from tests.oracles.perplexity_oracle import dense_divergences
from tests.support.tiny_models import tiny_model

ROWS, VOCABULARY = 12, 30


def distributions(seed: int, sharpness: float = 1.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(ROWS, VOCABULARY)) * sharpness
    exp = np.exp(logits)
    return exp / exp.sum(axis=1, keepdims=True)


def sparse(p_RV: np.ndarray, kept: int) -> SparseTargets:
    ids_RK = np.argsort(-p_RV, axis=1, kind="stable")[:, :kept]
    probs_RK = np.take_along_axis(p_RV, ids_RK, axis=1)
    return SparseTargets(
        np.arange(0, kept * len(p_RV) + 1, kept),
        ids_RK.reshape(-1).astype(np.int32),
        probs_RK.reshape(-1).astype(np.float32),
        np.zeros(len(p_RV), np.int64),
        (1 - probs_RK.sum(axis=1)).astype(np.float32),
    )


def merged(x_RV: np.ndarray, order_RV: np.ndarray, kept: int) -> np.ndarray:
    """The kept columns as they are, all others as one."""
    ordered = np.take_along_axis(x_RV, order_RV, axis=1)
    return np.concatenate([ordered[:, :kept], ordered[:, kept:].sum(axis=1, keepdims=True)], axis=1)


def log_tensor(q_RV: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.log(q_RV)).float()


def test_whole_targets_give_the_dense_kl_and_total_variation() -> None:
    p, q = distributions(0), distributions(1)
    result = fidelity(sparse(p, VOCABULARY), log_tensor(q))
    kl, total_variation = dense_divergences(p, q)
    np.testing.assert_allclose(result.kl_R, kl, atol=2e-6)
    np.testing.assert_allclose(result.total_variation_R, total_variation, atol=2e-6)
    np.testing.assert_array_equal(result.top1_agreement_R, p.argmax(1) == q.argmax(1))


@given(kept=st.integers(1, VOCABULARY - 1), seed=st.integers(0, 50))
def test_truncated_targets_are_compared_with_the_tail_as_one_token(kept: int, seed: int) -> None:
    p, q = distributions(seed, 2.0), distributions(seed + 1, 2.0)
    result = fidelity(sparse(p, kept), log_tensor(q))
    order = np.argsort(-p, axis=1, kind="stable")
    kl, total_variation = dense_divergences(merged(p, order, kept), merged(q, order, kept))
    np.testing.assert_allclose(result.kl_R, kl, atol=1e-5)
    np.testing.assert_allclose(result.total_variation_R, total_variation, atol=1e-5)
    whole_kl, whole_variation = dense_divergences(p, q)
    assert (result.kl_R <= whole_kl + 1e-5).all()
    assert (result.total_variation_R <= whole_variation + 1e-5).all()


def test_a_memory_equal_to_its_targets_has_no_divergence() -> None:
    p = distributions(3)
    result = fidelity(sparse(p, VOCABULARY), log_tensor(p))
    np.testing.assert_allclose(result.kl_R, 0, atol=1e-6)
    np.testing.assert_allclose(result.total_variation_R, 0, atol=1e-6)
    assert result.top1_agreement_R.all()


def test_probabilities_rounded_for_storage_are_scaled_to_sum_to_one() -> None:
    p = distributions(5)
    rows = sparse(p, VOCABULARY)
    result = fidelity(rows._replace(probs_E=rows.probs_E * np.float32(0.98)), log_tensor(p))
    np.testing.assert_allclose(result.kl_R, 0, atol=1e-5)


def test_a_target_on_one_token_costs_that_tokens_log_probability() -> None:
    ids, one, zero = np.array([4], np.int32), np.ones(1, np.float32), np.zeros(1, np.float32)
    rows = SparseTargets(np.array([0, 1]), ids, one, np.zeros(1, np.int64), zero)
    q = distributions(6)[:1]
    result = fidelity(rows, log_tensor(q))
    assert result.kl_R[0] == pytest.approx(-np.log(q[0, 4]), rel=1e-6)
    assert result.total_variation_R[0] == pytest.approx(1 - q[0, 4], rel=1e-5)


def test_a_memory_is_measured_on_all_positions_of_its_windows_in_order() -> None:
    tokens = np.random.default_rng(1).integers(VOCABULARY, size=40)
    windows = make_windows(np.array([0, 13, 40]), WindowConfig(length=16, stride=8))[1:]
    p = np.random.default_rng(2).dirichlet(np.ones(VOCABULARY), size=38)
    lm = TransformerLM(tiny_model(), VOCABULARY, logit_bytes=4 * VOCABULARY * 3)
    measured = measure_fidelity(
        lm, windows, lambda a, b: tokens[a:b], lambda a, b: sparse(p[a:b], VOCABULARY)
    )
    expected = []
    for start, first, end, row in windows:
        log_probs = lm.log_probs(torch.from_numpy(tokens[None, start:end]))[0]
        q = log_probs[first - start - 1 : -1].double().exp().numpy()
        expected.append(dense_divergences(p[row : row + end - first], q)[0])
    np.testing.assert_allclose(measured.kl_R, np.concatenate(expected), atol=1e-5)


def test_sampled_windows_score_about_as_many_positions_as_asked() -> None:
    windows = make_windows(np.array([0, 1000]), WindowConfig(length=16, stride=8))
    sample = sample_windows(windows, 100, seed=3)
    assert 100 <= (sample[:, 2] - sample[:, 1]).sum() < 116
    assert sample.tolist() == sorted(sample.tolist())
    assert len(sample_windows(windows, 0, seed=3)) == 0
    assert len(sample_windows(windows, 10**6, seed=3)) == len(windows)
