"""Greedy text of a base, or of a base with its memory, token by token with cached attention.

One sequence at a time, so there is no padding and no mask to get wrong: what latency is measured
with, and what lm-evaluation-harness gets. V is the vocabulary.
"""

import inspect
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import mix_log_probs


class Decoder(Protocol):
    """One sequence under construction: tokens go in once, their keys and values are kept."""

    @property
    def context_length(self) -> int | None:
        """Most tokens of the sequence, None if there is no limit."""

    def feed(self, tokens: Sequence[int]) -> Tensor:
        """Append tokens; return log p(· | all tokens so far), float32 (V,) on the CPU."""
        ...


class TransformerDecoder:
    """A decoder of one transformer."""

    def __init__(self, lm: TransformerLM) -> None:
        self._lm = lm
        self._cache: Any = None
        takes_keep = "logits_to_keep" in inspect.signature(lm.model.forward).parameters
        self._options = {"logits_to_keep": 1} if takes_keep else {}

    @property
    def context_length(self) -> int | None:
        """As the model's."""
        return self._lm.context_length

    @torch.inference_mode()
    def feed(self, tokens: Sequence[int]) -> Tensor:
        """As `Decoder.feed`."""
        output = self._lm.model(
            input_ids=torch.tensor([list(tokens)], device=self._lm.device),
            past_key_values=self._cache,
            use_cache=True,
            **self._options,
        )
        self._cache = output.past_key_values
        logits_V = output.logits[0, -1, : self._lm.vocab_size].float().cpu()
        return torch.log_softmax(logits_V, dim=-1)


class MixtureDecoder:
    """A base and a memory side by side, each with a cache of its own."""

    def __init__(self, base: Decoder, memory: Decoder, alpha: float) -> None:
        self._base = base
        self._memory = memory
        self._alpha = alpha

    @property
    def context_length(self) -> int | None:
        """The shorter of the two."""
        limits = (self._base.context_length, self._memory.context_length)
        return min((limit for limit in limits if limit is not None), default=None)

    def feed(self, tokens: Sequence[int]) -> Tensor:
        """As `Decoder.feed`."""
        return mix_log_probs(self._base.feed(tokens), self._memory.feed(tokens), self._alpha)


def generate(
    decoder: Decoder, prompt: Sequence[int], max_new_tokens: int, stop_tokens: Collection[int]
) -> Iterator[int]:
    """Continue a prompt with the most probable tokens.

    Args:
        decoder: A fresh decoder; used up by this call.
        prompt: Token ids, at least one.
        max_new_tokens: Most tokens to add.
        stop_tokens: Ids that end the text, such as the end-of-sequence token.

    Yields:
        The new token ids, without the stop token, as soon as each is chosen.

    Raises:
        UserError: The prompt is empty, or prompt and new tokens exceed the context.
    """
    check_room(prompt, max_new_tokens, decoder.context_length)
    return _tokens(decoder, list(prompt), max_new_tokens, stop_tokens)


def check_room(prompt: Sequence[int], max_new_tokens: int, limit: int | None) -> None:
    """Refuse a prompt that cannot be continued in a context of `limit` tokens.

    Raises:
        UserError: The prompt is empty, or prompt and new tokens exceed the context.
    """
    if not prompt:
        raise UserError("the prompt is empty: give at least one token to continue")
    if limit is not None and len(prompt) + max_new_tokens > limit:
        raise UserError(
            f"a prompt of {len(prompt)} tokens and {max_new_tokens} new ones exceed the "
            f"context of {limit}: shorten the prompt or lower max_new_tokens"
        )


def _tokens(
    decoder: Decoder, fed: list[int], max_new_tokens: int, stop_tokens: Collection[int]
) -> Iterator[int]:
    for _ in range(max_new_tokens):
        token = int(decoder.feed(fed).argmax())
        if token in stop_tokens:
            return
        yield token
        fed = [token]


def stop_tokens_of(model: PreTrainedModel) -> frozenset[int]:
    """The ids that the model's own generation settings end a text with."""
    settings = getattr(model, "generation_config", None) or model.config
    ids = settings.eos_token_id
    return frozenset() if ids is None else frozenset(ids if isinstance(ids, list) else [ids])
