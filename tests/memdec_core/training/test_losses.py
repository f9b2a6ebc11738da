"""The sparse, chunked loss against a dense float64 one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memdec_core.training.losses import OutputHead, PositionTargets, sparse_loss
from tests.oracles.loss_oracle import dense_loss, dense_targets


def make_targets(
    rng: np.random.Generator, n: int, vocabulary: int, most: int, dtype: torch.dtype
) -> PositionTargets:
    counts = rng.integers(0, min(most, vocabulary) + 1, n)
    ids = [rng.choice(vocabulary, size=count, replace=False) for count in counts]
    probs = [rng.dirichlet(np.ones(count)) * 0.97 if count else np.zeros(0) for count in counts]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return PositionTargets(
        torch.from_numpy(offsets),
        torch.from_numpy(np.concatenate([*ids, np.zeros(0, np.int64)]).astype(np.int64)),
        torch.from_numpy(np.concatenate([*probs, np.zeros(0)])).to(dtype),
    )


def make_case(
    seed: int, n: int, width: int, vocabulary: int, *, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, PositionTargets]:
    rng = np.random.default_rng(seed)
    hidden = torch.from_numpy(rng.normal(size=(n, width))).to(dtype).requires_grad_()
    weight = torch.from_numpy(rng.normal(size=(vocabulary, width))).to(dtype).requires_grad_()
    bias = torch.from_numpy(rng.normal(size=vocabulary)).to(dtype).requires_grad_()
    label = torch.from_numpy(rng.integers(0, vocabulary, n))
    return hidden, weight, bias, label, make_targets(rng, n, vocabulary, 6, dtype)


def densify(targets: PositionTargets, vocabulary: int) -> torch.Tensor:
    return dense_targets(
        targets.offsets_N1.tolist(),
        targets.token_ids_E.tolist(),
        targets.probs_E.double().tolist(),
        vocabulary,
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 23),
    vocabulary=st.integers(2, 17),
    chunk=st.integers(1, 9),
    beta=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    with_bias=st.booleans(),
)
def test_loss_and_gradients_equal_the_dense_float64_reference(
    seed: int, n: int, vocabulary: int, chunk: int, beta: float, with_bias: bool
) -> None:
    hidden, weight, bias, label, targets = make_case(seed, n, 5, vocabulary)
    used_bias = bias if with_bias else None
    leaves = [hidden, weight, bias] if with_bias else [hidden, weight]

    ours = sparse_loss(hidden, OutputHead(weight, used_bias), label, targets, beta, chunk=chunk)
    grads = torch.autograd.grad(3.0 * ours.loss, leaves)
    # Positions without entries have no KL part at any β: their weight is what CE has.
    loss, kl, ce = dense_loss(hidden, weight, used_bias, label, densify(targets, vocabulary), beta)
    expected = torch.autograd.grad(3.0 * loss, leaves)

    torch.testing.assert_close(ours.loss, loss, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.ce, ce.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.kl, kl.detach(), rtol=1e-12, atol=1e-12)
    assert ours.kl >= -1e-12
    for grad, reference in zip(grads, expected, strict=True):
        torch.testing.assert_close(grad, reference, rtol=1e-10, atol=1e-11)


def test_gradients_of_tied_embedding_and_head_equal_the_dense_reference() -> None:
    rng = np.random.default_rng(5)
    table = torch.from_numpy(rng.normal(size=(11, 4))).requires_grad_()
    ids, label = torch.from_numpy(rng.integers(0, 11, 20)), torch.arange(20) % 11
    targets = make_targets(rng, 20, 11, 5, torch.float64)

    ours = sparse_loss(table[ids].tanh(), OutputHead(table, None), label, targets, 0.5, chunk=7)
    (grad,) = torch.autograd.grad(ours.loss, table)
    loss, _, _ = dense_loss(table[ids].tanh(), table, None, label, densify(targets, 11), 0.5)
    (expected,) = torch.autograd.grad(loss, table)

    torch.testing.assert_close(grad, expected, rtol=1e-6, atol=1e-9)


def test_beta_zero_and_no_targets_are_both_plain_cross_entropy() -> None:
    hidden, weight, _, label, targets = make_case(1, 30, 6, 13)
    expected = torch.nn.functional.cross_entropy(hidden @ weight.T, label, reduction="sum")
    for given_targets, beta in ((targets, 0.0), (None, 0.0), (None, 0.7)):
        ours = sparse_loss(hidden, OutputHead(weight, None), label, given_targets, beta)
        torch.testing.assert_close(ours.loss, expected)


def test_beta_one_is_pure_kl_and_ignores_the_labels() -> None:
    hidden, weight, _, label, targets = make_case(2, 30, 6, 13)
    first = sparse_loss(hidden, OutputHead(weight, None), label, targets, 1.0)
    other = sparse_loss(hidden, OutputHead(weight, None), (label + 1) % 13, targets, 1.0)
    expected = torch.nn.functional.kl_div(
        torch.log_softmax(hidden @ weight.T, -1), densify(targets, 13), reduction="sum"
    )
    torch.testing.assert_close(first.loss, expected)
    torch.testing.assert_close(first.loss, other.loss)


def test_kl_is_zero_when_the_student_equals_the_target() -> None:
    logits = torch.randn(8, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    probs = torch.softmax(logits, -1)
    targets = PositionTargets(
        torch.arange(9) * 10, torch.arange(10).repeat(8), probs.reshape(-1).clone()
    )
    identity = torch.eye(10, dtype=torch.float64)
    ours = sparse_loss(logits, OutputHead(identity, None), torch.zeros(8).long(), targets, 1.0)
    assert abs(ours.kl.item()) < 1e-12


def test_float32_gradients_are_within_a_millionth_of_float64() -> None:
    case64 = make_case(3, 1500, 16, 300)
    case32 = make_case(3, 1500, 16, 300, dtype=torch.float32)
    grads = []
    for hidden, weight, _, label, targets in (case64, case32):
        loss = sparse_loss(hidden, OutputHead(weight, None), label, targets, 0.5).loss / 1500
        grads.append(torch.autograd.grad(loss, [hidden, weight]))
    for reference, grad in zip(*grads, strict=True):
        assert (grad.double() - reference).norm() < 1e-6 * reference.norm()


def test_bfloat16_autocast_keeps_float32_sums_and_gradients_close() -> None:
    hidden, weight, bias, label, targets = make_case(4, 1200, 16, 200, dtype=torch.float32)
    leaves = [hidden, weight, bias]
    exact = sparse_loss(hidden, OutputHead(weight, bias), label, targets, 0.5)
    expected = torch.autograd.grad(exact.loss, leaves)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = sparse_loss(hidden, OutputHead(weight, bias), label, targets, 0.5)
    grads = torch.autograd.grad(ours.loss, leaves)

    assert ours.loss.dtype == torch.float32
    assert ours.loss.item() == pytest.approx(exact.loss.item(), rel=2e-3)
    for grad, reference in zip(grads, expected, strict=True):
        assert grad.dtype == torch.float32
        assert (grad - reference).norm() < 0.02 * reference.norm()


def test_no_gradient_is_computed_for_a_frozen_head_or_without_grad() -> None:
    hidden, weight, _, label, targets = make_case(6, 20, 4, 9)
    frozen = weight.detach()
    loss = sparse_loss(hidden, OutputHead(frozen, None), label, targets, 0.5).loss
    loss.backward()
    assert hidden.grad is not None
    with torch.no_grad():
        same = sparse_loss(hidden, OutputHead(weight, None), label, targets, 0.5)
    torch.testing.assert_close(same.loss, loss.detach())
    assert not same.loss.requires_grad


def test_huge_logits_give_finite_losses_and_gradients() -> None:
    hidden, weight, _, label, targets = make_case(7, 20, 4, 9, dtype=torch.float32)
    scaled = (hidden.detach() * 1e4).requires_grad_()
    ours = sparse_loss(scaled, OutputHead(weight, None), label, targets, 0.5)
    ours.loss.backward()
    assert ours.loss.isfinite()
    assert scaled.grad is not None
    assert scaled.grad.isfinite().all()
