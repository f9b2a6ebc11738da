"""The loss of a Memory Decoder, and plain cross-entropy, without ever holding all logits.

    L = β · KL(p_kNN ‖ p_mem) + (1 - β) · (-log p_mem(y))
      = t · (logsumexp(z) - z) + const      with sparse  t = β · p_kNN + (1 - β) · onehot(y)

The gradient in the logits is `softmax(z) - t`, so a chunk of positions is enough to compute the
loss, the gradient of its hidden states and its share of the head's gradient; the chunk's logits
are then dropped. Nothing dense of positions × vocabulary exists on the side of the targets.

Shapes: N positions, E sparse entries, H width, V vocabulary, C positions of a chunk.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class PositionTargets(NamedTuple):
    """Sparse p_kNN of N positions, in the order of the positions.

    Attributes:
        offsets_N1: int64, on the CPU; the entries of position n are offsets[n]..offsets[n+1]-1.
        token_ids_E: int64 token ids, distinct within a position.
        probs_E: float, not negative. They need not sum to one: see `sparse_loss`.
    """

    offsets_N1: Tensor
    token_ids_E: Tensor
    probs_E: Tensor


class LossSums(NamedTuple):
    """Sums over positions of a batch, in nats; divide by the number of positions.

    Attributes:
        loss: The loss to differentiate.
        kl: KL(p_kNN ‖ p_mem), entropy included, detached; at any β, 0 without targets.
        ce: -log p_mem(y), detached.
    """

    loss: Tensor
    kl: Tensor
    ce: Tensor


class OutputHead(NamedTuple):
    """The linear map from hidden states to logits: weight (V, H) and bias (V) or None."""

    weight_VH: Tensor
    bias_V: Tensor | None


class _Terms(NamedTuple):
    """What a chunk needs besides hidden states: labels, entries by position, weights."""

    label_N: Tensor
    entry_starts: list[int]  # first entry of each chunk, and the end
    position_E: Tensor
    token_E: Tensor
    prob_E: Tensor  # sums to 1 over each position that has entries
    mass_N: Tensor | None  # β·1[has entries] + (1 - β): what t sums to; None: 1 everywhere
    beta: float
    chunk: int


class _Chunk(NamedTuple):
    """One chunk's share: sums of KL and CE and the gradient in its logits, or None."""

    kl: Tensor
    ce: Tensor
    grad_CV: Tensor | None


def sparse_loss(
    hidden_NH: Tensor,
    head: OutputHead,
    label_N: Tensor,
    targets: PositionTargets | None,
    beta: float,
    *,
    chunk: int | None = None,
) -> LossSums:
    """Sums the loss over positions; differentiable in the hidden states and the head.

    p_kNN is taken over the entries that were kept, renormalised to one, so that its KL is a real
    one (never negative, 0 only at equality). Dropping a tail of mass ε moves the target, and with
    it the gradient in the logits, by at most 2ε in L1; the targets' manifest reports ε. A position
    without entries has no p_kNN and contributes its cross-entropy part alone.

    Matrix products run in the autocast dtype when autocast is on; softmax, sums and the head's
    accumulated gradient are float32 (float64 for float64 hidden states). Gradients are computed
    in the forward pass: twice differentiating is refused.

    Args:
        hidden_NH: Hidden states from which the positions are predicted.
        head: The output head, cut to the real vocabulary.
        label_N: int64 ids of the tokens that really follow.
        targets: Sparse p_kNN, or None for plain cross-entropy (β is then taken as 0).
        beta: Weight of the KL part, 0 to 1.
        chunk: Positions whose logits exist at a time; chosen by device when None.
    """
    chunk = chunk or _default_chunk(hidden_NH.device)
    terms = _prepare_terms(label_N, targets, beta, chunk, _sum_dtype(hidden_NH))
    loss, kl, ce = _SparseLoss.apply(  # type: ignore[no-untyped-call]
        hidden_NH, head.weight_VH, head.bias_V, terms, torch.is_grad_enabled()
    )
    return LossSums(loss, kl, ce)


