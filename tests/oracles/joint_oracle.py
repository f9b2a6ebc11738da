"""Slow references for a joint model: separate models in float64, no cache, no padding."""

import torch
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedModel

PAD = 0
"""Stands in front of shorter prompts; no prompt of a test has it."""


def joint_log_probs(
    parts: list[PreTrainedModel], weights: list[float], tokens: list[int], vocab_size: int
) -> Tensor:
    """Log Σ w_i p_i at every position of one sequence, float64 (T, V); the base is part 0."""
    total_TV = torch.zeros(len(tokens), vocab_size, dtype=torch.float64)
    for part, weight in zip(parts, [1 - sum(weights), *weights], strict=True):
        with torch.no_grad():
            logits_TV = part(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
        total_TV += weight * torch.softmax(logits_TV[:, :vocab_size].double(), dim=-1)
    return total_TV.log()


def own_tokens(row: Tensor) -> list[int]:
    """A sequence without the padding in front of it."""
    tokens: list[int] = row.tolist()
    while tokens and tokens[0] == PAD:
        tokens.pop(0)
    return tokens


class OracleMixture(LogitsProcessor):
    """Replaces a model's scores by the mixture's, computed anew for every whole sequence."""

    def __init__(
        self, parts: list[PreTrainedModel], weights: list[list[float]], vocab_size: int
    ) -> None:
        self.parts = parts
        self.weights = weights
        self.vocab_size = vocab_size

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """`weights` has one entry per prompt, or one for all."""
        mixed = torch.full_like(scores, float("-inf"))
        per_prompt = input_ids.shape[0] // len(self.weights)
        for row, tokens in enumerate(input_ids):
            log_probs_TV = joint_log_probs(
                self.parts, self.weights[row // per_prompt], own_tokens(tokens), self.vocab_size
            )
            mixed[row, : self.vocab_size] = log_probs_TV[-1]
        return mixed
