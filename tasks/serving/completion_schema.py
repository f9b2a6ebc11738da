"""The body of POST /v1/completions."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from tasks.serving.request_fields import RequestFields

TokenId = Annotated[int, Field(ge=0)]
Prompt = str | list[TokenId]


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
