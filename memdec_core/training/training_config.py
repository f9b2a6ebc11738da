"""How a model is trained: the settings of the one trainer, the domain's, and the memory's own."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["float32", "bfloat16"]


class TrainingConfig(BaseModel):
    """Settings of the trainer, the same for memories, base models and baselines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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

    beta: float = Field(
        0.5, ge=0, le=1, description="β: weight of KL(p_kNN ‖ p_mem); 1 - β is cross-entropy's."
    )
