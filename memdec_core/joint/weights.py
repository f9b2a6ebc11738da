"""Weights of memories, as one may state them, and the logits of the mixture under them.

Weights are constant, one set for each sequence, or chosen at every token by a router.
Shapes: B sequences, M memories, T positions, N = B · T, V vocabulary, F features.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from memdec_core.errors import UserError
from memdec_core.joint.config import JointConfig
from memdec_core.models.mixture import check_weights
from memdec_core.router.alpha_router import AlphaRouter, mix_with_router
from memdec_core.router.router_features import FEATURES

Routed = Literal["router"]
BY_ROUTER: Routed = "router"
"""The weight is chosen anew for every token (`alpha_router`)."""

Alpha = float | Sequence[float] | Mapping[str, float] | Tensor | Routed


def weights_of(config: JointConfig, alpha: Alpha | None) -> tuple[float, ...] | Tensor | Routed:
    """What a call's `alpha` means to a joint model: as `resolve_weights`, or its router.

    Args:
        config: The model's.
        alpha: As `resolve_weights` takes it, or `router`.

    Raises:
        UserError: The weights do not fit, or the model has no router.
    """
    if not isinstance(alpha, str):
        return resolve_weights(alpha, config.memories or (), config.weights or ())
    if alpha != BY_ROUTER or config.router is None:
        raise UserError(
            f"alpha is {alpha!r}, but this model has no router: give a number, or export the "
            "pipeline again after a `memdec compare` with comparison.router"
        )
    return BY_ROUTER


def resolve_weights(
    alpha: float | Sequence[float] | Mapping[str, float] | Tensor | None,
    names: Sequence[str],
    defaults: Sequence[float],
) -> tuple[float, ...] | Tensor:
    """Bring weights into one of two forms.

    Args:
        alpha: None for the defaults. A number, for a single memory. A sequence of one number per
            memory, or a mapping of their names (those not named get 0), for all sequences alike.
            A tensor (B,) for a single memory, or (B, M): every sequence has its own.
        names: Of the memories.
        defaults: Their weights where `alpha` is None.

    Returns:
        M numbers for all sequences, or a float32 tensor (B, M).

    Raises:
        UserError: The weights do not fit the memories, or leave no distribution.
    """
    if isinstance(alpha, Tensor) and alpha.ndim > 0:
        return _of_each_sequence(alpha, names)
    weights = tuple(defaults) if alpha is None else _of_all(alpha, names)
    if len(weights) != len(names):
        raise UserError(
            f"alpha has {len(weights)} values for {len(names)} memories ({', '.join(names)}): give "
            "one each, or a mapping of their names"
        )
    check_weights(weights, len(names))
    return weights


def _of_all(
    alpha: float | Sequence[float] | Mapping[str, float] | Tensor, names: Sequence[str]
) -> tuple[float, ...]:
    if isinstance(alpha, Mapping):
        if unknown := [name for name in alpha if name not in names]:
            raise UserError(f"no memory is called {unknown[0]!r}; there are {', '.join(names)}")
        return tuple(float(alpha.get(name, 0.0)) for name in names)
    if isinstance(alpha, Sequence):
        return tuple(float(weight) for weight in alpha)
    return (float(alpha),)


def _of_each_sequence(alpha: Tensor, names: Sequence[str]) -> Tensor:
    if alpha.ndim == 1 and len(names) == 1:
        alpha = alpha.unsqueeze(1)
    if alpha.ndim != 2 or alpha.shape[1] != len(names):
        raise UserError(
            f"alpha has the shape {tuple(alpha.shape)}: a tensor gives every sequence its weights, "
            f"(B, {len(names)}) for {len(names)} memories"
        )
    if not torch.compiler.is_compiling():
        low, high = float(alpha.min()), float(alpha.sum(dim=1).max())
        check_weights((low if low < 0 else high,), n_memories=1)
    return alpha.float()


def fuse_logits(parts: Sequence[Tensor], weights: tuple[float, ...] | Tensor) -> Tensor:
    """Logits of the mixture, on the base's scale.

    log((1 - Σα) p_base + Σ α_i p_i) plus the base's log-sum-exp: a distribution's logits are free
    up to a constant, and with the base's own, whatever looks at their sign or size (a repetition
    penalty) acts on the mixture as it would on the base.

    Args:
        parts: Logits of the base and of every memory, float32 (B, T, V) each, on one device.
        weights: As `resolve_weights` returns them.

    Returns:
        float32 (B, T, V). Where a weight is 1 they are that part's own logits, to the bit, as they
        are the base's where all weights are 0.
    """
    base_BTV, *memories = parts
    if not memories:
        return base_BTV
    if isinstance(weights, tuple):
        return _fuse_alike(base_BTV, memories, weights)
    shares_BM = weights.to(base_BTV.device)
    rest_B = (1.0 - shares_BM.sum(dim=1)).clamp(min=0.0)
    scale_BT1 = torch.logsumexp(base_BTV, dim=-1, keepdim=True)
    fused_BTV = base_BTV + _log(rest_B)
    for number, memory_BTV in enumerate(memories):
        share_B11 = _log(shares_BM[:, number])
        lift_BT1 = scale_BT1 - torch.logsumexp(memory_BTV, dim=-1, keepdim=True)
        fused_BTV = torch.logaddexp(fused_BTV, memory_BTV + (lift_BT1 + share_B11))
    for number, memory_BTV in enumerate(memories):
        alone_B11 = (shares_BM[:, number] == 1.0).view(-1, 1, 1)
        fused_BTV = torch.where(alone_B11, memory_BTV, fused_BTV)
    return fused_BTV


def _fuse_alike(base_BTV: Tensor, memories: Sequence[Tensor], weights: tuple[float, ...]) -> Tensor:
    """The same for weights of all sequences; memories that have none cost nothing."""
    if 1.0 in weights:
        return memories[weights.index(1.0)]
    if not any(weights):
        return base_BTV
    rest = max(0.0, 1.0 - sum(weights))
    scale_BT1 = torch.logsumexp(base_BTV, dim=-1, keepdim=True)
    terms = [base_BTV + math.log(rest)] if rest else []
    for weight, memory_BTV in zip(weights, memories, strict=True):
        if weight:
            lift_BT1 = scale_BT1 - torch.logsumexp(memory_BTV, dim=-1, keepdim=True)
            terms.append(memory_BTV + (lift_BT1 + math.log(weight)))
    fused_BTV = terms[0]
    for term_BTV in terms[1:]:
        fused_BTV = torch.logaddexp(fused_BTV, term_BTV)
    return fused_BTV


def _log(share_B: Tensor) -> Tensor:
    return torch.log(share_B).view(-1, 1, 1)


def router_of(config: JointConfig) -> AlphaRouter:
    """The router that a configuration holds; one without a hidden layer has an empty list there."""
    arrays = {
        name: np.asarray(values, np.float64) for name, values in (config.router or {}).items()
    }
    arrays["inner_FH"] = arrays["inner_FH"].reshape(len(FEATURES), -1)
    return AlphaRouter.from_arrays(arrays)


def fuse_routed(base_BTV: Tensor, memory_BTV: Tensor, router: AlphaRouter) -> Tensor:
    """Logits of the mixture on the base's scale, each position with a weight of its own.

    Args:
        base_BTV: The base's logits, float32.
        memory_BTV: The memory's, on the same device.
        router: Fitted for the two of them.

    Returns:
        float32 (B, T, V).
    """
    base_NV, memory_NV = (
        torch.log_softmax(part, dim=-1).flatten(0, 1) for part in (base_BTV, memory_BTV)
    )
    mixed_NV = mix_with_router(base_NV, memory_NV, router.to(base_BTV.device)).log_probs_BV
    scale_BT1 = torch.logsumexp(base_BTV, dim=-1, keepdim=True)
    return mixed_NV.view_as(base_BTV) + scale_BT1
