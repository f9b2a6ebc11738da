"""The loss written densely in float64, one position at a time: slow and obvious."""

import torch
from torch import Tensor


def dense_targets(
    offsets: list[int], token_ids: list[int], probs: list[float], vocabulary: int
) -> Tensor:
    """(N, V) float64: each position's kept probabilities, renormalised; zero rows stay zero."""
    rows = torch.zeros(len(offsets) - 1, vocabulary, dtype=torch.float64)
    for n in range(len(offsets) - 1):
        for e in range(offsets[n], offsets[n + 1]):
            rows[n, token_ids[e]] += probs[e]
        total = rows[n].sum()
        if total > 0:
            rows[n] /= total
    return rows


def dense_loss(
    hidden_NH: Tensor,
    weight_VH: Tensor,
    bias_V: Tensor | None,
    label_N: Tensor,
    target_NV: Tensor,
    beta: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over positions of the loss, the KL and the cross-entropy, by ordinary autograd."""
    logits_NV = hidden_NH @ weight_VH.T
    if bias_V is not None:
        logits_NV = logits_NV + bias_V
    log_q_NV = torch.log_softmax(logits_NV, -1)
    kl = torch.zeros((), dtype=hidden_NH.dtype)
    ce = torch.zeros((), dtype=hidden_NH.dtype)
    for n in range(len(label_N)):
        kept = target_NV[n] > 0
        p = target_NV[n][kept]
        kl = kl + (p * (p.log() - log_q_NV[n][kept])).sum()
        ce = ce - log_q_NV[n, label_N[n]]
    return beta * kl + (1 - beta) * ce, kl, ce
