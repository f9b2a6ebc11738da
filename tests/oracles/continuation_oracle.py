"""Continuations scored the plain way: one forward pass per token, float64, no batch, no padding."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

NextToken = Callable[[Sequence[int]], NDArray[np.float64]]
"""Token ids in, probabilities of the next token out, float64 (V,)."""


def transformer_next_token(model: PreTrainedModel, vocab_size: int) -> NextToken:
    """The softmax over the model's first logits."""

    def next_token(tokens: Sequence[int]) -> NDArray[np.float64]:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([list(tokens)])).logits[0, -1, :vocab_size]
        probabilities: NDArray[np.float64] = torch.softmax(logits.double(), dim=-1).numpy()
        return probabilities

    return next_token


def mixed_next_token(base: NextToken, memory: NextToken, alpha: float) -> NextToken:
    """The mixture of two models' probabilities."""
    return lambda tokens: alpha * memory(tokens) + (1 - alpha) * base(tokens)


def continuation_score(
    next_token: NextToken, context: Sequence[int], continuation: Sequence[int]
) -> tuple[float, bool]:
    """The continuation's log-probability, and whether each token is the most probable one."""
    read, log_prob, is_greedy = list(context), 0.0, True
    for token in continuation:
        probabilities = next_token(read)
        log_prob += float(np.log(probabilities[token]))
        is_greedy &= int(probabilities.argmax()) == token
        read.append(token)
    return log_prob, is_greedy


def greedy_tokens(next_token: NextToken, context: Sequence[int], count: int) -> list[int]:
    """The most probable token, again and again."""
    read = list(context)
    for _ in range(count):
        read.append(int(next_token(read).argmax()))
    return read[len(context) :]
