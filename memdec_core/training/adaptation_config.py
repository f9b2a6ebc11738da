"""How a base model is adapted to the domain, as a baseline for the memory."""

from typing import Annotated, Literal

from pydantic import Field

from memdec_core.training.training_config import DomainTrainingConfig


class DaptConfig(DomainTrainingConfig):
    """Continued pre-training of all weights on the domain, with cross-entropy alone.

    It moves pretrained weights directly: the learning rate wants to be lower the larger the model
    is (1e-5 to 1e-4 for billions of parameters).
    """

    method: Literal["dapt"] = Field("dapt", description="All weights are trained.")


class LoraConfig(DomainTrainingConfig):
    """Training of low-rank additions to a base model's matrices, with cross-entropy alone."""

    method: Literal["lora"] = Field(
        "lora",
        description="Low-rank additions to the matrices of queries, keys, values and the "
        "feed-forward layers are trained, and folded in.",
    )
    lora_rank: int | None = Field(
        None,
        ge=1,
        description="Rank of the additions. Unset: the rank at which they have as many parameters "
        "as the memory (its student), as nearly as a whole rank allows.",
    )


AdaptationConfig = Annotated[DaptConfig | LoraConfig, Field(discriminator="method")]
