"""How a model is trained: the settings of the one trainer, the domain's, and the memory's own."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from memdec_core.models.models_config import Precision


class TrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """Settings of the trainer, the same for memories, base models and baselines."""

    epochs: int = Field(10, ge=1, description="Passes over the training positions.")
    learning_rate: float = Field(1e-3, gt=0, description="Highest learning rate of AdamW.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="Course of the learning rate after warm-up: to zero, or constant."
    )
    warmup_fraction: float = Field(
        0.0, ge=0, lt=1, description="Share of all steps in which the learning rate rises from 0."
    )
    weight_decay: float = Field(
        0.01, ge=0, description="AdamW's decay of matrices; biases and norms are never decayed."
    )
    clip_norm: float = Field(1.0, gt=0, description="Largest norm of a step's gradient.")
    batch_tokens: int = Field(
        8192, ge=1, description="Predicted tokens per optimiser step, about: whole windows."
    )
    micro_batch_tokens: int = Field(
        2048,
        ge=1,
        description="Tokens of one forward and backward pass, about; a step adds up the gradients "
        "of several. More take more memory; a GPU is faster with more, a CPU is not.",
    )
    precision: Precision = Field(
        "float32",
        description="Arithmetic of the forward and backward pass (weights stay float32); "
        "`bfloat16` is faster where the processor has it.",
    )
    validations_per_epoch: int = Field(1, ge=1, description="Validations in an epoch, evenly.")
    patience: int = Field(
        0, ge=0, description="Stop after this many validations without a better loss; 0: never."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the data order and of dropout.")


class DomainTrainingConfig(TrainingConfig):
    """Training on the windows of the domain: memories and the baselines they are compared with."""

    training_stride: int | None = Field(
        None,
        ge=1,
        description="Tokens by which training windows advance. Unset: windows that overlap as "
        "little as possible, the fewest forward passes per epoch.",
    )


class MemoryTrainingConfig(DomainTrainingConfig):
    """Training of a Memory Decoder on the sparse p_kNN of its positions."""

    section: ClassVar[str] = "training"

    beta: float = Field(
        0.5, ge=0, le=1, description="β: weight of KL(p_kNN ‖ p_mem); 1 - β is cross-entropy's."
    )


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
