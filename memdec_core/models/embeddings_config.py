"""Configuration of the embeddings."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ComputeDtype = Literal["float32", "bfloat16", "float16"]


class EmbeddingsConfig(BaseModel):
    """How keys are computed and cut into shards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    compute_dtype: ComputeDtype = Field(
        "float32",
        description="Precision of the forward pass; keys are stored in float16. `bfloat16` is up "
        "to twice as fast, with keys off by about 0.6 %; `float16` needs a GPU.",
    )
    shard_positions: int = Field(
        65_536, ge=1, description="Most positions of a shard, which holds whole windows."
    )
