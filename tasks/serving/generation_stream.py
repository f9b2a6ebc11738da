"""One HTTP request's sequences in the engine, and their text as it comes."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import NamedTuple

from memdec_core.serving.engine import Engine, EngineClosedError, QueueFullError, Ticket
from memdec_core.serving.request import Event, Finished, FinishReason, PromptScores
from tasks.serving.api_errors import ApiError
from tasks.serving.choice_text import ChoiceText, Piece, prompt_piece
from tasks.serving.event_mailbox import Batch, EventMailbox
from tasks.serving.generation_plan import GenerationPlan
from tasks.serving.server_metrics import RequestClock
from tasks.serving.token_text import TokenBytes


class Delta(NamedTuple):
    """Some more of one choice.

    Attributes:
        choice: Its number in the answer.
        piece: Text and tokens, possibly none.
        finish_reason: With the last delta of the choice, why it ended.
    """

    choice: int
    piece: Piece
    finish_reason: FinishReason | None


def join_deltas(deltas: Sequence[Delta]) -> Delta:
    """Several deltas of one choice as one."""
    text = "".join(delta.piece.text for delta in deltas)
    tokens = tuple(token for delta in deltas for token in delta.piece.tokens)
    return Delta(deltas[-1].choice, Piece(text, tokens), deltas[-1].finish_reason)


class Generation:
    """Submits sequences and gathers what they give, for one event loop.

    Args:
        plan: What to generate.
        token_bytes: What tokens spell.
        clock: Told about tokens, and knows when time is over.
    """

    def __init__(self, plan: GenerationPlan, token_bytes: TokenBytes, clock: RequestClock) -> None:
        self._plan = plan
        self._token_bytes = token_bytes
        self._clock = clock
        self._mailbox = EventMailbox()
        self._tickets: dict[int, Ticket] = {}
        self._texts = [ChoiceText(token_bytes, plan.stops) for _ in plan.sequences]
        self.completion_tokens = 0

    def submit(self, engine: Engine) -> None:
        """Hands the sequences to the engine; after an error, cancel what it has taken.

        Raises:
            ApiError: 429 when the queue is full.
            UserError: The engine refuses a sequence.
        """
        try:
            for choice, sequence in enumerate(self._plan.sequences):
                self._tickets[choice] = engine.submit(sequence, partial(self._mailbox.put, choice))
        except QueueFullError as error:
            raise ApiError(
                429,
                "too many requests wait already; try again later",
                code="queue_full",
                headers={"Retry-After": "1"},
            ) from error
        except EngineClosedError as error:
            raise ApiError(503, "the server is shutting down") from error

    def cancel(self) -> None:
        """Frees what the sequences still hold in the engine."""
        for ticket in self._tickets.values():
            ticket.cancel()
        self._tickets.clear()

    async def deltas(self) -> AsyncIterator[Delta]:
        """What comes, choice by choice in any order, each choice's text in order.

        Raises:
            ApiError: 504 when the time is over, 500 or 503 when the engine gave up.
        """
        for choice in range(len(self._texts)):
            if self._plan.echo and not self._plan.sequences[choice].prompt_log_probs:
                yield self._echo(choice, PromptScores(()))
        while self._tickets:
            try:
                batch = await self._mailbox.take(self._clock.deadline)
            except TimeoutError as error:
                raise ApiError(504, "the request took too long", code="timeout") from error
            for delta in self._read_all(batch):
                yield delta

    def _read_all(self, batch: Batch) -> list[Delta]:
        """What a batch adds to each choice; what comes after a choice's end is not looked at."""
        added: dict[int, list[Delta]] = {}
        for choice, event in batch:
            if choice in self._tickets and (delta := self._read(choice, event)):
                added.setdefault(choice, []).append(delta)
        return [join_deltas(deltas) for deltas in added.values()]

    def _read(self, choice: int, event: Event) -> Delta | None:
        if isinstance(event, PromptScores):
            return self._echo(choice, event)
        if isinstance(event, Finished):
            return self._last(choice, event)
        if self._plan.only_prompts:  # the engine makes one token at least
            return self._end(choice, Piece("", ()), "length")
        self.completion_tokens += 1
        self._clock.token(self._plan.model)
        text = self._texts[choice]
        piece = text.push(event)
        if text.stopped:
            return self._end(choice, piece, "stop")
        return Delta(choice, piece, None) if piece.text else None

    def _last(self, choice: int, event: Finished) -> Delta:
        if event.reason == "error":
            raise ApiError(500, f"the model failed: {event.message}")
        if event.reason == "cancelled":
            raise ApiError(503, "the server is shutting down")
        text = self._texts[choice]
        piece = text.end()
        if text.stopped:
            return self._end(choice, piece, "stop")
        return self._end(choice, piece, "length" if self._plan.only_prompts else event.reason)

    def _end(self, choice: int, piece: Piece, reason: FinishReason) -> Delta:
        self._tickets.pop(choice).cancel()
        return Delta(choice, piece, reason)

    def _echo(self, choice: int, scores: PromptScores) -> Delta:
        prompt = self._plan.sequences[choice].prompt
        piece = prompt_piece(self._token_bytes, prompt, scores.tokens)
        self._texts[choice] = ChoiceText(self._token_bytes, self._plan.stops, len(piece.text))
        return Delta(choice, piece, None)
