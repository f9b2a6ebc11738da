"""How text is continued, how decoding is timed, and how memorisation is audited."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

StopString = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]


class ContinuationConfig(BaseModel, frozen=True, extra="forbid"):
    """How tokens are chosen, how many, and how many texts."""

    max_new_tokens: int = Field(60, ge=1, description="Most tokens to add.")
    temperature: float = Field(
        0.0, ge=0, description="0 takes the most probable token; 1 samples as the model says."
    )
    top_p: float = Field(
        1.0, gt=0, le=1, description="Sample among the most probable tokens of this total mass."
    )
    top_k: int = Field(0, ge=0, description="Sample among so many tokens; 0 is all.")
    repetition_penalty: float = Field(
        1.0, gt=0, description="Above 1, tokens that are in the text already become less probable."
    )
    num_beams: int = Field(1, ge=1, description="Texts that beam search keeps; 1 is no search.")
    num_samples: int = Field(1, ge=1, description="Texts to return.")
    stop: tuple[StopString, ...] = Field(
        (), description="Strings that end the text and are not part of it."
    )
    seed: int = Field(0, ge=0, description="Seed of the samples.")

    @model_validator(mode="after")
    def _several_texts(self) -> Self:
        if self.num_beams == 1 and self.temperature == 0 and self.num_samples > 1:
            raise ValueError(
                f"num_samples is {self.num_samples}, but the most probable tokens make only one "
                "text: raise the temperature or num_beams"
            )
        if 1 < self.num_beams < self.num_samples:
            raise ValueError(
                f"num_samples is {self.num_samples}, but a search with {self.num_beams} beams has "
                "only so many texts: raise num_beams"
            )
        return self


class LatencyConfig(BaseModel, frozen=True, extra="forbid"):
    """Settings of the measurement of time and memory; moderate, about a minute for small models.

    Every size of datastore is held in memory while it is measured.
    """

    contexts: tuple[Count, ...] = Field(
        (64, 512),
        min_length=1,
        description="Lengths of the prompts, in tokens; shortened to what the models read and the "
        "text holds.",
    )
    datastore_rows: tuple[Count, ...] = Field(
        (10_000, 50_000, 200_000),
        description="Sizes of datastore to measure kNN-LM with, beside the base's own datastore. "
        "Smaller ones are its first rows; larger ones are filled up with copies of its keys, each "
        "moved a little at random, so that the search does the work of a datastore of that size.",
    )
    new_tokens: int = Field(
        32, ge=2, description="Tokens that every system adds to every prompt, greedily."
    )
    repeats: int = Field(
        5, ge=1, description="Rounds that count, after one that warms everything up."
    )
    seed: int = Field(0, ge=0, description="Seed of the prompts and of the moved keys.")


class AuditConfig(BaseModel, frozen=True, extra="forbid"):
    """Spans of text whose verbatim reproduction by greedy decoding is measured."""

    spans: int = Field(
        500,
        ge=1,
        description="Spans of each split; all there are when its documents hold fewer.",
    )
    prompt_tokens: int = Field(50, ge=1, description="Tokens of a span that the model is given.")
    continuation_tokens: int = Field(
        50, ge=1, description="Tokens after them that it is to reproduce."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the spans and of the resamples.")

    @property
    def span_tokens(self) -> int:
        """Tokens of a span."""
        return self.prompt_tokens + self.continuation_tokens
