"""How models are scored, how systems are compared, and what a build must show to be promoted."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from memdec_core.models.models_config import BaseModelConfig, Precision

Weight = Annotated[float, Field(ge=0, le=1)]


class ScoringConfig(BaseModel, frozen=True, extra="forbid"):
    """What decides a system's scores beside the system itself."""

    precision: Precision = Field(
        "float32", description="Type of the models' weights; probabilities are always float32."
    )


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


class PromotionConfig(BaseModel, frozen=True, extra="forbid"):
    """Limits of the promotion gate.

    A difference counts against a build only where its confidence interval leaves no doubt.
    """

    automatic: bool = Field(
        default=True,
        description="Put a finished build that passes the gate into production. Without it every "
        "build stays a candidate until `memdec promote`.",
    )
    min_documents: int = Field(
        10,
        ge=1,
        description="Least documents of each of the splits valid and test. With fewer, confidence "
        "intervals are too narrow for what they say (EXPERIMENTS.md).",
    )
    min_tokens: int = Field(
        1000, ge=1, description="Least predicted tokens of each of these splits, likewise."
    )
    max_forgetting: float = Field(
        3.0,
        ge=1,
        description="Most that base + memory may have of the base's own perplexity on the corpora "
        "of `comparison.elsewhere`, as a ratio.",
    )
    forgetting_tolerance: float = Field(
        0.05,
        ge=0,
        description="How much more of it than production's, as a share, still counts as equal.",
    )
    revision_tolerance: float = Field(
        0.1,
        ge=0,
        description="How much worse than production, as a share, a build may be on the test text "
        "that production was built with: revised documents are no longer predicted as well.",
    )
    fidelity_tolerance: float = Field(
        0.2,
        ge=0,
        description="How much further from p_kNN (KL on validation), relative to the memory in "
        "production, the new memory may be.",
    )
