"""How a base model is adapted to the domain, as a baseline for the memory."""

from typing import Literal, Self

from pydantic import Field, model_validator

from memdec_core.training import DomainTrainingConfig


class AdaptationConfig(DomainTrainingConfig):
    """Training of the base model itself on the domain, with cross-entropy alone.

    The learning rate suits LoRA on a small model; `dapt` moves pretrained weights directly and
    wants a lower one the larger the model is (1e-5 to 1e-4 for billions of parameters).
    """

    method: Literal["dapt", "lora"] = Field(
        description="`dapt` trains all weights; `lora` trains low-rank additions to the matrices "
        "of queries, keys, values and the feed-forward layers, and folds them in."
    )
    lora_rank: int | None = Field(
        None,
        ge=1,
        description="Rank of LoRA's additions. Unset: the rank at which they have as many "
        "parameters as the memory (its student), as nearly as a whole rank allows.",
    )

    @model_validator(mode="after")
    def _only_lora_has_a_rank(self) -> Self:
        if self.lora_rank is not None and self.method != "lora":
            raise ValueError(
                f"`lora_rank` belongs to method `lora`; leave it unset for `{self.method}`"
            )
        return self
