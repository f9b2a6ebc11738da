"""How base and base+memory are compared."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from memdec_core.models.base_model_config import BaseModelConfig
from memdec_core.scoring.scoring_config import ScoringConfig

Weight = Annotated[float, Field(ge=0, le=1)]


class EvaluationConfig(ScoringConfig):
    """Settings of the evaluation; its windows are those of the pipeline."""

    bases: tuple[BaseModelConfig, ...] = Field(
        (), description="Models to put the memory beside; the datastore's base model when empty."
    )
    alphas: tuple[Weight, ...] = Field(
        tuple(step / 20 for step in range(21)),
        description="Weights α of the memory to try on the validation split.",
    )
    refine_alpha: bool = Field(
        default=False,
        description="Go on between the neighbours of the best value of the grid, to 0.001.",
    )
    bootstrap_samples: int = Field(
        1000, ge=10, le=100_000, description="Resamples of documents behind each interval."
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, description="Share of resamples inside a confidence interval."
    )
    fidelity_rows: int = Field(
        20_000,
        ge=0,
        description="Validation positions, about, on which the memory is compared with p_kNN.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the resamples and of the sample.")

    @model_validator(mode="after")
    def _some_alpha(self) -> Self:
        if not self.alphas:
            raise ValueError("alphas is empty: give at least one weight between 0 and 1")
        return self
