"""What both kinds of completion requests may say."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Weight = Annotated[float, Field(ge=0, le=1)]
Bias = Annotated[float, Field(ge=-100, le=100)]
StopString = Annotated[str, Field(min_length=1)]


class StreamOptions(BaseModel):
    """How a stream ends."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    include_usage: bool = False


class RequestFields(BaseModel):
    """Fields of OpenAI's completions and chat completions alike, and our own extensions.

    A field that is null is as good as absent; one that is not known is refused, since a client
    that believes to have set something had better hear that it has not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: str = Field(description="One of /v1/models.")
    n: int = Field(1, ge=1, description="Sequences per prompt.")
    temperature: float = Field(1.0, ge=0, le=2, description="0 takes the most probable token.")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample among this much probability.")
    frequency_penalty: float = Field(0.0, ge=-2, le=2, description="Per earlier use of a token.")
    presence_penalty: float = Field(0.0, ge=-2, le=2, description="Once a token was used.")
    logit_bias: dict[str, Bias] = Field(
        default_factory=dict, description="Added to the log-probability of token ids."
    )
    seed: int | None = Field(
        None, ge=0, lt=2**62, description="The same seed, the same text; sequence i has seed + i."
    )
    stop: StopString | Annotated[list[StopString], Field(max_length=4)] = Field(
        default_factory=list, description="Texts that end a sequence and are no part of it."
    )
    stream: bool = Field(default=False, description="Send text as it is made, as events.")
    stream_options: StreamOptions = StreamOptions()
    user: str | None = Field(None, description="Ignored.")
    alpha: Weight | None = Field(
        None, description="Weight of the model's memory, in place of the tuned one."
    )
    memories: dict[str, Weight] | None = Field(
        None, description="Weights of memories by name, in place of `alpha`; others have 0."
    )
    memdec_probabilities: bool = Field(
        default=False, description="Tell every token's probability under base and memories."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the client sent
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if value is not None}
        return data

    @field_validator("logit_bias")
    @classmethod
    def _ids(cls, bias: dict[str, float]) -> dict[str, float]:
        if wrong := [key for key in bias if not (key.isascii() and key.isdigit())]:
            raise ValueError(f"`{wrong[0]}` is no token id")
        return bias

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings as a tuple."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
