"""A choice as completions and as chat completions show it, whole or as a part of a stream."""

from typing import Protocol

from tasks.serving.generation_stream import Delta
from tasks.serving.token_scores import ScoreWriter

Json = dict[str, object]


class AnswerFormat(Protocol):
    """One of OpenAI's two shapes of an answer."""

    @property
    def kind(self) -> str:
        """The `object` of a whole answer."""

    @property
    def part_kind(self) -> str:
        """The `object` of a part of a stream."""

    @property
    def id_prefix(self) -> str:
        """What an answer's id begins with."""

    def opening(self, choice: int) -> Json | None:
        """What a stream says of a choice before its text, if anything."""

    def part(self, delta: Delta) -> Json:
        """A choice in a part of a stream."""

    def whole(self, delta: Delta) -> Json:
        """A choice that is complete."""
        ...


class CompletionFormat:
    """Of /v1/completions.

    Args:
        scores: Writes probabilities.
        logprobs: Whether the request wants log-probabilities.
        parts: Whether it wants those of base and memories.
    """

    kind = part_kind = "text_completion"
    id_prefix = "cmpl-"

    def __init__(self, scores: ScoreWriter, *, logprobs: bool, parts: bool) -> None:
        self._scores = scores
        self._logprobs = logprobs
        self._parts = parts

    def opening(self, _choice: int) -> None:
        """Nothing."""

    def part(self, delta: Delta) -> Json:
        """As `AnswerFormat.part`."""
        tokens = delta.piece.tokens
        choice: Json = {
            "index": delta.choice,
            "text": delta.piece.text,
            "logprobs": self._scores.completion(tokens) if self._logprobs else None,
            "finish_reason": delta.finish_reason,
        }
        if self._parts:
            choice["memdec"] = self._scores.parts(tokens)
        return choice

    whole = part


class ChatFormat:
    """Of /v1/chat/completions; arguments as those of `CompletionFormat`."""

    kind = "chat.completion"
    part_kind = "chat.completion.chunk"
    id_prefix = "chatcmpl-"

    def __init__(self, scores: ScoreWriter, *, logprobs: bool, parts: bool) -> None:
        self._scores = scores
        self._logprobs = logprobs
        self._parts = parts

    def opening(self, choice: int) -> Json:
        """Whose turn it is."""
        said = {"role": "assistant", "content": ""}
        return {"index": choice, "delta": said, "logprobs": None, "finish_reason": None}

    def part(self, delta: Delta) -> Json:
        """As `AnswerFormat.part`."""
        text = delta.piece.text
        return self._choice(delta, "delta", {"content": text} if text else {})

    def whole(self, delta: Delta) -> Json:
        """As `AnswerFormat.whole`."""
        said = {"role": "assistant", "content": delta.piece.text, "refusal": None}
        return self._choice(delta, "message", said)

    def _choice(self, delta: Delta, role: str, said: dict[str, str | None]) -> Json:
        tokens = delta.piece.tokens
        choice: Json = {
            "index": delta.choice,
            role: said,
            "logprobs": self._scores.chat(tokens) if self._logprobs else None,
            "finish_reason": delta.finish_reason,
        }
        if self._parts:
            choice["memdec"] = self._scores.parts(tokens)
        return choice
