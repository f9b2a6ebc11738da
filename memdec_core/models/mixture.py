"""p = α · p_mem + (1-α) · p_base: how the memory is put beside a base model.

A mixture of probabilities, computed in log space. The base is untouched.
Shapes: B sequences, T tokens, N or P scored positions, V shared vocabulary.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, paired_log_probs, token_log_probs


def check_weights(weights: Sequence[float], n_memories: int) -> None:
    """Refuse weights of memories that leave no probability distribution.

    Raises:
        UserError: There are too few or too many, one is negative or NaN, or they exceed 1 together.
    """
    if len(weights) != n_memories:
        raise UserError(f"{len(weights)} weights for {n_memories} memories: give one to each")
    # a sum of float32 numbers may exceed 1 by a rounding; written so that NaN is refused, too
    if not (all(weight >= 0 for weight in weights) and math.fsum(weights) <= 1 + 1e-6):
        raise UserError(
            f"the memories' weights are {', '.join(f'{w:g}' for w in weights)}: each lies between "
            "0 and 1, and together they are at most 1; the base has the rest"
        )


def mix_log_probs(base: Tensor, memory: Tensor, alpha: float) -> Tensor:
    """Log of the mixture, elementwise; α = 0 is the base and α = 1 the memory, to the bit."""
    if alpha in (0.0, 1.0):
        return memory if alpha else base
    return torch.logaddexp(math.log1p(-alpha) + base, math.log(alpha) + memory)


def mix_token_log_probs(
    base_N: NDArray[np.float64], memory_N: NDArray[np.float64], alpha: float
) -> NDArray[np.float64]:
    """The same for arrays of scored tokens, float64 (N,)."""
    if alpha in (0.0, 1.0):
        return memory_N if alpha else base_N
    return np.logaddexp(math.log1p(-alpha) + base_N, math.log(alpha) + memory_N)


class MixtureLM:
    """A base and a memory as one `LanguageModel`."""

    def __init__(self, base: LanguageModel, memory: LanguageModel, alpha: float) -> None:
        if not 0.0 <= alpha <= 1.0:
            raise UserError(f"alpha is {alpha}: the memory's weight lies between 0 and 1")
        if base.vocab_size != memory.vocab_size:
            raise UserError(
                f"the base has {base.vocab_size} tokens and the memory {memory.vocab_size}: "
                "they must share a tokenizer"
            )
        self.base = base
        self.memory = memory
        self.alpha = alpha
        self.vocab_size = base.vocab_size

    def log_probs(self, tokens_BT: Tensor) -> Tensor:
        """As `LanguageModel.log_probs`; float32 (B, T, V) on the base's device."""
        base_BTV = self.base.log_probs(tokens_BT)
        memory_BTV = self.memory.log_probs(tokens_BT).to(base_BTV.device)
        return mix_log_probs(base_BTV, memory_BTV, self.alpha)

    def scored_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
        """As `language_model.scored_log_probs`; one position at a time, on the base's device."""
        parts = (self.base, self.memory)
        for base_1V, memory_1V in paired_log_probs(parts, tokens_BT, scored_BT, rows=1):
            yield mix_log_probs(base_1V, memory_1V, self.alpha)

    def token_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
        """As `language_model.token_log_probs`; float32 (P,) on the base's device."""
        base_P = token_log_probs(self.base, tokens_BT, scored_BT)
        memory_P = token_log_probs(self.memory, tokens_BT, scored_BT).to(base_P.device)
        return mix_log_probs(base_P, memory_P, self.alpha)
