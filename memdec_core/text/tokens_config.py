"""Configuration of the tokens."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TokensConfig(BaseModel):
    """How documents become token ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    separator: Literal["eos", "none"] = Field(
        "eos",
        description="What ends every document in the token stream: the tokenizer's end-of-sequence "
        "token, which the memory then learns to predict, or nothing.",
    )
