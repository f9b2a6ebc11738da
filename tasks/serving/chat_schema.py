"""The body of POST /v1/chat/completions."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.serving.request_fields import RequestFields


class TextPart(BaseModel):
    """A piece of a message; there are no others than text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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
