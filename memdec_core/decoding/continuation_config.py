"""How a text is continued."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

StopString = Annotated[str, Field(min_length=1)]


class ContinuationConfig(BaseModel):
    """How tokens are chosen, how many, and how many texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
