"""Fits a router: the weights under which the validation tokens are most probable.

Whole documents are held out of the fit. They choose among strengths of the penalty and moments to
stop, the constant α among them: on these documents no router comes out worse than that.
Shapes: N positions, F features, H hidden units, C clusters (documents).
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memdec_core.errors import UserError
from memdec_core.router.alpha_router import AlphaRouter, mix_by_logits
from memdec_core.router.alpha_router_config import AlphaRouterConfig

PENALTIES = (0.0, 1e-4, 1e-3, 1e-2)
"""Factors of the squared weights, in nats per token."""

ROUNDS, STEPS_PER_ROUND, PATIENCE = 30, 10, 3
"""Rounds of L-BFGS steps at most, and how many may pass without gain on the held-out documents."""

NEAREST_TO_ENDS = 1e-3
"""A constant α of 0 or 1 has no logit: the start keeps this distance."""

ROWS_AT_ONCE = 2**16


class Tokens(NamedTuple):
    """What a router is fitted on.

    Attributes:
        features_NF: Of the positions, float32.
        base_N: Log-probabilities of the tokens under the base, float64.
        memory_N: Under the memory.
    """

    features_NF: Tensor
    base_N: Tensor
    memory_N: Tensor

    @classmethod
    def of(
        cls,
        features_NF: NDArray[np.float32],
        base_N: NDArray[np.float64],
        memory_N: NDArray[np.float64],
    ) -> "Tokens":
        """From arrays, which are not copied."""
        return cls(*(torch.from_numpy(array) for array in (features_NF, base_N, memory_N)))

    def where(self, kept_N: NDArray[np.bool_]) -> "Tokens":
        """Some of them."""
        return Tokens(*(part[torch.from_numpy(kept_N)] for part in self))

    def blocks(self) -> Iterator["Tokens"]:
        """Some at a time, so that the hidden layer of all is never in memory."""
        split = (torch.split(part, ROWS_AT_ONCE) for part in self)
        return (Tokens(*parts) for parts in zip(*split, strict=True))


class RouterFit(NamedTuple):
    """A router, and what chose it.

    Attributes:
        router: Fitted without the held-out documents.
        penalty: Chosen strength; 0 too where the constant was not improved on.
        steps: L-BFGS steps that it was given, 0 if it is the constant.
        fitted_positions: Tokens it was fitted on.
        held_out_positions: Tokens held out.
        held_out_gain: Nats per held-out token that it is better than the start, at least 0.
    """

    router: AlphaRouter
    penalty: float
    steps: int
    fitted_positions: int
    held_out_positions: int
    held_out_gain: float


def fit_router(
    tokens: Tokens, starts_C: NDArray[np.int64], alpha: float, config: AlphaRouterConfig
) -> RouterFit:
    """Fits a router on validation tokens.

    Args:
        tokens: Of the whole validation split.
        starts_C: First position of every document (`cluster_starts`).
        alpha: The constant α tuned on the same split, where the router starts.
        config: Size, documents held out, seed.

    Returns:
        The best router on the held-out documents; the same for the same arguments.

    Raises:
        UserError: There is but one document of one window, so that none can be held out.
    """
    held_out_N = _held_out(starts_C, len(tokens.base_N), config)
    fitted, held_out = tokens.where(~held_out_N), tokens.where(held_out_N)
    start = start_router(fitted.features_NF, alpha, config)
    before = router_loss(start, held_out)
    best, least, penalty, steps = start, before, 0.0, 0
    for strength in PENALTIES:
        stale = 0
        for round_, router in enumerate(_rounds(start, fitted, strength), 1):
            loss = router_loss(router, held_out)
            stale = 0 if loss < least else stale + 1
            if loss < least:
                best, least, penalty, steps = router, loss, strength, round_ * STEPS_PER_ROUND
            if stale == PATIENCE:
                break
    return RouterFit(best, penalty, steps, len(fitted.base_N), len(held_out.base_N), before - least)


def start_router(features_NF: Tensor, alpha: float, config: AlphaRouterConfig) -> AlphaRouter:
    """The constant α as a router that can learn: only the hidden layer's inner weights are not 0.

    Args:
        features_NF: Features to standardise with, float32.
        alpha: The constant, cut off a little from 0 and 1.
        config: Its hidden units, and the seed of their weights.
    """
    scales_F, means_F = torch.std_mean(features_NF.double(), dim=0, correction=0)
    n_features, hidden = len(means_F), config.hidden_units
    generator = torch.Generator().manual_seed(config.seed)
    inner_FH = torch.randn(n_features, hidden, generator=generator, dtype=torch.float64)
    alpha = min(max(alpha, NEAREST_TO_ENDS), 1 - NEAREST_TO_ENDS)
    return AlphaRouter(
        means_F=means_F,
        scales_F=torch.where(scales_F > 0, scales_F, 1.0),
        linear_F=torch.zeros(n_features, dtype=torch.float64),
        inner_FH=inner_FH / math.sqrt(n_features),
        inner_H=torch.zeros(hidden, dtype=torch.float64),
        outer_H=torch.zeros(hidden, dtype=torch.float64),
        bias=torch.tensor(math.log(alpha / (1 - alpha)), dtype=torch.float64),
    )


@torch.no_grad()
def router_loss(router: AlphaRouter, tokens: Tokens) -> float:
    """Mean negative log-probability of the tokens, in nats."""
    return sum(float(_summed_loss(router, block)) for block in tokens.blocks()) / len(tokens.base_N)


def accumulate_gradient(router: AlphaRouter, tokens: Tokens, penalty: float) -> float:
    """Adds the gradient of the penalised mean loss to the trained weights' own.

    Returns:
        mean loss + penalty · Σ weights², in nats per token; means, scales and biases are free.
    """
    total = 0.0
    for block in tokens.blocks():
        loss = _summed_loss(router, block) / len(tokens.base_N)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    matrices = (router.linear_F, router.inner_FH, router.outer_H)
    squares = penalty * torch.stack([matrix.square().sum() for matrix in matrices]).sum()
    squares.backward()  # type: ignore[no-untyped-call]
    return total + float(squares.detach())


def _rounds(start: AlphaRouter, fitted: Tokens, penalty: float) -> Iterator[AlphaRouter]:
    """The router after each round of full-batch L-BFGS."""
    fixed = ("means_F", "scales_F")
    trained = {
        name: weights if name in fixed else weights.clone().requires_grad_()
        for name, weights in vars(start).items()
    }
    router = AlphaRouter(**trained)
    leaves: Sequence[Tensor] = [trained[name] for name in trained if name not in fixed]
    optimizer = torch.optim.LBFGS(
        leaves, max_iter=STEPS_PER_ROUND, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        return accumulate_gradient(router, fitted, penalty)

    for _ in range(ROUNDS):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
        yield AlphaRouter(**{name: leaf.detach().clone() for name, leaf in trained.items()})


def _summed_loss(router: AlphaRouter, tokens: Tokens) -> Tensor:
    logits_N = router.logits(tokens.features_NF)
    return -mix_by_logits(tokens.base_N, tokens.memory_N, logits_N).sum()


def _held_out(
    starts_C: NDArray[np.int64], n_positions: int, config: AlphaRouterConfig
) -> NDArray[np.bool_]:
    """Which positions lie in documents that are held out; some do, and some do not."""
    n_documents = len(starts_C)
    if n_documents < 2:
        raise UserError(
            "config.comparison.router: the validation text is a single window, of which nothing "
            "can be held out of the fit; give more validation documents"
        )
    count = min(max(1, round(config.held_out * n_documents)), n_documents - 1)
    chosen_C = np.zeros(n_documents, np.bool_)
    chosen_C[np.random.default_rng(config.seed).permutation(n_documents)[:count]] = True
    return np.repeat(chosen_C, np.diff(starts_C, append=n_positions))
