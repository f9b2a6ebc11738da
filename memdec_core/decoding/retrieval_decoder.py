"""In-context retrieval token by token: cached attention until another passage is due."""

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from memdec_core.decoding.decoders import Decoder
from memdec_core.systems.retrieval_lm import RetrievalLM


class RetrievalDecoder:
    """A decoder with a passage before its context: distributions of `RetrievalLM.log_probs`.

    Every `stride` tokens a passage is searched with the last tokens; it stands before all others,
    so that the base must read passage and context anew. In between, a token costs one step.
    """

    def __init__(self, lm: RetrievalLM, new_decoder: Callable[[], Decoder]) -> None:
        """Starts a sequence.

        Args:
            lm: What to retrieve, and when.
            new_decoder: Makes a fresh decoder of `lm.base`.
        """
        self._lm = lm
        self._new_decoder = new_decoder
        self._reader = new_decoder()
        self._tokens: list[int] = []
        self._run_start = 0

    @property
    def context_length(self) -> int | None:
        """As the base's: where no passage is found, the context is all it reads."""
        return self._lm.base.context_length

    def feed(self, tokens: Sequence[int]) -> Tensor:
        """As `Decoder.feed`."""
        self._tokens += tokens
        stride = self._lm.config.stride
        run_start = 1 + (len(self._tokens) - 1) // stride * stride
        if run_start == self._run_start:
            return self._reader.feed(tokens)
        self._run_start = run_start
        self._reader = self._new_decoder()
        return self._reader.feed(self._passage_and_context())

    def _passage_and_context(self) -> list[int]:
        """What the base reads in this run; the context loses what does not fit with a full run."""
        query = self._tokens[: self._run_start][-self._lm.config.query_tokens :]
        found = int(self._lm.index.search([np.array(query)])[0])
        if found < 0:
            return self._tokens
        passage = self._lm.read_passage(found).tolist()
        limit = self._lm.base.context_length
        stop = self._run_start + self._lm.config.stride
        lost = 0 if limit is None else max(0, len(passage) + stop - limit)
        return [*passage, *self._tokens[lost:]]
