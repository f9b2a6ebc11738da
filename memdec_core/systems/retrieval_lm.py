"""The in-context retrieval baseline: the base reads a retrieved passage before the context.

Ram et al. 2023, "In-Context Retrieval-Augmented Language Models". Shapes: B sequences of a batch,
T tokens of a sequence, P scored positions, R runs of positions that share a passage, V vocabulary.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, token_log_probs
from memdec_core.systems.passage_retrieval import PassageIndex
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.windows.window_batches import batches_by_length, ranges

ReadPassage: TypeAlias = Callable[[int], NDArray[np.integer]]


class Runs(NamedTuple):
    """Scored positions, in row-major order, grouped by the passage they share.

    Attributes:
        rows_R: The sequence of each run, int64.
        starts_R: Its first column: the tokens before it are the query.
        firsts_R: Rank of its first scored position among all.
        counts_R: How many scored positions it has.
    """

    rows_R: NDArray[np.int64]
    starts_R: NDArray[np.int64]
    firsts_R: NDArray[np.int64]
    counts_R: NDArray[np.int64]


def make_runs(scored_BT: NDArray[np.bool_], stride: int) -> Runs:
    """Cut each sequence into runs of `stride` columns, beginning at its first scored one."""
    width = scored_BT.shape[1]
    rows_P, columns_P = np.nonzero(scored_BT)
    opening_P = scored_BT.argmax(axis=1)[rows_P]
    starts_P = columns_P - (columns_P - opening_P) % stride
    cells_R, firsts_R, counts_R = np.unique(
        rows_P * width + starts_P, return_index=True, return_counts=True
    )
    return Runs(cells_R // width, cells_R % width, firsts_R, counts_R)


class BoundedLM(LanguageModel, Protocol):
    """A language model that says how much it can read."""

    @property
    def context_length(self) -> int | None:
        """The longest sequence the model takes; None where there is no limit."""
        ...


class Prompt(NamedTuple):
    """What the base reads to score one run.

    Attributes:
        tokens_T: Passage and context up to the run's end, int64.
        scored_T: True where a token is scored.
    """

    tokens_T: Tensor
    scored_T: Tensor


class RetrievalLM:
    """A base model with a passage retrieved anew every `stride` tokens, as a `LanguageModel`.

    A run of `stride` tokens is predicted from passage + context, where the passage is searched with
    the last `query_tokens` tokens before the run. Where both and the run are longer than the base
    reads, the context loses its oldest tokens. The passage and the query always fit: a
    configuration under which they would not is refused. What is lost depends on where the run
    starts and on the passage, not on the length of the sequence. Where nothing is retrieved the
    base sees the context alone.
    """

    def __init__(
        self,
        base: BoundedLM,
        index: PassageIndex,
        read_passage: ReadPassage,
        config: RetrievalConfig,
        *,
        batch_tokens: int,
    ) -> None:
        limit = base.context_length
        reserved = config.query_tokens + config.stride
        if limit is not None and config.passage_tokens + reserved > limit:
            raise UserError(
                f"a passage of {config.passage_tokens} tokens, a query of {config.query_tokens} "
                f"and {config.stride} tokens to predict do not fit a model that reads at most "
                f"{limit}: set passage_tokens to {limit - reserved} or less"
            )
        self.base = base
        self.index = index
        self.read_passage = read_passage
        self.config = config
        self.batch_tokens = batch_tokens
        self.vocab_size = base.vocab_size

    def log_probs(self, tokens_BT: Tensor) -> Tensor:
        """As `LanguageModel.log_probs`; float32 (B, T, V) on the base's device.

        Runs begin at the sequence's second token, so that a passage is searched at every multiple
        of the stride, with the token there as the query's last.
        """
        n_sequences, length = tokens_BT.shape
        predicted_BT = F.pad(tokens_BT, (0, 1))  # what follows the last token is predicted too
        scored_BT = torch.ones_like(predicted_BT, dtype=torch.bool)
        scored_BT[:, 0] = False
        log_probs_PV = self._score(predicted_BT, scored_BT, self._distributions)
        return log_probs_PV.reshape(n_sequences, length, self.vocab_size)

    def scored_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
        """As `language_model.scored_log_probs`, with the passages of `token_log_probs`."""
        yield self._score(tokens_BT, scored_BT, self._distributions)

    def token_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
        """As `language_model.token_log_probs`; float32 (P,) on the base's device.

        Runs begin at each sequence's first scored token: they are a function of the window alone.
        """
        return self._score(tokens_BT, scored_BT, partial(token_log_probs, self.base))

    def _score(
        self, tokens_BT: Tensor, scored_BT: Tensor, score: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """What `score` gives for the scored positions, (P,) or (P, V), in row-major order."""
        runs = make_runs(scored_BT.cpu().numpy(), self.config.stride)
        prompts = self._prompts(tokens_BT.cpu(), scored_BT.cpu(), runs)
        lengths_R = np.array([len(prompt.tokens_T) for prompt in prompts])
        scores, ranks = [], []
        for chosen_B in batches_by_length(lengths_R, self.batch_tokens):
            batch = [prompts[run] for run in chosen_B]
            tokens = pad_sequence([prompt.tokens_T for prompt in batch], batch_first=True)
            scored = pad_sequence([prompt.scored_T for prompt in batch], batch_first=True)
            scores.append(score(tokens, scored))
            ranks.append(ranges(runs.firsts_R[chosen_B], runs.counts_R[chosen_B]))
        unordered = torch.cat(scores)
        return unordered[torch.from_numpy(np.concatenate(ranks).argsort()).to(unordered.device)]

    def _prompts(self, tokens_BT: Tensor, scored_BT: Tensor, runs: Runs) -> list[Prompt]:
        spans = list(zip(runs.rows_R.tolist(), runs.starts_R.tolist(), strict=True))
        queries = [
            tokens_BT[row, max(0, start - self.config.query_tokens) : start].numpy()
            for row, start in spans
        ]
        found_R = self.index.search(queries).tolist()
        return [
            self._prompt(tokens_BT[row], scored_BT[row], start, passage)
            for (row, start), passage in zip(spans, found_R, strict=True)
        ]

    def _prompt(self, tokens_T: Tensor, scored_T: Tensor, start: int, passage: int) -> Prompt:
        stop = start + self.config.stride
        scored_run = scored_T[:stop].clone()
        scored_run[:start] = False
        if passage < 0:
            return Prompt(tokens_T[:stop], scored_run)
        ids = torch.from_numpy(self.read_passage(passage).astype(np.int64))
        assert len(ids) <= self.config.passage_tokens, "else the query may not fit"
        limit = self.base.context_length
        cut = 0 if limit is None else max(0, len(ids) + stop - limit)
        unscored = torch.zeros(len(ids), dtype=torch.bool)
        return Prompt(torch.cat([ids, tokens_T[cut:stop]]), torch.cat([unscored, scored_run[cut:]]))

    def _distributions(self, tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
        """Whole distributions (P, V) of the scored tokens."""
        log_probs_BTV = self.base.log_probs(tokens_BT[:, :-1])
        return log_probs_BTV[scored_BT[:, 1:].to(log_probs_BTV.device)]
