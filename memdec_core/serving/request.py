"""What is asked of the serving engine, and what it answers, token by token."""

from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

FinishReason = Literal["stop", "length", "cancelled", "error"]


class DecodingRequest(BaseModel, frozen=True, extra="forbid"):
    """One sequence to continue."""

    prompt: tuple[int, ...] = Field(min_length=1, description="Token ids.")
    max_new_tokens: int = Field(16, ge=1, description="Most tokens to add.")
    weights: tuple[float, ...] | None = Field(
        None,
        description="Weight of every memory of the engine, in its order, together at most 1; the "
        "base has the rest. All zero is the base alone. The engine's own if empty.",
    )
    temperature: float = Field(1.0, ge=0, description="0 takes the most probable token.")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample among this much probability.")
    frequency_penalty: float = Field(
        0.0, ge=-2, le=2, description="Taken from a token's log-probability per earlier use."
    )
    presence_penalty: float = Field(
        0.0, ge=-2, le=2, description="Taken from a token's log-probability once it was used."
    )
    logit_bias: dict[int, float] = Field(
        default_factory=dict, description="Added to the log-probability of token ids."
    )
    seed: int | None = Field(None, ge=0, description="Seed of the samples; random if empty.")
    stop_tokens: frozenset[int] = Field(
        frozenset(), description="Ids that end the text and are not part of it."
    )
    top_log_probs: int = Field(
        0, ge=0, description="Most probable tokens to tell at every position."
    )
    prompt_log_probs: bool = Field(
        default=False, description="Tell the probabilities of the prompt's own tokens, too."
    )


class TokenScores(NamedTuple):
    """One token and how probable it was, under the unchanged mixture and under each of its parts.

    Attributes:
        token: Its id.
        log_prob: Under the mixture, before temperature, penalties and bias.
        part_log_probs: Under the base, then under every memory, weights aside.
        top: The most probable tokens there and their log-probabilities, most probable first.
    """

    token: int
    log_prob: float
    part_log_probs: tuple[float, ...]
    top: tuple[tuple[int, float], ...] = ()


class PromptScores(NamedTuple):
    """Comes first where it is asked for: the prompt's tokens but the first, in order."""

    tokens: tuple[TokenScores, ...]


class Finished(NamedTuple):
    """Comes last, always."""

    reason: FinishReason
    message: str = ""


Event = PromptScores | TokenScores | Finished
