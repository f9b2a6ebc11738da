"""An α for every token: how much the memory counts where these two distributions meet.

log α / (1-α) is a linear function of a position's features plus, where the router has a hidden
layer, a small network of them. Without either it is the constant α that one would tune instead.
Shapes: B or N positions, V shared vocabulary, F features, H hidden units.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from memdec_core.router.router_features import router_features

WIDEST = 5.0
"""Standard deviations at which a feature is cut off: text unlike the validation text is met with
weights that were learnt there, never with an extrapolation of them."""


@dataclass(frozen=True)
class AlphaRouter:
    """The weights of a router, all float64.

    Attributes:
        means_F: Of the features it was fitted on.
        scales_F: Their standard deviations.
        linear_F: What a standardised feature adds to the logit of α.
        inner_FH: Into the hidden layer; H may be 0.
        inner_H: Its biases.
        outer_H: Out of it.
        bias: The logit of α at average features, a scalar.
    """

    means_F: Tensor
    scales_F: Tensor
    linear_F: Tensor
    inner_FH: Tensor
    inner_H: Tensor
    outer_H: Tensor
    bias: Tensor

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> "AlphaRouter":
        """As `arrays` gave them."""
        return cls(**{name: torch.from_numpy(array) for name, array in arrays.items()})

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The weights by attribute."""
        return {name: weights.detach().cpu().numpy() for name, weights in vars(self).items()}

    def to(self, device: torch.device) -> "AlphaRouter":
        """The router on another device."""
        return AlphaRouter(**{name: weights.to(device) for name, weights in vars(self).items()})

    def logits(self, features_NF: Tensor) -> Tensor:
        """Logits of α, float64 (N,), from features in the order of `FEATURES`."""
        standard_NF = (features_NF.double() - self.means_F) / self.scales_F
        standard_NF = standard_NF.clamp(-WIDEST, WIDEST)
        hidden_NH = torch.tanh(standard_NF @ self.inner_FH + self.inner_H)
        return self.bias + standard_NF @ self.linear_F + hidden_NH @ self.outer_H


class RoutedMixture(NamedTuple):
    """Distributions of the next token, log-probabilities (B, V), and the α of each, (B,)."""

    log_probs_BV: Tensor
    alphas_B: Tensor


def mix_with_router(
    base_log_probs_BV: Tensor, memory_log_probs_BV: Tensor, router: AlphaRouter
) -> RoutedMixture:
    """Mix two models' next tokens, each position with its own weight.

    Args:
        base_log_probs_BV: The base's log-probabilities, each row normalised.
        memory_log_probs_BV: The memory's, over the same vocabulary, on the same device.
        router: On that device too.

    Returns:
        Log-probabilities in the type of the base's, each row normalised, and float64 α.
    """
    logits_B = router.logits(router_features(base_log_probs_BV, memory_log_probs_BV))
    logits_B1 = logits_B.to(base_log_probs_BV.dtype).unsqueeze(1)
    mixed_BV = mix_by_logits(base_log_probs_BV, memory_log_probs_BV, logits_B1)
    return RoutedMixture(mixed_BV, torch.sigmoid(logits_B))


def mix_by_logits(base: Tensor, memory: Tensor, logits: Tensor) -> Tensor:
    """Log of the mixture, elementwise, for logits of α."""
    return torch.logaddexp(F.logsigmoid(-logits) + base, F.logsigmoid(logits) + memory)


class RoutedScores(NamedTuple):
    """Log-probabilities of scored tokens under the routed mixture, and α there; float64 (N,)."""

    log_probs_N: NDArray[np.float64]
    alphas_N: NDArray[np.float64]


@torch.inference_mode()
def route_scores(
    router: AlphaRouter,
    features_NF: NDArray[np.float32],
    base_N: NDArray[np.float64],
    memory_N: NDArray[np.float64],
) -> RoutedScores:
    """Mix the scores of tokens, given the features of their positions.

    Args:
        router: On the CPU.
        features_NF: As `split_router_features` returns them.
        base_N: Log-probabilities of the tokens under the base.
        memory_N: The same tokens under the memory.
    """
    logits_N = router.logits(torch.from_numpy(features_NF))
    mixed_N = mix_by_logits(torch.from_numpy(base_N), torch.from_numpy(memory_N), logits_N)
    return RoutedScores(mixed_N.numpy(), torch.sigmoid(logits_N).numpy())
