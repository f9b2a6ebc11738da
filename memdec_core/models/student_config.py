"""Where a student starts that takes over what a memory of another tokenizer family has learned."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Embeddings = Literal["random", "overlap"]


class FromMemoryConfig(BaseModel):
    """A trained memory whose body is kept; embeddings and head are made for the new tokenizer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        min_length=1,
        description="The trained memory: its folder in Hugging Face format (the last line of "
        "`memdec artifacts show memory/…`), a copy of that, or a hub id.",
    )
    revision: str | None = Field(
        None,
        min_length=1,
        description="Branch, tag or commit of a hub model; its newest commit when unset.",
    )
    embeddings: Embeddings = Field(
        "overlap",
        description="First rows of embeddings and head. `overlap`: tokens that stand for the same "
        "text in both vocabularies keep their row, others start from the mean of the rows that "
        "their text has in the old one; `random`: all are drawn, as in the paper.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seeds the rows that are drawn.")
