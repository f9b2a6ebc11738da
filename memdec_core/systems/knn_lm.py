"""kNN-LM (Khandelwal et al. 2020): a base model mixed with what followed its nearest keys.

    p(y|x) = λ · p_kNN(y|x) + (1-λ) · p_LM(y|x)

A baseline: unlike a memory, it searches the base's own datastore at every position it predicts.
Shapes: B sequences, T tokens, P scored positions, Q searched positions, D key width, V shared
vocabulary, N rows of the datastore.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memdec_core.errors import UserError
from memdec_core.models.key_model import check_key_size, find_key_layer
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import mix_log_probs
from memdec_core.scoring.knn_scores import label_log_probs
from memdec_core.search.neighbour_search import Datastore, search_unseen
from memdec_core.search.neighbours import Neighbours
from memdec_core.targets.knn_distribution import token_masses


class KnnLM:
    """A base and its datastore as one `LanguageModel`.

    One forward pass of the base gives its logits and the keys to search with, which are rounded to
    float16 as the datastore's are. Nothing is excluded: the scored text is not in the datastore.
    """

    def __init__(
        self,
        base: TransformerLM,
        datastore: Datastore,
        next_token_N: NDArray[np.integer],
        *,
        k: int,
        tau: float,
        weight: float,
    ) -> None:
        if not 0.0 <= weight <= 1.0:
            raise UserError(f"weight is {weight}: the neighbours' weight lies between 0 and 1")
        width: int = base.model.config.get_text_config().hidden_size
        if datastore.index.d != width:
            raise UserError(
                f"the datastore's keys have {datastore.index.d} entries and the base's {width}: "
                "use the datastore that this base has embedded"
            )
        if (largest := int(next_token_N.max())) >= base.vocab_size:
            raise UserError(
                f"the datastore has the token id {largest} and the base {base.vocab_size} tokens: "
                "they must share a tokenizer"
            )
        assert len(next_token_N) == datastore.n_rows, "a value for every key"
        self.base = base
        self.datastore = datastore
        self.next_token_N = next_token_N
        self.k = k
        self.tau = tau
        self.weight = weight
        self.vocab_size = base.vocab_size
        self._layer = find_key_layer(base.model)

    @torch.inference_mode()
    def log_probs(self, tokens_BT: Tensor) -> Tensor:
        """As `LanguageModel.log_probs`; float32 (B, T, V) on the base's device."""
        with self.recorded_keys() as recorded:
            base_BTV = self.base.log_probs(tokens_BT)
        (keys,) = recorded
        knn_QV = self.neighbour_log_probs(self._search(keys.flatten(0, -2)))
        knn_BTV = knn_QV.reshape(base_BTV.shape).to(base_BTV.device)
        return mix_log_probs(base_BTV, knn_BTV, self.weight)

    @torch.inference_mode()
    def token_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
        """As `language_model.token_log_probs`; float32 (P,) on the base's device."""
        with self.recorded_keys() as recorded:
            base_P = self.base.token_log_probs(tokens_BT, scored_BT)
        (keys,) = recorded
        keys_BTD = keys.reshape(*tokens_BT.shape, -1)
        predicting_BT = scored_BT[:, 1:].to(keys.device)
        neighbours = self._search(keys_BTD[:, :-1][predicting_BT])
        label_P = tokens_BT[:, 1:][scored_BT[:, 1:]].cpu().numpy()
        (knn_P,) = label_log_probs(neighbours, self.next_token_N, label_P, [self.tau])
        return mix_log_probs(base_P, torch.from_numpy(knn_P).to(base_P), self.weight)

    @torch.inference_mode()
    def scored_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
        """As `language_model.scored_log_probs`; searches at the scored positions alone."""
        done = 0
        with self.recorded_keys() as recorded:
            for base_CV in self.base.scored_log_probs(tokens_BT, scored_BT):
                keys_BTD = recorded[0].reshape(*tokens_BT.shape, -1)
                keys_PD = keys_BTD[:, :-1][scored_BT[:, 1:].to(keys_BTD.device)]
                knn_CV = self.neighbour_log_probs(self._search(keys_PD[done : done + len(base_CV)]))
                done += len(base_CV)
                yield mix_log_probs(base_CV, knn_CV.to(base_CV.device), self.weight)

    @contextmanager
    def recorded_keys(self) -> Iterator[list[Tensor]]:
        """Collects the float16 keys of every forward pass within, (B, T, D) or (B * T, D)."""
        recorded: list[Tensor] = []

        def record(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            check_key_size(float(inputs[0].abs().amax()), self._layer.name, "float32")
            recorded.append(inputs[0].to(torch.float16))

        hook = self._layer.module.register_forward_pre_hook(record)
        try:
            yield recorded
        finally:
            hook.remove()

    def _search(self, keys_QD: Tensor) -> Neighbours:
        return search_unseen(self.datastore, keys_QD.cpu().numpy(), self.k)

    def neighbour_log_probs(self, neighbours: Neighbours) -> Tensor:
        """Log p_kNN of all tokens, float32 (Q, V); -inf for what followed no neighbour."""
        offsets_Q1, tokens_E, masses_E = token_masses(neighbours, self.next_token_N, self.tau)
        rows_E = np.repeat(np.arange(len(offsets_Q1) - 1), np.diff(offsets_Q1))
        log_probs_QV = torch.full((len(offsets_Q1) - 1, self.vocab_size), -math.inf)
        entries_E = torch.from_numpy(rows_E), torch.from_numpy(tokens_E).long()
        log_probs_QV[entries_E] = torch.from_numpy(masses_E).log().float()
        return log_probs_QV
