"""kNN-LM token by token: cached attention, and one search for each token that is predicted.

Shapes: D key width, E tokens that follow neighbours, V shared vocabulary.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from memdec_core.generation import TransformerDecoder
from memdec_core.key_layer import find_key_layer
from memdec_core.key_model import check_key_size
from memdec_core.knn_distribution import token_masses
from memdec_core.knn_lm import KnnLM
from memdec_core.mixture import mix_log_probs
from memdec_core.single_search import nearest_to_one


class KnnDecoder:
    """A decoder of a kNN-LM: its distributions are those of `KnnLM.log_probs`."""

    def __init__(self, lm: KnnLM) -> None:
        self._lm = lm
        self._base = TransformerDecoder(lm.base)
        self._layer = find_key_layer(lm.base.model)

    @property
    def context_length(self) -> int | None:
        """As the base's."""
        return self._base.context_length

    def feed(self, tokens: Sequence[int]) -> Tensor:
        """As `Decoder.feed`; the pass that gives the base's logits gives the key to search with."""
        with self._recorded_key() as recorded:
            base_V = self._base.feed(tokens)
        (key_D,) = recorded
        return mix_log_probs(base_V, self._neighbours_say(key_D), self._lm.weight)

    def _neighbours_say(self, key_D: Tensor) -> Tensor:
        """Log p_kNN of all tokens, float32 (V,); -inf for what followed no neighbour."""
        lm = self._lm
        neighbours = nearest_to_one(lm.datastore, key_D.float().cpu().numpy(), lm.k)
        _, tokens_E, masses_E = token_masses(neighbours, lm.next_token_N, lm.tau)
        log_probs_V = torch.full((lm.vocab_size,), -math.inf)
        log_probs_V[torch.from_numpy(tokens_E).long()] = torch.from_numpy(masses_E).log().float()
        return log_probs_V

    @contextmanager
    def _recorded_key(self) -> Iterator[list[Tensor]]:
        """Collects the float16 key of the last token of every forward pass within, (D,)."""
        recorded: list[Tensor] = []

        def record(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            last_D = inputs[0].reshape(-1, inputs[0].shape[-1])[-1]
            check_key_size(float(last_D.abs().amax()), self._layer.name, "float32")
            recorded.append(last_D.to(torch.float16))

        hook = self._layer.module.register_forward_pre_hook(record)
        try:
            yield recorded
        finally:
            hook.remove()
