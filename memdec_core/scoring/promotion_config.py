"""What a finished build must show before it goes into production."""

from pydantic import BaseModel, ConfigDict, Field


class PromotionConfig(BaseModel):
    """Limits of the promotion gate.

    A difference counts against a build only where its confidence interval leaves no doubt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    automatic: bool = Field(
        default=True,
        description="Put a finished build that passes the gate into production. Without it every "
        "build stays a candidate until `memdec promote`.",
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
