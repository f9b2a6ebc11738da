"""A joint model's logits where a router chooses the weight of every token.

Shapes: B sequences, T positions, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memdec_core.router.alpha_router import AlphaRouter, mix_with_router


def router_lists(router: AlphaRouter) -> dict[str, Any]:
    """A router as a configuration holds it."""
    return {name: array.tolist() for name, array in router.arrays().items()}


def router_of(lists: Mapping[str, Any], n_features: int) -> AlphaRouter:
    """The router that `router_lists` wrote; one without a hidden layer has an empty list there."""
    arrays = {name: np.asarray(values, np.float64) for name, values in lists.items()}
    arrays["inner_FH"] = arrays["inner_FH"].reshape(n_features, -1)
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
