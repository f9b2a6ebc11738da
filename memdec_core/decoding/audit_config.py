"""How memorisation is audited."""

from pydantic import BaseModel, ConfigDict, Field


class AuditConfig(BaseModel):
    """Spans of text whose verbatim reproduction by greedy decoding is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