def _default_chunk(device: torch.device) -> int:
    """512 positions keep a tile of logits near a CPU's cache; GPUs want larger products."""
    return 512 if device.type == "cpu" else 4096


def _sum_dtype(hidden_NH: Tensor) -> torch.dtype:
    return torch.float64 if hidden_NH.dtype == torch.float64 else torch.float32


def _prepare_terms(
    label_N: Tensor, targets: PositionTargets | None, beta: float, chunk: int, dtype: torch.dtype
) -> _Terms:
    """Renormalises the kept entries and finds where each chunk's entries begin."""
    n, device = len(label_N), label_N.device
    if targets is None:
        empty = torch.zeros(0, dtype=torch.int64, device=device)
        starts = [0] * (math.ceil(n / chunk) + 1)
        none = torch.zeros(0, dtype=dtype, device=device)
        return _Terms(label_N, starts, empty, empty, none, None, 0.0, chunk)
    offsets_N1 = targets.offsets_N1
    counts_N = offsets_N1.diff()
    starts = [*offsets_N1[:-1:chunk].tolist(), int(offsets_N1[-1])]
    position_E = torch.repeat_interleave(counts_N).to(device)
    prob_E = targets.probs_E.to(dtype)
    total_N = torch.zeros(n, dtype=dtype, device=device).index_add_(0, position_E, prob_E)
    has_entries_N = total_N > 0
    mass_N = None if has_entries_N.all() else has_entries_N.to(dtype) * beta + (1 - beta)
    prob_E = prob_E / total_N[position_E].clamp_min(torch.finfo(dtype).tiny)
    return _Terms(label_N, starts, position_E, targets.token_ids_E, prob_E, mass_N, beta, chunk)


def _chunk_loss(
    logits_CV: Tensor, soft_CV: Tensor, terms: _Terms, index: int, *, with_grad: bool
) -> _Chunk:
    """Loss sums of one chunk and, if wanted, softmax(z) - t, which is written into `soft_CV`."""
    dtype, vocabulary = terms.prob_E.dtype, logits_CV.shape[1]
    start = index * terms.chunk
    rows = slice(start, start + len(logits_CV))
    entries = slice(terms.entry_starts[index], terms.entry_starts[index + 1])
    prob_E = terms.prob_E[entries]
    local_E = terms.position_E[entries] - start
    flat_E = local_E * vocabulary + terms.token_E[entries]
    first_C = torch.arange(len(logits_CV), device=logits_CV.device) * vocabulary
    flat_C = first_C + terms.label_N[rows]

    torch.softmax(logits_CV, -1, dtype=dtype, out=soft_CV)
    # The largest probability is exp(max - logsumexp): cheaper than a second pass of exponentials.
    lse_C = logits_CV.amax(-1).to(dtype) - soft_CV.amax(-1).log()
    ce = (lse_C - logits_CV.take(flat_C).to(dtype)).sum()
    kl_E = torch.xlogy(prob_E, prob_E) + prob_E * (
        lse_C[local_E] - logits_CV.take(flat_E).to(dtype)
    )
    if not with_grad:
        return _Chunk(kl_E.sum(), ce, None)
    if terms.mass_N is not None:
        soft_CV.mul_(terms.mass_N[rows, None])
    flat_soft = soft_CV.view(-1)
    flat_soft.index_add_(0, flat_E, prob_E, alpha=-terms.beta)
    flat_soft[flat_C] -= 1 - terms.beta
    return _Chunk(kl_E.sum(), ce, soft_CV)


