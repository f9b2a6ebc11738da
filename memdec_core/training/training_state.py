"""The optimiser, and all that a training must remember to continue as if it had never stopped."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, JsonValue
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, get_scheduler

from memdec_core.training.batch_loss import LossMeans
from memdec_core.training.training_config import TrainingConfig

Arrays = dict[str, npt.NDArray[np.generic]]


class Checkpoints(Protocol):
    """Where a training saves its state.

    Attributes:
        every_s: Least seconds between two saves; 0 saves after every step.
    """

    every_s: float

    def save(self, step: int, arrays: Arrays, facts: dict[str, JsonValue]) -> None:
        """Saves a state, all or nothing."""

    def latest(self) -> tuple[Arrays, dict[str, JsonValue]] | None:
        """The newest whole state."""


class CurvePoint(BaseModel):
    """Losses at one step.

    Attributes:
        step: Optimiser steps done.
        epoch: The same in epochs.
        split: `train`: mean over the steps since the last point; `valid`: on the validation sample.
        loss: What is minimised, in nats per position.
        kl: KL(p_kNN ‖ p_mem), None without targets.
        ce: Cross-entropy.
        learning_rate: Of the last step done.
    """

    step: int
    epoch: float
    split: Literal["train", "valid"]
    loss: float
    kl: float | None
    ce: float
    learning_rate: float

    @property
    def means(self) -> LossMeans:
        """The losses alone."""
        return LossMeans(self.loss, self.kl, self.ce)


class Progress(BaseModel):
    """The small part of a training's state.

    Attributes:
        step: Optimiser steps done.
        positions: Predicted positions trained on.
        curve: Points so far.
        pending: Losses of the steps since the last `train` point.
        best_step: Step with the lowest validation loss, None before the first validation.
        best_loss: That loss.
        misses: Validations since the best.
        stopped: Whether patience ran out.
    """

    step: int = 0
    positions: int = 0
    curve: list[CurvePoint] = []
    pending: list[LossMeans] = []
    best_step: int | None = None
    best_loss: float | None = None
    misses: int = 0
    stopped: bool = False


class TrainingState(NamedTuple):
    """The living objects of a training; `best` maps parameter names to their best values."""

    parameters: dict[str, Tensor]
    optimizer: AdamW
    scheduler: LambdaLR
    progress: Progress
    best: dict[str, Tensor]


def new_state(model: PreTrainedModel, config: TrainingConfig, steps: int) -> TrainingState:
    """The state before the first of `steps` steps, over which the learning rate runs its course."""
    parameters = trained_parameters(model)
    optimizer = make_optimizer(parameters.values(), config)
    scheduler = get_scheduler(
        "constant_with_warmup" if config.schedule == "constant" else config.schedule,
        optimizer,
        num_warmup_steps=round(config.warmup_fraction * steps),
        num_training_steps=steps,
    )
    return TrainingState(parameters, optimizer, scheduler, Progress(), {})


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


def pack_state(state: TrainingState) -> tuple[Arrays, dict[str, JsonValue]]:
    """The state as arrays and plain values; changes nothing."""
    arrays: dict[str, Tensor] = {}
    for name, param in state.parameters.items():
        arrays[f"model/{name}"] = param
        for key, value in state.optimizer.state.get(param, {}).items():
            arrays[f"{key}/{name}"] = value
    arrays |= {f"best/{name}": value for name, value in state.best.items()}
    facts: dict[str, JsonValue] = {
        "progress": state.progress.model_dump(mode="json"),
        "scheduler": state.scheduler.state_dict(),
    }
    return {name: value.detach().cpu().numpy() for name, value in arrays.items()}, facts


def unpack_state(
    state: TrainingState, arrays: Arrays, facts: dict[str, JsonValue]
) -> TrainingState:
    """Puts a copy of a saved state into the objects of a new training."""
    scheduler_facts = facts["scheduler"]
    assert isinstance(scheduler_facts, dict)
    state.scheduler.load_state_dict(scheduler_facts)
    rates = state.scheduler.get_last_lr()
    for group, rate in zip(state.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    best = {}
    with torch.no_grad():
        for name, param in state.parameters.items():
            param.copy_(torch.from_numpy(arrays[f"model/{name}"]))
            if f"exp_avg/{name}" in arrays:
                state.optimizer.state[param] = {
                    key: torch.tensor(arrays[f"{key}/{name}"], device=param.device)
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }
            if f"best/{name}" in arrays:
                best[name] = torch.tensor(arrays[f"best/{name}"], device=param.device)
    return state._replace(progress=Progress.model_validate(facts["progress"]), best=best)
