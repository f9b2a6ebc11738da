"""The bodies of POST /v1/completions and /v1/chat/completions."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from memdec_core.text.sound_text import sound_text

Weight = Annotated[float, Field(ge=0, le=1)]
Bias = Annotated[float, Field(ge=-100, le=100)]
StopString = Annotated[str, Field(min_length=1)]
TokenId = Annotated[int, Field(ge=0)]
Prompt = str | list[TokenId]


def _require_sound(value: Any, where: str) -> None:  # noqa: ANN401 - likewise
    """Refuses half of a surrogate pair anywhere, which JSON can spell and no tokenizer takes."""
    if isinstance(value, str):
        sound_text(value, where)
    elif isinstance(value, dict):
        for name, item in value.items():
            _require_sound(name, where)
            _require_sound(item, f"`{name}`")
    elif isinstance(value, list):
        for item in value:
            _require_sound(item, where)


class StreamOptions(BaseModel, frozen=True, extra="forbid", strict=True):
    """How a stream ends."""

    include_usage: bool = False


class RequestFields(BaseModel, frozen=True, extra="forbid", strict=True):
    """Fields of OpenAI's completions and chat completions alike, and our own extensions.

    A field that is null is as good as absent; one that is not known is refused, since a client
    that believes to have set something had better hear that it has not.
    """

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
    def _sound(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the client sent
        _require_sound(data, "the body")
        return data

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:  # noqa: ANN401 - likewise
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


class CompletionRequest(RequestFields):
    """Texts to continue."""

    prompt: str | list[str] | list[TokenId] | list[list[TokenId]] = Field(
        description="A text, its token ids, or a list of either."
    )
    max_tokens: int = Field(16, ge=0, description="Most new tokens; 0 only with `echo`.")
    best_of: int | None = Field(None, ge=1, description="Only as many as `n`.")
    echo: bool = Field(default=False, description="Put the prompt in front of the text.")
    logprobs: int | None = Field(
        None, ge=0, le=20, description="Tell tokens' log-probabilities, and those of so many best."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.best_of not in (None, self.n):
            raise ValueError("`best_of` has to be `n`: all sequences that are made are returned")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("`max_tokens` is 0, which leaves nothing to answer without `echo`")
        return self

    @property
    def prompts(self) -> list[Prompt]:
        """The prompts, also where there is only one."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if self.prompt and isinstance(self.prompt[0], int):
            return [[token for token in self.prompt if isinstance(token, int)]]
        return [prompt for prompt in self.prompt if not isinstance(prompt, int)]


class TextPart(BaseModel, frozen=True, extra="forbid", strict=True):
    """A piece of a message; there are no others than text."""

    type: Literal["text"]
    text: str


class Message(BaseModel, frozen=True, extra="forbid", strict=True):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None

    def for_template(self) -> dict[str, str]:
        """As chat templates read it."""
        content = self.content
        text = content if isinstance(content, str) else "".join(part.text for part in content)
        named = {} if self.name is None else {"name": self.name}
        return {"role": self.role, "content": text, **named}


class ChatRequest(RequestFields):
    """A conversation to answer."""

    messages: list[Message] = Field(min_length=1, description="The conversation so far.")
    max_tokens: int | None = Field(None, ge=1, description="Most new tokens.")
    max_completion_tokens: int | None = Field(None, ge=1, description="The newer name of it.")
    logprobs: bool = Field(default=False, description="Tell tokens' log-probabilities.")
    top_logprobs: int = Field(0, ge=0, le=20, description="Those of so many most probable tokens.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("`top_logprobs` needs `logprobs`: true")
        limits = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(limits) > 1:
            raise ValueError("`max_tokens` and `max_completion_tokens` differ; give one")
        return self

    @property
    def most_new_tokens(self) -> int | None:
        """Under either name; None for as many as there is room for."""
        return self.max_completion_tokens or self.max_tokens
