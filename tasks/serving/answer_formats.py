"""A choice as completions and as chat completions show it, whole or as a part of a stream."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from memdec_core.serving.request import TokenScores
from tasks.serving.choice_text import PlacedToken
from tasks.serving.generation_stream import Delta
from tasks.serving.model_catalog import ModelCatalog
from tasks.serving.request_bodies import ChatRequest, CompletionRequest

Json = dict[str, object]

LEAST = -9999.0
"""What OpenAI writes for a logarithm of 0, which JSON cannot say."""


class ScoreWriter(NamedTuple):
    """Writes tokens' scores in the three shapes that answers have.

    Attributes:
        catalog: Names tokens and memories.
        top: Most probable tokens to tell.
    """

    catalog: ModelCatalog
    top: int

    def completion(self, tokens: tuple[PlacedToken, ...]) -> Json:
        """As `logprobs` of a completion."""
        names = self.catalog.token_bytes.name
        return {
            "tokens": [names(placed.token) for placed in tokens],
            "token_logprobs": [
                None if placed.scores is None else _finite(placed.scores.log_prob)
                for placed in tokens
            ],
            "top_logprobs": [self._best(placed.scores) for placed in tokens] if self.top else None,
            "text_offset": [placed.offset for placed in tokens],
        }

    def _best(self, scores: TokenScores | None) -> dict[str, float] | None:
        if scores is None:
            return None
        shown = (*scores.top[: self.top], (scores.token, scores.log_prob))
        name = self.catalog.token_bytes.name
        return {name(token): _finite(log_prob) for token, log_prob in shown}

    def chat(self, tokens: tuple[PlacedToken, ...]) -> Json:
        """As `logprobs` of a chat completion."""
        content = [
            {
                **self._chat_token(placed.token, placed.scores.log_prob),
                "top_logprobs": [
                    self._chat_token(token, log_prob)
                    for token, log_prob in placed.scores.top[: self.top]
                ],
            }
            for placed in tokens
            if placed.scores is not None
        ]
        return {"content": content, "refusal": None}

    def _chat_token(self, token: int, log_prob: float) -> Json:
        token_bytes = self.catalog.token_bytes
        return {
            "token": token_bytes.name(token),
            "logprob": _finite(log_prob),
            "bytes": list(token_bytes[token]),
        }

    def parts(self, tokens: tuple[PlacedToken, ...]) -> list[Json]:
        """As our own `memdec`: under the mixture, the base and every memory."""
        return [
            {
                "token": self.catalog.token_bytes.name(placed.token),
                "prob": math.exp(placed.scores.log_prob),
                "base_prob": math.exp(placed.scores.part_log_probs[0]),
                "memory_probs": {
                    name: math.exp(log_prob)
                    for name, log_prob in zip(
                        self.catalog.memories, placed.scores.part_log_probs[1:], strict=True
                    )
                },
            }
            for placed in tokens
            if placed.scores is not None
        ]


def _finite(log_prob: float) -> float:
    return max(log_prob, LEAST)


def _choice_of(delta: Delta, said: Json, logprobs: Json | None, parts: list[Json] | None) -> Json:
    """What both kinds of choices have around their text."""
    choice = {
        "index": delta.choice,
        **said,
        "logprobs": logprobs,
        "finish_reason": delta.finish_reason,
    }
    return choice if parts is None else {**choice, "memdec": parts}


@dataclass(frozen=True)
class CompletionFormat:
    """Of /v1/completions.

    Attributes:
        catalog: Names tokens and memories.
        body: The request, which says what probabilities it wants.
        kind: The `object` of a whole answer.
        part_kind: That of a part of a stream.
        id_prefix: What an answer's id begins with.
    """

    catalog: ModelCatalog
    body: CompletionRequest
    kind: ClassVar = "text_completion"
    part_kind: ClassVar = "text_completion"
    id_prefix: ClassVar = "cmpl-"

    def opening(self, _choice: int) -> None:
        """What a stream says of a choice before its text: nothing."""

    def part(self, delta: Delta) -> Json:
        """A choice in a part of a stream, or a complete one."""
        piece, top = delta.piece, self.body.logprobs
        scores = ScoreWriter(self.catalog, top or 0)
        logprobs = None if top is None else scores.completion(piece.tokens)
        parts = scores.parts(piece.tokens) if self.body.memdec_probabilities else None
        return _choice_of(delta, {"text": piece.text}, logprobs, parts)

    whole = part


@dataclass(frozen=True)
class ChatFormat:
    """Of /v1/chat/completions; attributes as those of `CompletionFormat`."""

    catalog: ModelCatalog
    body: ChatRequest
    kind: ClassVar = "chat.completion"
    part_kind: ClassVar = "chat.completion.chunk"
    id_prefix: ClassVar = "chatcmpl-"

    def opening(self, choice: int) -> Json:
        """Whose turn it is."""
        said = {"role": "assistant", "content": ""}
        return {"index": choice, "delta": said, "logprobs": None, "finish_reason": None}

    def part(self, delta: Delta) -> Json:
        """A choice in a part of a stream."""
        text = delta.piece.text
        return self._with_scores(delta, {"delta": {"content": text} if text else {}})

    def whole(self, delta: Delta) -> Json:
        """A choice that is complete."""
        said = {"role": "assistant", "content": delta.piece.text, "refusal": None}
        return self._with_scores(delta, {"message": said})

    def _with_scores(self, delta: Delta, said: Json) -> Json:
        tokens, scores = delta.piece.tokens, ScoreWriter(self.catalog, self.body.top_logprobs)
        logprobs = scores.chat(tokens) if self.body.logprobs else None
        parts = scores.parts(tokens) if self.body.memdec_probabilities else None
        return _choice_of(delta, said, logprobs, parts)


AnswerFormat = CompletionFormat | ChatFormat
"""OpenAI's two shapes of an answer."""
