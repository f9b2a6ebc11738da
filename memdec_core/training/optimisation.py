"""The optimiser and the course of its learning rate."""

from collections.abc import Iterable

from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, get_scheduler

from memdec_core.training.training_config import TrainingConfig


def trained_parameters(model: PreTrainedModel) -> dict[str, Tensor]:
    """Parameters that take gradients, by name, tied ones once."""
    return {name: param for name, param in model.named_parameters() if param.requires_grad}


def make_optimizer(parameters: Iterable[Tensor], config: TrainingConfig) -> AdamW:
    """AdamW that decays matrices only: decaying a norm's scale or a bias shrinks no function."""
    matrices = [param for param in parameters if param.ndim >= 2]
    vectors = [param for param in parameters if param.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return AdamW([g for g in groups if g["params"]], lr=config.learning_rate, fused=True)


def make_scheduler(optimizer: AdamW, config: TrainingConfig, steps: int) -> LambdaLR:
    """The learning rate over `steps` optimiser steps."""
    name = "constant_with_warmup" if config.schedule == "constant" else config.schedule
    scheduler: LambdaLR = get_scheduler(
        name,
        optimizer,
        num_warmup_steps=round(config.warmup_fraction * steps),
        num_training_steps=steps,
    )
    return scheduler
