"""A request under way: what has been made of it, and how it chooses its next token."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from memdec_core.serving.request import (
    DecodingRequest,
    Event,
    Finished,
    FinishReason,
    PromptScores,
    TokenScores,
)
from memdec_core.serving.row_mixture import log_weights
from memdec_core.serving.token_choice import Choices

logger = logging.getLogger(__name__)


@dataclass
class Tally:
    """What an engine's requests came to.

    Attributes:
        tokens: Tokens told.
        outcomes: Requests that ended, by reason.
    """

    tokens: int = 0
    outcomes: Counter[FinishReason] = field(default_factory=Counter)


class DecodingRow:
    """One request, the events it has led to, and the state of its own random numbers.

    Args:
        request: The request, checked.
        weights: Of the memories, checked.
        on_event: Told of every event, in order; should it fail, the row ends without a word more.
        tally: Counts what the row comes to.
    """

    def __init__(
        self,
        request: DecodingRequest,
        weights: Sequence[float],
        on_event: Callable[[Event], None],
        tally: Tally,
    ) -> None:
        self.request = request
        self.log_weights = log_weights(weights)
        self.prompt_scores: list[TokenScores] = []
        self.next_token = -1
        self.n_added = 0
        self.outcome: FinishReason | None = None
        self._on_event = on_event
        self._tally = tally
        self._uses: Counter[int] = Counter()
        self._generator = torch.Generator()
        if request.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(request.seed)

    @property
    def most_tokens(self) -> int:
        """Tokens of the prompt and those that may be added."""
        return len(self.request.prompt) + self.request.max_new_tokens

    def draw(self) -> float:
        """Uniform in (0, 1]; the same numbers for a seed, whatever other rows there are."""
        return 1.0 - float(torch.rand(1, generator=self._generator, dtype=torch.float64))

    def changes(self) -> dict[int, float]:
        """What penalties and bias add to the log-probabilities of some tokens."""
        request = self.request
        changes = dict(request.logit_bias)
        if request.frequency_penalty or request.presence_penalty:
            for token, uses in self._uses.items():
                penalty = request.frequency_penalty * uses + request.presence_penalty
                changes[token] = changes.get(token, 0.0) - penalty
        return changes

    def tell_prompt(self) -> None:
        """Tell the scores of the prompt's tokens, if they were asked for."""
        if self.request.prompt_log_probs:
            self._tell(PromptScores(tuple(self.prompt_scores)))
            self.prompt_scores = []

    def add(self, scores: TokenScores) -> None:
        """Take a chosen token; the row may be finished by it."""
        if math.isnan(scores.log_prob):
            self.finish("error", "a model's probabilities are no numbers (NaN)")
        elif scores.token in self.request.stop_tokens:
            self.finish("stop")
        else:
            self.next_token = scores.token
            self.n_added += 1
            self._uses[scores.token] += 1
            self._tally.tokens += 1
            self._tell(scores)
            if self.n_added == self.request.max_new_tokens:
                self.finish("length")

    def finish(self, reason: FinishReason, message: str = "") -> None:
        """Tell the end, once; the row is to leave its batch."""
        if self.outcome is None:
            self._end(reason)
            self._tell(Finished(reason, message))

    def _end(self, reason: FinishReason) -> None:
        self.outcome = reason
        self._tally.outcomes[reason] += 1

    def _tell(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:
            logger.exception("the receiver of a request's events failed")
            if self.outcome is None:
                self._end("error")


class RowTensors(NamedTuple):
    """What the rows' settings are, on one device."""

    log_weights_BP: Tensor
    choices: Choices


def row_tensors(rows: Sequence[DecodingRow], device: torch.device) -> RowTensors:
    """Settings of all rows, and a draw of every row that samples."""
    numbers_3B = torch.tensor(
        [
            [row.request.temperature for row in rows],
            [row.request.top_p for row in rows],
            [row.draw() if row.request.temperature else 1.0 for row in rows],
        ],
        dtype=torch.float64,
        device=device,
    )
    weights_BP = torch.tensor([row.log_weights for row in rows], device=device)
    return RowTensors(weights_BP, Choices(*numbers_3B))


def changed_scores(rows: Sequence[DecodingRow], mixed_BV: Tensor) -> Tensor:
    """The rows' log-probabilities with their penalties and bias, float32 (B, V)."""
    changes = [
        (row, token, change)
        for row, each in enumerate(rows)
        for token, change in each.changes().items()
    ]
    if not changes:
        return mixed_BV
    at, tokens, added = zip(*changes, strict=True)
    device = mixed_BV.device
    places = (torch.tensor(at, device=device), torch.tensor(tokens, device=device))
    return mixed_BV.index_put(places, torch.tensor(added, device=device), accumulate=True)