class _Gradients(NamedTuple):
    """Gradients of the summed loss in hidden states, weight and bias; None where not needed."""

    hidden_NH: Tensor | None
    weight_VH: Tensor | None
    bias_V: Tensor | None

    def add(self, rows: slice, grad_CV: Tensor, hidden_CH: Tensor, weight_VH: Tensor) -> None:
        """Adds one chunk's share, given the gradient in its logits."""
        if self.hidden_NH is not None:
            self.hidden_NH[rows] = grad_CV @ weight_VH
        if self.weight_VH is not None:
            if grad_CV.dtype == self.weight_VH.dtype:
                self.weight_VH.addmm_(grad_CV.T, hidden_CH)
            else:
                self.weight_VH.add_(grad_CV.T @ hidden_CH)
        if self.bias_V is not None:
            self.bias_V.add_(grad_CV.sum(0, dtype=self.bias_V.dtype))


def _sum_chunks(
    hidden_NH: Tensor, head: OutputHead, terms: _Terms, grads: _Gradients
) -> tuple[Tensor, Tensor]:
    """Sums of KL and CE over all chunks; fills the gradients."""
    device, dtype = hidden_NH.device, terms.prob_E.dtype
    autocast = torch.is_autocast_enabled(device.type)
    compute = torch.get_autocast_dtype(device.type) if autocast else hidden_NH.dtype
    kl, ce = torch.zeros(2, dtype=dtype, device=device).unbind()
    with_grad = any(grad is not None for grad in grads)
    with torch.autocast(device.type, enabled=False):
        weight_VH = head.weight_VH.to(compute)
        bias_V = None if head.bias_V is None else head.bias_V.to(compute)
        # two tiles for all chunks are all that ever exists of positions × vocabulary
        shape = (min(terms.chunk, len(hidden_NH)), len(weight_VH))
        logits_tile = torch.empty(shape, dtype=compute, device=device)
        soft_tile = torch.empty(shape, dtype=dtype, device=device)
        for index, start in enumerate(range(0, len(hidden_NH), terms.chunk)):
            rows = slice(start, start + terms.chunk)
            hidden_CH = hidden_NH[rows].to(compute)
            logits_CV, soft_CV = logits_tile[: len(hidden_CH)], soft_tile[: len(hidden_CH)]
            torch.mm(hidden_CH, weight_VH.T, out=logits_CV)
            if bias_V is not None:
                logits_CV += bias_V
            part = _chunk_loss(logits_CV, soft_CV, terms, index, with_grad=with_grad)
            kl += part.kl
            ce += part.ce
            if part.grad_CV is not None:
                grad_CV = part.grad_CV if compute == dtype else logits_CV.copy_(part.grad_CV)
                grads.add(rows, grad_CV, hidden_CH, weight_VH)
    return kl, ce


class _SparseLoss(torch.autograd.Function):
    """Forward computes the loss and its gradients chunk by chunk; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch's context has no public type
        hidden_NH: Tensor,
        weight_VH: Tensor,
        bias_V: Tensor | None,
        terms: _Terms,
        with_grad: bool,  # noqa: FBT001  Function.apply takes no keywords
    ) -> tuple[Tensor, Tensor, Tensor]:
        inputs, dtype = (hidden_NH, weight_VH, bias_V), terms.prob_E.dtype
        grads = _Gradients(
            *(
                torch.zeros_like(tensor, dtype=tensor.dtype if tensor is hidden_NH else dtype)
                if with_grad and needed and tensor is not None
                else None
                for tensor, needed in zip(inputs, ctx.needs_input_grad, strict=False)
            )
        )
        kl, ce = _sum_chunks(hidden_NH, OutputHead(weight_VH, bias_V), terms, grads)
        ctx.save_for_backward(*grads)
        ctx.dtypes = [None if tensor is None else tensor.dtype for tensor in inputs]
        ctx.mark_non_differentiable(kl, ce)
        return terms.beta * kl + (1 - terms.beta) * ce, kl, ce

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        grad_loss: Tensor,
        *_unused: Tensor,
    ) -> tuple[Tensor | None, ...]:
        grads = [
            None if grad is None else (grad * grad_loss).to(dtype)
            for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        ]
        return (*grads, None, None)
