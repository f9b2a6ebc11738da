"""How models are scored; the windows are those of the pipeline."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ScoringConfig(BaseModel):
    """What decides a system's scores beside the system itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Type of the models' weights; probabilities are always float32."
    )
