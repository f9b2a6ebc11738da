"""kNN-LM token by token: cached attention, and one search for each token that is predicted."""

from collections.abc import Sequence

from torch import Tensor

from memdec_core.decoding.decoders import TransformerDecoder
from memdec_core.models.mixture import mix_log_probs
from memdec_core.search.single_search import nearest_to_one
from memdec_core.systems.knn_lm import KnnLM


class KnnDecoder:
    """A decoder of a kNN-LM: its distributions are those of `KnnLM.log_probs`."""

    def __init__(self, lm: KnnLM) -> None:
        self._lm = lm
        self._base = TransformerDecoder(lm.base)

    @property
    def context_length(self) -> int | None:
        """As the base's."""
        return self._base.context_length

    def feed(self, tokens: Sequence[int]) -> Tensor:
        """As `Decoder.feed`; the pass that gives the base's logits gives the key to search with."""
        lm = self._lm
        with lm.recorded_keys() as recorded:
            base_V = self._base.feed(tokens)
        (keys,) = recorded
        last_D = keys.flatten(0, -2)[-1].float().cpu().numpy()
        (knn_V,) = lm.neighbour_log_probs(nearest_to_one(lm.datastore, last_D, lm.k))
        return mix_log_probs(base_V, knn_V, lm.weight)
