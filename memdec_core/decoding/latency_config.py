"""How the time that a system takes is measured."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]


class LatencyConfig(BaseModel):
    """Settings of the measurement of time and memory; moderate, about a minute for small models.

    Every size of datastore is held in memory while it is measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
